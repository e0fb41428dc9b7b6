package ca

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"math/rand/v2"
	"net"
	"time"
)

// SVID is an issued certificate: an X509-SVID (SPIFFE X509-SVID §2).
type SVID struct {
	// SPIFFEID is the identity that the certificate asserts.
	SPIFFEID string
	// DNSNames are the certificate's DNS names.
	DNSNames []string
	// IPAddresses are its addresses.
	IPAddresses []net.IP
	// Chain is the leaf and the issuing CA, DER, without the root.
	Chain [][]byte
	// Serial is the leaf's serial number in lower-case hex, 40 digits.
	Serial    string
	NotBefore time.Time
	NotAfter  time.Time
	// RenewAt is when the holder should attest again: half of the life, with a
	// jitter of up to a tenth that is drawn once, so that holders who started
	// together do not come back together.
	RenewAt time.Time
	// Simulated says that the certificate rests on simulated evidence and is marked so.
	Simulated bool
}

func (h *hierarchy) newSVID(leaf *x509.Certificate, now time.Time) *SVID {
	return &SVID{
		SPIFFEID:    leaf.URIs[0].String(),
		DNSNames:    leaf.DNSNames,
		IPAddresses: leaf.IPAddresses,
		Chain:       [][]byte{leaf.Raw, h.issuing.Raw},
		Serial:      serialHex(leaf),
		NotBefore:   leaf.NotBefore,
		NotAfter:    leaf.NotAfter,
		RenewAt:     renewAt(now, leaf.NotAfter),
		Simulated:   IsSimulated(leaf),
	}
}

// serialHex is the serial number in lower-case hex, 40 digits.
func serialHex(c *x509.Certificate) string { return serialText(c.SerialNumber) }

func serialText(serial *big.Int) string {
	return hex.EncodeToString(serial.FillBytes(make([]byte, serialSize)))
}

// renewAt lies between 45 and 55 hundredths of the time from now to notAfter.
func renewAt(now, notAfter time.Time) time.Time {
	share := 0.5 * (0.9 + 0.2*rand.Float64())
	return now.Add(time.Duration(share * float64(notAfter.Sub(now)))).Truncate(time.Second)
}

// PEM returns the chain in PEM, leaf first.
func (s *SVID) PEM() []byte { return encodePEM(s.Chain...) }

func encodePEM(certificates ...[]byte) []byte {
	var out bytes.Buffer
	for _, der := range certificates {
		out.Write(pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: der}))
	}
	return out.Bytes()
}
