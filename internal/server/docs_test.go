package server_test

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
)

func readDoc(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// docs/api.md has every endpoint, member and code of openapi.json and of the
// table of statuses, and no other.
func TestAPIDocument(t *testing.T) {
	a := start(t, servertest.Options{})
	c := readContract(t, a)
	text := readDoc(t, "api.md")
	headings := 0
	for path, item := range child(c.document, "paths") {
		for method := range item.(map[string]any) {
			headings++
			if !strings.Contains(text, "\n### "+strings.ToUpper(method)+" "+path+"\n") {
				t.Errorf("docs/api.md has no heading for %s %s", method, path)
			}
		}
	}
	if got := len(regexp.MustCompile(`(?m)^### `).FindAllString(text, -1)); got != headings {
		t.Errorf("docs/api.md describes %d endpoints, there are %d", got, headings)
	}
	for name, schema := range child(c.document, "components", "schemas") {
		for member := range child(schema.(map[string]any), "properties") {
			if !strings.Contains(text, "`"+member+"`") {
				t.Errorf("docs/api.md does not mention %s of %s", member, name)
			}
		}
	}
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| ([0-9]{3}) \\| `([a-z0-9.-]+)` \\|").FindAllStringSubmatch(text, -1) {
		listed[row[1]+" "+row[2]] = true
	}
	for code, status := range server.Statuses {
		if row := fmt.Sprintf("%d %s", status, code); !listed[row] {
			t.Errorf("docs/api.md does not list %s", row)
		}
	}
	internal := fmt.Sprintf("%d %s", http.StatusInternalServerError, evidence.CodeInternal)
	if !listed[internal] || len(listed) != len(server.Statuses)+1 {
		t.Errorf("docs/api.md lists %d codes, there are %d", len(listed), len(server.Statuses)+1)
	}
}

func TestOperationsDocumentHasEveryMetric(t *testing.T) {
	a := start(t, servertest.Options{})
	a.post("/v1/attestations", `{}`)
	a.get("/healthz")
	text := readDoc(t, "operations.md")
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (quotary_[a-z_]+) `).FindAllStringSubmatch(string(a.get("/metrics").body), -1) {
		if !strings.Contains(text, "`"+m[1]+"`") {
			t.Errorf("docs/operations.md does not list %s", m[1])
		}
	}
}
