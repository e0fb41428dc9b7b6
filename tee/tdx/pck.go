package tdx

import (
	"bytes"
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

// sgxArcs is the contents of oidSGX; an entry's identifier has one byte more, and
// within the TCB two.
var sgxArcs = []byte{0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01}

// parseSGXExtension reads the value of the SGX extension.
func parseSGXExtension(der []byte) (*platform, error) {
	all, err := parseElements(der, sgxArcs)
	if err != nil {
		return nil, err
	}
	p := &platform{}
	for _, target := range []struct {
		arc  byte
		out  *[]byte
		size int
	}{{arcPPID, &p.ppid, 16}, {arcPCEID, &p.pceID, 2}, {arcFMSPC, &p.fmspc, 6}} {
		if *target.out, err = all.octets(target.arc, target.size); err != nil {
			return nil, err
		}
	}
	if v := all[arcType]; v.tag != tagEnumerated || len(v.value) != 1 || v.value[0] > 2 {
		return nil, pckError("the SGX type is missing or unknown")
	}
	if all[arcTCB].tag != tagSequence {
		return nil, pckError("the TCB is missing")
	}
	return p, p.readTCB(all[arcTCB].value)
}

// readTCB reads the entries of the TCB: 16 components, PCESVN and CPUSVN.
func (p *platform) readTCB(der []byte) error {
	all, err := readElements(der, append(sgxArcs[:len(sgxArcs):len(sgxArcs)], arcTCB))
	if err != nil {
		return err
	}
	for i := range p.components {
		v, err := all.number(byte(i+1), 0xff)
		if err != nil {
			return err
		}
		p.components[i] = uint8(v)
	}
	p.pceSVN, err = all.number(arcPCESVN, 0xffff)
	if err != nil {
		return err
	}
	_, err = all.octets(arcCPUSVN, 16)
	return err
}

// elements are entries by the last arc of their identifier. What is not there has
// no tag.
type elements [arcCPUSVN + 1]tlv

// parseElements reads SEQUENCE OF SEQUENCE { OID, value } whose identifiers are
// the direct children of parent, each at most once, and no further than is known.
func parseElements(der, parent []byte) (*elements, error) {
	list, ok := only(der, tagSequence)
	if !ok {
		return nil, errMalformed()
	}
	return readElements(list, parent)
}

func readElements(list, parent []byte) (*elements, error) {
	all := &elements{}
	for len(list) > 0 {
		entry, rest, ok := nextTLV(list)
		id, value, isOID := nextTLV(entry.value)
		v, behind, isWhole := nextTLV(value)
		if !ok || !isOID || !isWhole || entry.tag != tagSequence || id.tag != tagOID || len(behind) > 0 {
			return nil, errMalformed()
		}
		arc, isChild := bytes.CutPrefix(id.value, parent)
		if !isChild || len(arc) != 1 || arc[0] == 0 || int(arc[0]) >= len(all) {
			return nil, pckError("foreign identifier %x", id.value[:min(len(id.value), 16)])
		}
		if all[arc[0]].tag != 0 {
			return nil, pckError("value %d is there twice", arc[0])
		}
		all[arc[0]], list = v, rest
	}
	return all, nil
}

func errMalformed() error { return pckError("the SGX extension is malformed") }

// octets returns an OCTET STRING of exactly size bytes.
func (e *elements) octets(arc byte, size int) ([]byte, error) {
	if v := e[arc]; v.tag == tagOctets && len(v.value) == size {
		return v.value, nil
	}
	return nil, pckError("value %d is missing or is no octet string of %d bytes", arc, size)
}

// number returns an INTEGER from 0 to most.
func (e *elements) number(arc byte, most uint16) (uint16, error) {
	if v, ok := e[arc].number(most); ok {
		return v, nil
	}
	return 0, pckError("TCB value %d is missing or is no integer from 0 to %d", arc, most)
}
