package tdx

import (
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
)

// Platform is what a PCK certificate says of a machine.
type Platform struct {
	PPID       [16]byte
	FMSPC      [6]byte
	PCEID      [2]byte
	Components [16]uint8
	PCESVN     uint16
}

// Element is one entry of the SGX extension's sequences.
type Element struct {
	ID    asn1.ObjectIdentifier
	Value any
}

// OIDSGX is the SGX extension of a PCK certificate.
var OIDSGX = asn1.ObjectIdentifier{1, 2, 840, 113741, 1, 13, 1}

// arc returns the identifier below the SGX extension.
func arc(arcs ...int) asn1.ObjectIdentifier {
	return append(OIDSGX[:len(OIDSGX):len(OIDSGX)], arcs...)
}

// TCBElements returns the 18 entries of the TCB sequence.
func (p Platform) TCBElements() []Element {
	var all []Element
	for i, svn := range p.Components {
		all = append(all, Element{arc(2, i+1), int(svn)})
	}
	return append(all, Element{arc(2, 17), int(p.PCESVN)}, Element{arc(2, 18), p.Components[:]})
}

// Elements returns the entries of the SGX extension with this TCB sequence.
func (p Platform) Elements(tcb []Element) []Element {
	return []Element{
		{arc(1), p.PPID[:]},
		{arc(2), tcb},
		{arc(3), p.PCEID[:]},
		{arc(4), p.FMSPC[:]},
		{arc(5), asn1.Enumerated(1)},
	}
}

// PCKTemplate returns the template of a PCK certificate with these entries in
// its SGX extension.
func (v *Vendor) PCKTemplate(label string, elements []Element) *x509.Certificate {
	t := v.LeafTemplate(NamePCK)
	t.SerialNumber = v.Serial("pck " + label)
	t.CRLDistributionPoints = []string{crlURL + "IntelSGXPCKPlatform.crl"}
	t.ExtraExtensions = []pkix.Extension{{Id: OIDSGX, Value: must(asn1.Marshal(elements))}}
	return t
}

// IssuePCK issues a PCK certificate for a machine.
func (v *Vendor) IssuePCK(label string, p Platform, ca Issuer, key *ecdsa.PublicKey) *x509.Certificate {
	return v.Issue(v.PCKTemplate(label, p.Elements(p.TCBElements())), ca, key)
}
