package tdx

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"

	"github.com/quotary/quotary/tee"
)

// Intel's endorsements are named after the parameters that Intel's services take
// (PCS API v4), so that a name says what to ask for:
//
//	root-crl           intel-sgx-root               whom the root has revoked
//	pck-crl            platform or processor        whom that PCK CA has revoked
//	tcb-info           <FMSPC, 12 lower-case hex digits>
//	qe-identity        TD_QE                        the TD quoting enclave's
//	tcb-signing-chain  intel-sgx-tcb-signing        who signs TCB infos and identities
//	pck-ca             platform or processor        who issues PCK certificates
//
// The last two are nowhere by themselves: they come in the header of the other
// answers. A certificate answers to a second name behind that, with a slash and
// the SHA-256 of its public key in lower-case hex: what a former key signed is
// held to that key's certificate, whichever is the newest. The names of a simulated
// vendor's are the same.
const (
	typeRootCRL    = "root-crl"
	typePCKCRL     = "pck-crl"
	typeTCBInfo    = string(tee.DocumentTCBInfo)
	typeQEIdentity = string(tee.DocumentQEIdentity)
	typeSigner     = "tcb-signing-chain"
	typePCKCA      = "pck-ca"
)

const (
	idRoot      = "intel-sgx-root"
	idSigner    = "intel-sgx-tcb-signing"
	idPlatform  = "platform"
	idProcessor = "processor"
)

// fmspcSize is the size of an FMSPC: family, model, stepping, platform and custom SKU.
const fmspcSize = 6

func rootCRLName() tee.EndorsementName { return tee.EndorsementName{Type: typeRootCRL, ID: idRoot} }

func pckCRLName(ca string) tee.EndorsementName { return tee.EndorsementName{Type: typePCKCRL, ID: ca} }

func tcbInfoName(fmspc []byte) tee.EndorsementName {
	return tee.EndorsementName{Type: typeTCBInfo, ID: hex.EncodeToString(fmspc)}
}

func qeIdentityName() tee.EndorsementName {
	return tee.EndorsementName{Type: typeQEIdentity, ID: qeIdentityKey}
}

func signerName() tee.EndorsementName { return tee.EndorsementName{Type: typeSigner, ID: idSigner} }

// certificateNames returns the names of a certificate: the general one, and the
// one by its key.
func certificateNames(typ, id string, cert *x509.Certificate) []tee.EndorsementName {
	key := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return []tee.EndorsementName{{Type: typ, ID: id}, {Type: typ, ID: id + "/" + hex.EncodeToString(key[:])}}
}

// resource is what a name of an endorsement that Intel's services hand out means.
type resource struct {
	typ   string
	ca    string // of a PCK CRL
	fmspc []byte // of a TCB info
}

// name builds the endorsement's name, of which parseName is the inverse.
func (r resource) name() tee.EndorsementName {
	switch r.typ {
	case typePCKCRL:
		return pckCRLName(r.ca)
	case typeTCBInfo:
		return tcbInfoName(r.fmspc)
	case typeQEIdentity:
		return qeIdentityName()
	}
	return rootCRLName()
}

// parseName reads the name of an endorsement that Intel's services hand out. It
// takes no spelling but that of resource.name.
func parseName(name tee.EndorsementName) (resource, bool) {
	r := resource{typ: name.Type}
	switch name.Type {
	case typeRootCRL, typeQEIdentity:
	case typePCKCRL:
		if r.ca = name.ID; name.ID != idPlatform && name.ID != idProcessor {
			return resource{}, false
		}
	case typeTCBInfo:
		var err error
		if r.fmspc, err = hex.DecodeString(name.ID); err != nil || len(r.fmspc) != fmspcSize {
			return resource{}, false
		}
	default:
		return resource{}, false
	}
	return r, r.name() == name
}

// dependencies lists the types of endorsements, what others rest on first.
var dependencies = []string{typeRootCRL, typePCKCA, typePCKCRL, typeSigner, typeTCBInfo, typeQEIdentity}

// inOrder sorts names so that what others rest on comes first, each once.
func inOrder(names []tee.EndorsementName) []tee.EndorsementName {
	slices.SortStableFunc(names, func(a, b tee.EndorsementName) int {
		return slices.Index(dependencies, a.Type) - slices.Index(dependencies, b.Type)
	})
	return slices.Compact(names)
}
