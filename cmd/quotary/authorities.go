package main

import (
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/anchors"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/sevsnp"
	"github.com/quotary/quotary/tee/tdx"
)

// authorities say what is authentic of each vendor's, and what verifying draws on.
type authorities struct {
	amd   *sevsnp.Verifier
	intel *tdx.Verifier
}

// newAuthorities trusts further roots besides those of this build.
func newAuthorities(roots anchors.Set) (authorities, error) {
	amd, err := sevsnp.New(roots.SEVSNP...)
	if err != nil {
		return authorities{}, withHint(err, trustHint)
	}
	intel, err := tdx.New(roots.TDX...)
	return authorities{amd, intel}, withHint(err, trustHint)
}

// needs names what verifying evidence with these claims draws on.
func (a authorities) needs(claims evidence.Claims) []tee.EndorsementName {
	// What quotes need does not depend on who has it.
	return slices.Concat(a.amd.Needs(claims), a.intel.RootService().Needs(claims))
}

// baseline names what every verification of vendors' evidence may draw on.
func (a authorities) baseline(of vendorList) []tee.EndorsementName {
	var names []tee.EndorsementName
	if of.covers(vendorAMD) {
		names = append(names, a.amd.Needs(evidence.Claims{})...)
	}
	if of.covers(vendorIntel) {
		names = append(names, a.intel.RootService().Needs(evidence.Claims{})...)
	}
	return names
}
