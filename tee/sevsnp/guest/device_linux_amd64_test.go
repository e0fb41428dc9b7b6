package guest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/quotary/quotary/evidence"
)

// TestDeviceThatIsNone makes real system calls to files that are no SNP guest device.
func TestDeviceThatIsNone(t *testing.T) {
	null, err := openDevice(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []Request{{}, {Certificates: make([]byte, firstTable)}} {
		if _, err := null.Do(r); !errors.Is(err, syscall.ENOTTY) {
			t.Errorf("got %v", err)
		}
	}
	absent := filepath.Join(t.TempDir(), "sev-guest")
	if _, err := openDevice(absent); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := (linuxDevice{absent}).Do(Request{}); evidence.CodeOf(err) != evidence.CodeAttesterAbsent {
		t.Errorf("a device that went: %v", err)
	}
}
