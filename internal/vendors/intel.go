package vendors

import (
	"cmp"

	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements/store"
	"github.com/quotary/quotary/tee/tdx"
)

// Intel's services: the provisioning certification service (PCS API v4), and where
// the root's revocation list is.
const (
	IntelPCS  = "https://api.trustedservices.intel.com"
	IntelRoot = "https://certificates.trustedservices.intel.com"
)

// Intel says who is asked for Intel's endorsements.
type Intel struct {
	// PCS and Root are the base URLs of Intel's services, or of mirrors of them.
	// They default to [IntelPCS] and [IntelRoot].
	PCS, Root string
	// PCCS is the base URL of a caching service (Intel SGX DCAP), which is asked
	// instead of both. Empty: none.
	PCCS string
	// Update is the channel.
	Update tdx.Update
}

// Vendors returns the services. The verifier knows which roots are trusted.
func (i Intel) Vendors(v *tdx.Verifier) []store.Vendor {
	service := func(name, base string, endorser tee.Endorser) store.Vendor {
		return store.Vendor{Name: name, BaseURL: base, Endorser: endorser, ChainHeaders: tdx.ChainHeaders()}
	}
	if i.PCCS != "" {
		return []store.Vendor{service("intel-pccs", i.PCCS, v.PCCS(i.Update))}
	}
	return []store.Vendor{
		service("intel-pcs", cmp.Or(i.PCS, IntelPCS), v.PCS(i.Update)),
		service("intel-root", cmp.Or(i.Root, IntelRoot), v.RootService()),
	}
}
