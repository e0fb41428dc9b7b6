//go:build !linux

package main

import (
	"errors"
	"os"
)

// columns returns 0: terminals are known on Linux only.
func columns(*os.File) int { return 0 }

// silence is not there.
func silence(*os.File) (restore func(), err error) {
	return nil, errors.New("terminals are known on Linux only")
}
