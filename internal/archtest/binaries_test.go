package archtest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The programs that are deployed have no function of a simulator in their tables, as the
// linker wrote them. Imports alone tell the same sooner; this looks at what is shipped.
func TestBinariesHoldNoSimulator(t *testing.T) {
	for _, program := range programs {
		source := filepath.Join("..", "..", program)
		if _, err := os.Stat(source); err != nil {
			continue
		}
		binary := filepath.Join(t.TempDir(), filepath.Base(program))
		if out, err := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", binary, "./"+source).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", program, err, out)
		}
		content, err := os.ReadFile(binary)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(content, []byte("github.com/quotary/quotary/evidence.")) {
			t.Fatalf("%s: no table of functions was found, so this shows nothing", program)
		}
		if bytes.Contains(content, []byte("github.com/quotary/quotary/simulators")) {
			t.Errorf("%s holds functions of simulators", program)
		}
	}
}
