package clienttest_test

import (
	"strings"
	"testing"
)

// page is the document with the configurations.
const page = "../../docs/interop.md"

// recipe returns the first block of a language in a section of the page.
func recipe(t *testing.T, section, language string) string {
	t.Helper()
	_, text, found := strings.Cut(string(read(t, page)), "\n## "+section+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	_, text, begins := strings.Cut(text, "\n```"+language+"\n")
	text, _, ends := strings.Cut(text, "\n```\n")
	if !found || !begins || !ends {
		t.Fatalf("%s has no %s in section %s", page, language, section)
	}
	return text + "\n"
}
