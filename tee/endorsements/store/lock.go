package store

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// lockName is the file that whoever writes to a directory has locked.
const lockName = "lock"

// lock waits for its turn to write to the directory, among all processes that
// use it. The operating system lets go of the lock when a process ends, however it ends.
func lock(root *os.Root) (unlock func(), err error) {
	file, err := root.OpenFile(lockName, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if file, err = create(root, lockName); errors.Is(err, fs.ErrExist) { // somebody else was faster
			file, err = root.OpenFile(lockName, os.O_RDWR, 0)
		}
	}
	if err != nil {
		return nil, err
	}
	for patience := lockPatience; ; patience -= lockRetry {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) || patience <= 0 {
			file.Close()
			return nil, &os.PathError{Op: "lock", Path: file.Name(), Err: err}
		}
		time.Sleep(lockRetry)
	}
}
