package agenttest

import (
	"bytes"
	"os"
	"sync"
	"testing"
)

// ShortDir makes a folder with a short name, which goes with the test: the path of a socket has
// at most 107 bytes (unix(7)).
func ShortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Notes is text that many write, such as a log.
type Notes struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *Notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(p)
}

func (n *Notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}
