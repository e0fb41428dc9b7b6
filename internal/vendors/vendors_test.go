package vendors_test

import (
	"testing"

	"github.com/quotary/quotary/internal/vendors"
)

// AMD's own service is spared; what a mirror bears, the store's bounds say.
func TestAMD(t *testing.T) {
	for base, spared := range map[string]bool{"": true, vendors.AMDKDS: true, "https://mirror.example/kds": false} {
		v := vendors.AMD(base, nil)
		if got := v.RequestEvery > 0 && v.Burst > 0; got != spared {
			t.Errorf("%q: one request in %v after %d", base, v.RequestEvery, v.Burst)
		}
		if want := base; want != "" && v.BaseURL != want || v.BaseURL == "" {
			t.Errorf("%q: the base URL is %q", base, v.BaseURL)
		}
	}
}
