package ima_test

import (
	"bytes"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/ima"
)

func TestSkip(t *testing.T) {
	first, rest := encode(file("/bin/a", "a"), violation("/bin/b")), encode(signed("/bin/c", "c", []byte("signature")))
	list := append(bytes.Clone(first), rest...)
	for n, want := range map[uint64][]byte{0: list, 2: rest, 3: {}} {
		if got, err := ima.Skip(list, n); err != nil || !bytes.Equal(got, want) {
			t.Errorf("behind %d entries: %x, %v", n, got, err)
		}
	}
	for name, c := range map[string]struct {
		list []byte
		n    uint64
	}{"too few": {list, 4}, "cut": {list[:len(list)-1], 3}, "huge": {nil, 1 << 63}} {
		if _, err := ima.Skip(c.list, c.n); evidence.CodeOf(err) != evidence.CodeTPMIMALog {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A list of any size is skipped through; only what is behind must fit.
func TestSkipLong(t *testing.T) {
	entry := encode(file("/bin/a", "a"))
	n := evidence.MaxIMALog/len(entry) + 2
	if got, err := ima.Skip(bytes.Repeat(entry, n), uint64(n-1)); err != nil || !bytes.Equal(got, entry) {
		t.Errorf("%x, %v", got, err)
	}
}
