package main

import (
	"net/url"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/vendors"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/sevsnp"
)

// Where Intel publishes endorsements. This program only names the places.
const (
	intelPCS   = "https://api.trustedservices.intel.com"
	intelRoots = "https://certificates.trustedservices.intel.com"
)

// urlOf says where a missing endorsement can be had, or returns "". claims are
// unverified: they serve to find the endorsement, which is then judged itself.
func urlOf(m tee.EndorsementName, claims ...evidence.Claims) string {
	if path, ok := locateAMD(m); ok {
		return vendors.AMDKDS + path
	}
	for _, c := range claims {
		if c.TDX == nil {
			continue
		}
		if place := intelURL(m, c.TDX); place != "" {
			return place
		}
	}
	return ""
}

// locateAMD returns the path at which AMD's service has an endorsement. It is false
// for what this program cannot fetch.
func locateAMD(m tee.EndorsementName) (path string, ok bool) {
	return new(sevsnp.Verifier).Locate(m) // places do not depend on the roots that are trusted
}

// intelURL follows Intel's provisioning certification service, API version 4.
func intelURL(m tee.EndorsementName, c *evidence.TDXClaims) string {
	switch m.Type {
	case "tcb-info":
		fmspc := "{fmspc}"
		if len(c.FMSPC) > 0 {
			fmspc = c.FMSPC.String()
		}
		return intelPCS + "/tdx/certification/v4/tcb?fmspc=" + fmspc
	case "qe-identity":
		return intelPCS + "/tdx/certification/v4/qe/identity"
	case "pck-crl":
		ca := "{platform|processor}"
		if m.ID == "platform" || m.ID == "processor" {
			ca = url.QueryEscape(m.ID)
		}
		return intelPCS + "/sgx/certification/v4/pckcrl?ca=" + ca + "&encoding=der"
	case "root-crl":
		return intelRoots + "/IntelSGXRootCA.der"
	}
	return ""
}
