package tdx

import (
	"crypto/x509"
	"encoding/asn1"

	"github.com/quotary/quotary/evidence"
)

// oidSGX is the SGX extension of a PCK certificate (Intel SGX PCK Certificate
// and CRL Profile Specification, revision 1.5, section 1.3.5).
var oidSGX = asn1.ObjectIdentifier{1, 2, 840, 113741, 1, 13, 1}

// Arcs below oidSGX.
const (
	arcPPID  = 1
	arcTCB   = 2
	arcPCEID = 3
	arcFMSPC = 4
	arcType  = 5
	// arcPCESVN and arcCPUSVN stand behind the 16 components in the TCB sequence.
	arcPCESVN = 17
	arcCPUSVN = 18
)

// platform is what a PCK certificate says of the machine.
type platform struct {
	ppid       []byte // 16 bytes
	fmspc      []byte // 6 bytes
	pceID      []byte // 2 bytes
	components [16]uint8
	pceSVN     uint16
}

// element is one entry of the extension's sequences.
type element struct {
	ID    asn1.ObjectIdentifier
	Value asn1.RawValue
}

// parsePCK reads the SGX extension. Every value that identifies the platform or
// its TCB must be there exactly once and have its exact type and size;
// encoding/asn1's zero values for what is missing would mean "oldest TCB" or
// "any platform".
func parsePCK(cert *x509.Certificate) (*platform, error) {
	if n := countExtensions(cert.Extensions, oidSGX); n != 1 {
		return nil, pckError("%d SGX extensions instead of one", n)
	}
	for _, ext := range cert.Extensions {
		if ext.Id.Equal(oidSGX) {
			return parseSGXExtension(ext.Value)
		}
	}
	return nil, pckError("no SGX extension")
}

func pckError(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeTDXPCKExtensions, "pck", format, args...)
}

// parseSGXExtension reads the value of the SGX extension.
func parseSGXExtension(der []byte) (*platform, error) {
	all, err := parseElements(der, oidSGX)
	if err != nil {
		return nil, err
	}
	p := &platform{}
	for arc, target := range map[int]struct {
		out  *[]byte
		size int
	}{arcPPID: {&p.ppid, 16}, arcPCEID: {&p.pceID, 2}, arcFMSPC: {&p.fmspc, 6}} {
		if *target.out, err = octets(all, arc, target.size); err != nil {
			return nil, err
		}
	}
	if v, ok := all[arcType]; !ok || v.Class != asn1.ClassUniversal || v.Tag != asn1.TagEnum || len(v.Bytes) != 1 || v.Bytes[0] > 2 {
		return nil, pckError("the SGX type is missing or unknown")
	}
	tcb, ok := all[arcTCB]
	if !ok {
		return nil, pckError("the TCB is missing")
	}
	return p, p.readTCB(tcb.FullBytes)
}

// readTCB reads the TCB sequence: 16 components, PCESVN and CPUSVN.
func (p *platform) readTCB(der []byte) error {
	all, err := parseElements(der, append(oidSGX[:len(oidSGX):len(oidSGX)], arcTCB))
	if err != nil {
		return err
	}
	if len(all) != arcCPUSVN {
		return pckError("%d TCB values instead of %d", len(all), arcCPUSVN)
	}
	for i := range p.components {
		v, err := integer(all, i+1, 0xff)
		if err != nil {
			return err
		}
		p.components[i] = uint8(v)
	}
	p.pceSVN, err = integer(all, arcPCESVN, 0xffff)
	if err != nil {
		return err
	}
	_, err = octets(all, arcCPUSVN, 16)
	return err
}

// parseElements reads SEQUENCE OF SEQUENCE { OID, value } whose OIDs are the
// direct children of parent, each at most once.
func parseElements(der []byte, parent asn1.ObjectIdentifier) (map[int]asn1.RawValue, error) {
	var list []element
	if rest, err := asn1.Unmarshal(der, &list); err != nil || len(rest) > 0 {
		return nil, pckError("the SGX extension is malformed")
	}
	all := make(map[int]asn1.RawValue, len(list))
	for _, e := range list {
		if len(e.ID) != len(parent)+1 || !e.ID[:len(parent)].Equal(parent) {
			return nil, pckError("foreign identifier %s", e.ID)
		}
		arc := e.ID[len(parent)]
		if _, twice := all[arc]; twice {
			return nil, pckError("%s is there twice", e.ID)
		}
		all[arc] = e.Value
	}
	return all, nil
}

// octets returns an OCTET STRING of exactly size bytes.
func octets(all map[int]asn1.RawValue, arc, size int) ([]byte, error) {
	v, ok := all[arc]
	if !ok || v.Class != asn1.ClassUniversal || v.Tag != asn1.TagOctetString || v.IsCompound || len(v.Bytes) != size {
		return nil, pckError("value %d is missing or is no octet string of %d bytes", arc, size)
	}
	return v.Bytes, nil
}

// integer returns a non-negative DER INTEGER of at most two significant bytes.
func integer(all map[int]asn1.RawValue, arc int, most uint16) (uint16, error) {
	v, ok := all[arc]
	var n int
	if !ok || v.Class != asn1.ClassUniversal || v.Tag != asn1.TagInteger {
		return 0, pckError("TCB value %d is missing or is no integer", arc)
	}
	if rest, err := asn1.Unmarshal(v.FullBytes, &n); err != nil || len(rest) > 0 || n < 0 || n > int(most) {
		return 0, pckError("TCB value %d is out of range", arc)
	}
	return uint16(n), nil
}
