package guest

import (
	"encoding/asn1"
	"encoding/binary"

	"github.com/quotary/quotary/evidence"
)

// cutCertificate returns the first certificate in what an NV index holds, and what
// is behind it: other certificates, or the padding of the index (00 or FF). Some are preceded by
// the header of TPM 1.2's certificates (TCG PC Client Specific Implementation 1.21,
// 7.3.2). There is none if it is nil.
func cutCertificate(data []byte) (certificate, rest []byte) {
	for len(data) > 0 && (data[0] == 0x00 || data[0] == 0xff) {
		data = data[1:]
	}
	data = cutHeader(data)
	var der asn1.RawValue
	rest, err := asn1.Unmarshal(data, &der)
	const sequence = 0x30
	if err != nil || der.FullBytes[0] != sequence || len(der.FullBytes) > evidence.MaxCertificate {
		return nil, nil
	}
	return der.FullBytes, rest
}

// The tags of TPM 1.2's certificates: TCG_TAG_PCCLIENT_STORED_CERT, and
// TCG_TAG_PCCLIENT_FULL_CERT in a full one.
const (
	tagStored = 0x1001
	tagFull   = 0x1002
)

// cutHeader takes the tag, a byte for the type and two for the length off, and the tag
// of a full certificate.
func cutHeader(data []byte) []byte {
	if len(data) < 7 || binary.BigEndian.Uint16(data) != tagStored {
		return data
	}
	data = data[5:]
	if binary.BigEndian.Uint16(data) == tagFull {
		data = data[2:]
	}
	return data
}
