package sevsnp

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"
)

// Mark is the serial number (2.5.4.5) in every name of a simulated vendor. All else in
// them is AMD's, because verifiers hold keys and issuers to that.
const Mark = "SIMULATED"

// distinguishedName is AMD's name of a key, marked as simulated.
func distinguishedName(name string) pkix.Name {
	return pkix.Name{
		Country:            []string{"US"},
		Locality:           []string{"Santa Clara"},
		Province:           []string{"CA"},
		Organization:       []string{"Advanced Micro Devices"},
		OrganizationalUnit: []string{"Engineering"},
		SerialNumber:       Mark,
		CommonName:         name,
	}
}

// KDSExtension returns an extension under the arc of AMD's key distribution
// service, 1.3.6.1.4.1.3704.1 (57230), with this value.
func KDSExtension(value []byte, arcs ...int) pkix.Extension {
	oid := append(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3704, 1}, arcs...)
	return pkix.Extension{Id: oid, Value: value}
}

// kdsInteger is an extension whose value is a DER INTEGER.
func kdsInteger(n uint8, arcs ...int) pkix.Extension {
	if n < 0x80 {
		return KDSExtension([]byte{asn1.TagInteger, 1, n}, arcs...)
	}
	return KDSExtension([]byte{asn1.TagInteger, 2, 0, n}, arcs...)
}

// kdsText is an extension whose value is a DER IA5String of less than 128 characters.
func kdsText(s string, arcs ...int) pkix.Extension {
	return KDSExtension(append([]byte{asn1.TagIA5String, byte(len(s))}, s...), arcs...)
}

// commonExtensions are those that VCEK and VLEK share, in the order in which
// AMD has them.
func (v *Vendor) commonExtensions(product string, tcb TCB) []pkix.Extension {
	if hasFMC(v.options.Product) {
		return []pkix.Extension{
			kdsInteger(1, 1),
			kdsText(product, 2),
			kdsInteger(tcb.FMC, 3, 9),
			kdsInteger(tcb.Bootloader, 3, 1),
			kdsInteger(tcb.TEE, 3, 2),
			kdsInteger(tcb.SNP, 3, 3),
			kdsInteger(0, 3, 5),
			kdsInteger(0, 3, 6),
			kdsInteger(0, 3, 7),
			kdsInteger(tcb.Microcode, 3, 8),
		}
	}
	return []pkix.Extension{
		kdsInteger(0, 1),
		kdsText(product, 2),
		kdsInteger(tcb.Bootloader, 3, 1),
		kdsInteger(tcb.TEE, 3, 2),
		kdsInteger(0, 3, 4),
		kdsInteger(0, 3, 5),
		kdsInteger(0, 3, 6),
		kdsInteger(0, 3, 7),
		kdsInteger(tcb.SNP, 3, 3),
		kdsInteger(tcb.Microcode, 3, 8),
	}
}

// VCEKTemplate returns the certificate of a chip's key before it is issued.
// Tests may change it: it is what [Issuer.Issue] takes.
func (v *Vendor) VCEKTemplate(chipID [64]byte, tcb TCB) *x509.Certificate {
	product := v.options.Product
	if product == Milan {
		product += "-B0"
	}
	return v.keyTemplate("SEV-VCEK", vcekLife, append(v.commonExtensions(product, tcb), KDSExtension(hwid(v.options.Product, &chipID), 4)))
}

// VLEKTemplate returns the certificate of a cloud provider's key before it is issued.
func (v *Vendor) VLEKTemplate(cspID string, tcb TCB) *x509.Certificate {
	return v.keyTemplate("SEV-VLEK", vlekLife, append(v.commonExtensions(v.options.Product, tcb), kdsText(cspID, 5)))
}

func (v *Vendor) keyTemplate(name string, life time.Duration, extensions []pkix.Extension) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:    new(big.Int), // AMD numbers all of them zero
		Subject:         distinguishedName(name),
		NotBefore:       v.validFrom(),
		NotAfter:        v.validFrom().Add(life),
		ExtraExtensions: extensions,
	}
}
