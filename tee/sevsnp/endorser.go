package sevsnp

import (
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// Needs names the endorsements that verifying reports draws on; see [tee.Endorser].
//
// The zero Claims name the standing ones, for each product line with a trusted
// root: both revocation lists and, where a root's issuers are not part of this
// build (a simulated root's), ASK and ASVK. Claims of a report, verified or not,
// name those of its line and the certificate of the key that signed it. A report
// of version 2 that nobody verified does not say its line: then it is those of
// each line that it can be of. Nothing is named for a processor that cannot be
// verified, and no key where the host masks the chip.
func (v *Verifier) Needs(claims evidence.Claims) []tee.EndorsementName {
	if claims.IsZero() {
		return v.standing(products)
	}
	if claims.Kind != evidence.KindSEVSNP || claims.SEVSNP == nil {
		return nil
	}
	_, lines := signerOf(claims.SEVSNP)
	names := v.standing(lines)
	for _, name := range keyNames(claims.SEVSNP) {
		if _, ok := parseKeyName(name); ok { // a masked chip's is none
			names = append(names, name)
		}
	}
	return names
}

// standing names what every verification of these lines may draw on, issuers first.
func (v *Verifier) standing(lines []*product) []tee.EndorsementName {
	var issuers, lists []tee.EndorsementName
	for _, line := range lines {
		ofLine := func(a *anchor) bool { return a.product == line }
		bare := func(a *anchor) bool { return ofLine(a) && len(a.issuers) == 0 }
		if slices.ContainsFunc(v.anchors, bare) {
			issuers = append(issuers, issuerName(vcek, line), issuerName(vlek, line))
		}
		if slices.ContainsFunc(v.anchors, ofLine) {
			lists = append(lists, crlName(vcek, line), crlName(vlek, line))
		}
	}
	return append(issuers, lists...)
}

// Locate returns where AMD's key distribution service has an endorsement (57230,
// chapter 4); see [tee.Endorser]. It has no VLEKs for anybody but their providers.
// The path is put together from what the name was found to say, never from the
// name. It is the same for simulated endorsements, whose service is a simulated one.
func (*Verifier) Locate(name tee.EndorsementName) (path string, ok bool) {
	if key, ok := parseKeyName(name); ok && key.key == vcek {
		return "/vcek/v1/" + key.name().ID, true
	}
	if key, line, ok := parseIssuerName(name); ok {
		return "/" + key.String() + "/v1/" + line.name + "/cert_chain", true
	}
	if key, line, ok := parseCRLName(name); ok {
		return "/" + key.String() + "/v1/" + line.name + "/crl", true
	}
	return "", false
}
