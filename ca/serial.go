package ca

import (
	"bytes"
	"crypto/sha256"
	"math/big"
)

// randomPart is how much of a leaf's serial number is random, in octets: 94 bits of it. What follows
// is a digest of that and of the issuing CA's key, so that a serial number says which CA gave it.
const randomPart = 12

// newSerial returns a serial number for a leaf of this authority, of serialBits bits.
func (h *hierarchy) newSerial() *big.Int {
	serial := newSerial().FillBytes(make([]byte, serialSize))
	return new(big.Int).SetBytes(append(serial[:randomPart], h.serialMark(serial[:randomPart])...))
}

// gave reports whether this is a serial number that the authority gives.
func (h *hierarchy) gave(serial *big.Int) bool {
	if serial.Sign() <= 0 || serial.BitLen() > serialBits {
		return false
	}
	b := serial.FillBytes(make([]byte, serialSize))
	return bytes.Equal(b[randomPart:], h.serialMark(b[:randomPart]))
}

// serialSize is the length of serial numbers in octets.
const serialSize = (serialBits + 7) / 8

func (h *hierarchy) serialMark(random []byte) []byte {
	d := sha256.New()
	d.Write([]byte("quotary serial number"))
	d.Write(h.issuing.RawSubjectPublicKeyInfo)
	d.Write(random)
	return d.Sum(nil)[:serialSize-randomPart]
}
