package main

import (
	"github.com/quotary/quotary/internal/vendors"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/sevsnp"
	"github.com/quotary/quotary/tee/tdx"
)

// Where Intel publishes endorsements. This program only names the places.
const (
	intelPCS   = "https://api.trustedservices.intel.com"
	intelRoots = "https://certificates.trustedservices.intel.com"
)

// urlOf says where a missing endorsement can be had, or returns "".
func urlOf(m tee.EndorsementName) string {
	amd, intel := new(sevsnp.Verifier), new(tdx.Verifier) // places do not depend on the roots that are trusted
	for _, service := range []struct {
		base string
		tee.Endorser
	}{
		{vendors.AMDKDS, amd}, {intelPCS, intel.PCS(tdx.Standard)}, {intelRoots, intel.RootService()},
	} {
		if path, ok := service.Locate(m); ok {
			return service.base + path
		}
	}
	return ""
}

// canFetch reports whether a store of this program's could fetch it.
func canFetch(m tee.EndorsementName) bool {
	_, ok := new(sevsnp.Verifier).Locate(m)
	return ok
}
