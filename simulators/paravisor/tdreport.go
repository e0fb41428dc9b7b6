package paravisor

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"

	"github.com/quotary/quotary/simulators/tdx"
)

// tdReport returns a TDREPORT_STRUCT that says what a quote would: 1024 bytes (Intel
// TDX module ABI, "TDREPORT_STRUCT"). Only the CPU that made one can check its MAC.
func tdReport(p *tdx.Parts) []byte {
	const (
		svn, seam, signer, seamAttributes, attributes = 0, 16, 64, 112, 120 // in the body of a quote
		configuration, registers, data                = 136, 328, 520
	)
	body := p.Body
	module := pad(239, []byte{0xff, 0x01, 0x03, 0, 0, 0, 0, 0}, // which of the fields are valid
		body[svn:seam], body[seam:signer], body[signer:seamAttributes], body[seamAttributes:attributes], body[svn:seam])
	domain := pad(512, body[attributes:configuration], body[configuration:registers], body[registers:data])
	moduleHash, domainHash := sha512.Sum384(module), sha512.Sum384(domain)
	mac := pad(256-sha256.Size, pad(16, []byte{0x81}), p.QEReport[:16], moduleHash[:], domainHash[:], body[data:data+64])
	key := hmac.New(sha256.New, []byte("SIMULATED report key"))
	key.Write(mac)
	report := append(mac, key.Sum(nil)...)
	report = append(report, pad(239+17, module)...)
	return append(report, domain...)
}

// pad joins parts and fills them with zeros to size bytes.
func pad(size int, parts ...[]byte) []byte {
	padded := make([]byte, 0, size)
	for _, part := range parts {
		padded = append(padded, part...)
	}
	return padded[:size]
}
