package main

import (
	"fmt"
	"net/url"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// Where vendors publish endorsements. This program only names the places.
const (
	amdKDS     = "https://kdsintf.amd.com"
	intelPCS   = "https://api.trustedservices.intel.com"
	intelRoots = "https://certificates.trustedservices.intel.com"
)

// urlOf says where a missing endorsement can be had, or returns "". claims are
// unverified: they serve to find the endorsement, which is then judged itself.
func urlOf(m tee.EndorsementName, claims evidence.Claims) string {
	switch {
	case claims.SEVSNP != nil:
		return amdURL(m, claims.SEVSNP)
	case claims.TDX != nil:
		return intelURL(m, claims.TDX)
	}
	return ""
}

// urlAmong is urlOf where it is not known whose endorsement is missing.
func urlAmong(m tee.EndorsementName, all []evidence.Claims) string {
	for _, claims := range all {
		if place := urlOf(m, claims); place != "" {
			return place
		}
	}
	return ""
}

// amdURL follows AMD's key distribution service (AMD 57230, chapter 4).
func amdURL(m tee.EndorsementName, c *evidence.SNPClaims) string {
	product := c.Product
	if product == "" {
		product = "{Milan|Genoa|…}"
	}
	switch m.Type {
	case "vcek":
		return fmt.Sprintf("%s/vcek/v1/%s/%s?%s", amdKDS, product, hardwareID(c), levels(c.ReportedTCB))
	case "ask", "ark", "asvk":
		return fmt.Sprintf("%s/%s/v1/%s/cert_chain", amdKDS, keyOf(c), product)
	case "crl":
		return fmt.Sprintf("%s/%s/v1/%s/crl", amdKDS, keyOf(c), product)
	}
	return "" // a VLEK comes from the cloud provider, beside the report
}

func keyOf(c *evidence.SNPClaims) string {
	if c.SigningKey == "vlek" {
		return "vlek"
	}
	return "vcek"
}

// hardwareID is the chip in a VCEK's URL: from Turin on, only its first 8 bytes.
func hardwareID(c *evidence.SNPClaims) string {
	switch {
	case len(c.ChipID) == 0:
		return "{hwid: the host masks it}"
	case c.ReportedTCB.FMC != nil:
		return c.ChipID[:min(8, len(c.ChipID))].String()
	}
	return c.ChipID.String()
}

func levels(tcb evidence.SNPTCB) string {
	query := fmt.Sprintf("blSPL=%02d&teeSPL=%02d&snpSPL=%02d&ucodeSPL=%02d", tcb.Bootloader, tcb.TEE, tcb.SNP, tcb.Microcode)
	if tcb.FMC != nil {
		query = fmt.Sprintf("fmcSPL=%02d&", *tcb.FMC) + query
	}
	return query
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
