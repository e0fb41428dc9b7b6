//go:build !(linux && amd64)

package guest

import (
	"errors"
	"fmt"
	"runtime"
)

// openDevice says that there is no such device: SNP guests run on AMD64, and the
// structures of other systems differ from Linux's.
func openDevice(string) (Device, error) {
	return nil, fmt.Errorf("%w: SNP guests are known here under linux/amd64, not %s/%s", errors.ErrUnsupported, runtime.GOOS, runtime.GOARCH)
}
