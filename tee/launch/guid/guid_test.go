package guid_test

import (
	"testing"

	"github.com/quotary/quotary/tee/launch/guid"
)

func TestString(t *testing.T) {
	if got := guid.Global().String(); got != "8be4df61-93ca-11d2-aa0d-00e098032b8c" {
		t.Error(got)
	}
	if got := guid.ImageSecurityDatabase(); got != (guid.GUID{0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45, 0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f}) {
		t.Errorf("% x", got)
	}
}
