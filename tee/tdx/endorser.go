package tdx

import (
	"encoding/hex"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// Update is a channel of Intel's service. After a TCB recovery event the early
// one hands out the new TCB infos and identities at once, the standard one when
// the ecosystem has had time to update, usually a year later. Both are signed and
// dated alike, but for the evaluation data number.
//
// That number never falls where endorsements are kept, whichever channel they came
// from: a floor that went down with the channel would be none. So going back from
// early to standard takes forgetting on purpose what was seen, or waiting until
// the standard channel has caught up.
type Update uint8

// The channels. Standard is what Intel's service defaults to.
const (
	Standard Update = iota
	Early
)

// String returns the channel's name, as requests have it.
func (u Update) String() string {
	if u == Early {
		return "early"
	}
	return "standard"
}

// ParseUpdate reads a channel's name.
func ParseUpdate(name string) (Update, bool) {
	for _, u := range []Update{Standard, Early} {
		if u.String() == name {
			return u, true
		}
	}
	return 0, false
}

// PCS is Intel's provisioning certification service (PCS API v4), at
// https://api.trustedservices.intel.com. It has everything but the root's
// revocation list; see [Verifier.RootService].
func (v *Verifier) PCS(u Update) tee.Endorser {
	return &service{verifier: v, update: u, certification: true}
}

// RootService is where Intel has the root's revocation list, and nothing else
// that is of use here: https://certificates.trustedservices.intel.com.
func (v *Verifier) RootService() tee.Endorser {
	return &service{verifier: v, rootCRL: "/IntelSGXRootCA.der"}
}

// PCCS is a provisioning certificate caching service (Intel SGX DCAP), which
// operators run in front of Intel's services. It has what both have.
func (v *Verifier) PCCS(u Update) tee.Endorser {
	return &service{verifier: v, update: u, certification: true, rootCRL: "/sgx/certification/v4/rootcacrl"}
}

// ChainHeaders name the header fields in which these services send the
// certificates of those who signed an answer, as PEM with %-escapes.
func ChainHeaders() []string {
	return []string{"TCB-Info-Issuer-Chain", "SGX-Enclave-Identity-Issuer-Chain", "SGX-PCK-CRL-Issuer-Chain"}
}

// service is a service with Intel's endorsements.
type service struct {
	verifier      *Verifier
	update        Update
	certification bool   // it has what is not the root's: TCB infos, identities, PCK CRLs
	rootCRL       string // the path of the root's revocation list, if it has that
}

// Needs names the endorsements that verifying quotes draws on, wherever they are;
// see [tee.Endorser]. The zero Claims name the standing ones: the revocation lists
// of the root and of both CAs for PCK certificates, and the identity of the quoting
// enclave. Claims of a quote, verified or not, name the TCB info of its platform as well.
func (*service) Needs(claims evidence.Claims) []tee.EndorsementName {
	names := []tee.EndorsementName{rootCRLName(), pckCRLName(idPlatform), pckCRLName(idProcessor), qeIdentityName()}
	switch {
	case claims.IsZero():
		return names
	case claims.Kind != evidence.KindTDX || claims.TDX == nil:
		return nil
	case len(claims.TDX.FMSPC) == fmspcSize:
		names = append(names, tcbInfoName(claims.TDX.FMSPC))
	}
	return inOrder(names)
}

// Locate returns where the service has an endorsement (PCS API v4); see
// [tee.Endorser]. The path is put together from what the name was found to say,
// never from the name.
func (s *service) Locate(name tee.EndorsementName) (path string, ok bool) {
	r, ok := parseName(name)
	if !ok || !s.has(r.typ) {
		return "", false
	}
	switch r.typ {
	case typePCKCRL:
		return "/sgx/certification/v4/pckcrl?ca=" + r.ca + "&encoding=der", true
	case typeTCBInfo:
		return "/tdx/certification/v4/tcb?fmspc=" + hex.EncodeToString(r.fmspc) + "&update=" + s.update.String(), true
	case typeQEIdentity:
		return "/tdx/certification/v4/qe/identity?update=" + s.update.String(), true
	}
	return s.rootCRL, true
}

// has reports whether endorsements of a type are the service's.
func (s *service) has(typ string) bool {
	if typ == typeRootCRL {
		return s.rootCRL != ""
	}
	return s.certification
}
