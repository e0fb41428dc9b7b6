package ca

import (
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"net"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
)

// Tags of DER (X.690 §8) and of GeneralName (RFC 5280 §4.2.1.6).
const (
	tagBoolean         = 0x01
	tagInteger         = 0x02
	tagBitString       = 0x03
	tagOctetString     = 0x04
	tagOID             = 0x06
	tagUTF8String      = 0x0c
	tagUTCTime         = 0x17
	tagGeneralizedTime = 0x18
	tagSequence        = 0x30
	tagSet             = 0x31

	tagKeyIdentifier = 0x80 // of AuthorityKeyIdentifier
	tagDNSName       = 0x82
	tagURI           = 0x86
	tagIPAddress     = 0x87
	tagOtherName     = 0xa0
	tagDirectoryName = 0xa4
	tagVersion       = 0xa0
	tagExtensions    = 0xa3
	tagExplicit0     = 0xa0

	tagDistributionPoint, tagFullName = 0xa0, 0xa0 // RFC 5280 §4.2.1.13
)

// The parts that are the same in every leaf.
var (
	version3    = tlv(tagVersion, tlv(tagInteger, []byte{2}))
	ecdsaSHA256 = sequence(oid(1, 2, 840, 10045, 4, 3, 2)) // RFC 5758 §3.2
	keyUsage    = extension(oidKeyUsage, true, tlv(tagBitString, []byte{7, 0x80}))
	extKeyUsage = extension(oidExtKeyUsage, false, sequence(oid(1, 3, 6, 1, 5, 5, 7, 3, 1), oid(1, 3, 6, 1, 5, 5, 7, 3, 2)))
	noCA        = extension(oidBasicConstraints, true, sequence())

	emptySubject     = sequence()
	simulatedSubject = sequence(tlv(tagSet, sequence(oid(2, 5, 4, 10), tlv(0x13, []byte(evidence.SimulatedOrganization)))))
)

// encode is the TBSCertificate that p stands for.
func (h *hierarchy) encode(p *profile) []byte {
	subject := emptySubject
	if p.simulated {
		subject = simulatedSubject
	}
	return contents{
		serial: p.serial, notBefore: p.notBefore, notAfter: p.notAfter, subject: subject, spki: p.spki, usage: extKeyUsage,
		names: extension(oidSubjectAltName, !p.simulated, p.names()), // critical where the subject is empty
		more:  slices.Concat(p.attestationResult(), p.distributionPoint(), p.responderAccess()),
	}.encode(h.issuing)
}

// contents are what certificates of this package do not have in common.
type contents struct {
	serial              *big.Int
	notBefore, notAfter time.Time
	subject, spki       []byte
	usage, names        []byte // extensions: extended key usage, SubjectAltName
	more                []byte // further extensions, or nothing
}

// encode is the TBSCertificate (RFC 5280 §4.1) of a certificate under issuer. The
// fields are few and fixed; writing them here, rather than with a general encoder
// that verifies what it signs, leaves the one verification to what is released.
func (c contents) encode(issuer *x509.Certificate) []byte {
	return sequence(
		version3,
		integer(c.serial),
		ecdsaSHA256,
		issuer.RawSubject,
		sequence(instant(c.notBefore), instant(c.notAfter)),
		c.subject,
		c.spki,
		tlv(tagExtensions, sequence(
			keyUsage, c.usage, noCA,
			extension(oidSubjectKeyID, false, tlv(tagOctetString, spkiID(c.spki))),
			extension(oidAuthorityKeyID, false, sequence(tlv(tagKeyIdentifier, issuer.SubjectKeyId))),
			c.names, c.more,
		)),
	)
}

// attestationResult is the extension id-pe-cmw (draft-ietf-rats-msg-wrap §5), whose
// value is a choice: for a wrapper in CBOR an OCTET STRING.
func (p *profile) attestationResult() []byte {
	if p.result == nil {
		return nil
	}
	return extension(oidCMW, false, p.carries())
}

// names is the SubjectAltName.
func (p *profile) names() []byte {
	var names [][]byte
	for _, name := range p.dnsNames {
		names = append(names, tlv(tagDNSName, []byte(name)))
	}
	for _, address := range p.addresses {
		names = append(names, tlv(tagIPAddress, shortest(address)))
	}
	return sequence(append(names, tlv(tagURI, []byte(p.id.String())))...)
}

func shortest(address net.IP) []byte {
	if four := address.To4(); four != nil {
		return four
	}
	return address
}

// certificate joins what was signed with its signature.
func certificate(tbs, signature []byte) []byte {
	return sequence(tbs, ecdsaSHA256, tlv(tagBitString, []byte{0}, signature))
}

func sequence(parts ...[]byte) []byte { return tlv(tagSequence, parts...) }

func extension(id asn1.ObjectIdentifier, critical bool, value []byte) []byte {
	parts := [][]byte{oid(id...), tlv(tagOctetString, value)}
	if critical {
		parts = slices.Insert(parts, 1, tlv(tagBoolean, []byte{0xff}))
	}
	return sequence(parts...)
}

// integer encodes a positive number.
func integer(n *big.Int) []byte {
	b := n.Bytes()
	if len(b) == 0 || b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	return tlv(tagInteger, b)
}

// instant is a Time (RFC 5280 §4.1.2.5): UTCTime through 2049.
func instant(t time.Time) []byte {
	if t = t.UTC(); t.Year() < 2050 {
		return tlv(tagUTCTime, []byte(t.Format("060102150405Z")))
	}
	return tlv(tagGeneralizedTime, []byte(t.Format("20060102150405Z")))
}

// oid encodes an object identifier.
func oid(arcs ...int) []byte {
	body := []byte{byte(arcs[0]*40 + arcs[1])}
	for _, arc := range arcs[2:] {
		digits := []byte{byte(arc & 0x7f)}
		for arc >>= 7; arc > 0; arc >>= 7 {
			digits = append(digits, byte(arc)|0x80)
		}
		slices.Reverse(digits)
		body = append(body, digits...)
	}
	return tlv(tagOID, body)
}

// tlv is tag, length and parts.
func tlv(tag byte, parts ...[]byte) []byte {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	out := make([]byte, 0, 4+size)
	out = append(out, tag)
	switch {
	case size < 0x80:
		out = append(out, byte(size))
	case size < 0x100:
		out = append(out, 0x81, byte(size))
	case size < 0x10000:
		out = append(out, 0x82, byte(size>>8), byte(size))
	default:
		panic("ca: a certificate has no part of 64 KiB") // names and keys are bounded
	}
	for _, part := range parts {
		out = append(out, part...)
	}
	return out
}
