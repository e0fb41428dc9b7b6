package daemon

import (
	"os"
	"path/filepath"
	"syscall"

	"github.com/quotary/quotary/evidence"
)

// lock takes the data directory for this process, or says that another has it:
// each would accept a challenge of its own only, and both would write one ledger.
// The operating system lets go of it when the process ends, however it ends.
func lock(data string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(data, lockFile), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		return nil, evidence.Errorf(evidence.CodeDataInUse, data, "another service runs on this data directory: %w", err)
	}
	return file, nil
}
