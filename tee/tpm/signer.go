package tpm

import (
	"bytes"
	"encoding/binary"

	"github.com/quotary/quotary/evidence"
)

// hierarchies are the permanent handles that primary keys hang under
// (TPM 2.0 part 2, 7.4).
var hierarchies = []struct {
	handle uint32
	name   string
}{
	{0x4000000b, "endorsement"}, {0x40000001, "owner"}, {0x4000000c, "platform"}, {0x40000007, "null"},
}

// qualifiedName returns the qualified name that p has right under a hierarchy:
// H(parent's qualified name || name), the hierarchy's being its handle (part 1, 16).
func (p public) qualifiedName(hierarchy uint32) []byte {
	handle := binary.BigEndian.AppendUint32(nil, hierarchy)
	name := binary.BigEndian.AppendUint16(nil, uint16(p.nameAlg))
	return append(name, p.nameAlg.sum(handle, p.name)...)
}

// judgeSigner compares the signer that the quote names with the key's public
// area. The name includes all of the key's ancestors, so only a key right under
// a hierarchy can be recognised; of others only the form is known.
func (x *examination) judgeSigner() {
	const want = "the qualified name of the attestation key"
	switch {
	case x.attest == nil || x.area == nil:
		x.checks().NotPerformed(evidence.CodeTPMQualifiedSigner, want, "the quote or the key's public area is not known")
		return
	case len(x.attest.qualifiedSigner) != len(x.area.name) || !bytes.HasPrefix(x.attest.qualifiedSigner, x.area.name[:2]):
		x.checks().Fail(evidence.CodeTPMQualifiedSigner, want, "a name by another algorithm")
		return
	}
	if name := x.hierarchy(); name != "" {
		x.claims.AKHierarchy = name
		x.checks().Pass(evidence.CodeTPMQualifiedSigner, "a primary key of the "+name+" hierarchy")
		return
	}
	x.checks().NotPerformed(evidence.CodeTPMQualifiedSigner, want, "the key's parent is not known")
}

// hierarchy returns the hierarchy of which the quote names the key's public area
// as a primary key, or "".
func (x *examination) hierarchy() string {
	if x.attest == nil || x.area == nil {
		return ""
	}
	for _, h := range hierarchies {
		if bytes.Equal(x.attest.qualifiedSigner, x.area.qualifiedName(h.handle)) {
			return h.name
		}
	}
	return ""
}
