package main

import (
	"flag"

	"github.com/quotary/quotary/internal/vendors"
	"github.com/quotary/quotary/tee/endorsements/store"
	"github.com/quotary/quotary/tee/tdx"
)

// vendorFlags say who is asked for vendors' endorsements.
type vendorFlags struct {
	amdKDS, intelPCS, intelRoot, intelPCCS string
	intelUpdate                            choice
}

const vendorFlagsHelp = `
whom to ask, each a base URL: of the vendor's service, a mirror or caching proxy
  --amd-kds URL           AMD's key distribution service; default:
                          https://kdsintf.amd.com
  --intel-pcs URL         Intel's provisioning certification service; default:
                          https://api.trustedservices.intel.com
  --intel-root URL        where the revocation list of Intel's root is; default:
                          https://certificates.trustedservices.intel.com
  --intel-pccs URL        a caching service (PCCS) that is asked instead of both:
                          https://HOST:8081, without /sgx/certification/v4. If it
                          signed its own TLS certificate: SSL_CERT_FILE=FILE in
                          the environment names what to trust besides the system's
  --intel-update CHANNEL  of TCB infos and identities: standard, or early, which has
                          those of a TCB recovery event at once; default: standard
`

func (f *vendorFlags) define(fs *flag.FlagSet) {
	fs.StringVar(&f.amdKDS, "amd-kds", "", "")
	fs.StringVar(&f.intelPCS, "intel-pcs", "", "")
	fs.StringVar(&f.intelRoot, "intel-root", "", "")
	fs.StringVar(&f.intelPCCS, "intel-pccs", "", "")
	f.intelUpdate.words = []string{tdx.Standard.String(), tdx.Early.String()}
	fs.Var(&f.intelUpdate, "intel-update", "")
}

// check refuses flags that exclude each other.
func (f *vendorFlags) check() error {
	if f.intelPCCS != "" && (f.intelPCS != "" || f.intelRoot != "") {
		return usage("--intel-pccs is asked instead of --intel-pcs and --intel-root", "leave the one out or the others")
	}
	return nil
}

// given reports whether any of the flags is.
func (f *vendorFlags) given() bool {
	return f.amdKDS != "" || f.intelPCS != "" || f.intelRoot != "" || f.intelPCCS != "" || f.intelUpdate.value != ""
}

// services are those that hand endorsements out; what of them is authentic, the
// authorities say. Without flags they are the vendors' own.
func (f *vendorFlags) services(a authorities) []store.Vendor {
	update, _ := tdx.ParseUpdate(f.intelUpdate.value) // else standard
	intel := vendors.Intel{PCS: f.intelPCS, Root: f.intelRoot, PCCS: f.intelPCCS, Update: update}
	return append(intel.Vendors(a.intel), vendors.AMD(f.amdKDS, a.amd))
}
