package sevsnp

import (
	"encoding/hex"
	"math"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// AMD's endorsements are named after the paths of AMD's key distribution service
// (57230), so that a name says where to ask:
//
//	vcek  Milan/<128 hex digits>?blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=219
//	vcek  Turin/<16 hex digits>?fmcSPL=1&blSPL=1&teeSPL=1&snpSPL=4&ucodeSPL=74
//	vlek  Milan?blSPL=4&…           the cloud provider hands it out, not AMD
//	ask   Milan                     the issuer of VCEKs
//	asvk  Milan                     the issuer of VLEKs
//	crl   vcek/Milan or vlek/Milan  the root's list, as it covers one of the two
//
// A VCEK whose chip the report does not name has "masked" for the digits, and
// nobody can be asked for it. The names of a simulated vendor's are the same.
const (
	typeVCEK = "vcek"
	typeVLEK = "vlek"
	typeASK  = "ask"
	typeASVK = "asvk"
	typeCRL  = "crl"
)

// maskedChip stands for the identifier of a chip that the host hides.
const maskedChip = "masked"

// keyName says which key's certificate is meant.
type keyName struct {
	key  signingKey
	line *product
	chip []byte // the identifier, of the line's size; nil for a VLEK
	tcb  tcb
}

// vcekName names the certificate of a chip's key; a chip of nil is masked.
func vcekName(line *product, chip []byte, t tcb) tee.EndorsementName {
	id := maskedChip
	if chip != nil {
		id = hex.EncodeToString(chip)
	}
	return tee.EndorsementName{Type: typeVCEK, ID: line.name + "/" + id + "?" + t.query()}
}

// vlekName names the certificate of a cloud provider's key, whichever provider's.
func vlekName(line *product, t tcb) tee.EndorsementName {
	return tee.EndorsementName{Type: typeVLEK, ID: line.name + "?" + t.query()}
}

// name builds the endorsement's name, of which parseKeyName is the inverse.
func (n keyName) name() tee.EndorsementName {
	if n.key == vlek {
		return vlekName(n.line, n.tcb)
	}
	return vcekName(n.line, n.chip, n.tcb)
}

// parseKeyName reads the name of a key's certificate. It takes no spelling but
// that of keyName.name, and no chip that is masked.
func parseKeyName(name tee.EndorsementName) (keyName, bool) {
	path, query, _ := strings.Cut(name.ID, "?")
	n := keyName{}
	switch name.Type {
	case typeVCEK:
		line, chip, _ := strings.Cut(path, "/")
		digits, err := hex.DecodeString(chip)
		n.key, n.line, n.chip = vcek, productNamed(line), digits
		if n.line == nil || err != nil || len(digits) != n.line.layout.chipID || hex.EncodeToString(digits) != chip {
			return keyName{}, false
		}
	case typeVLEK:
		if n.key, n.line = vlek, productNamed(path); n.line == nil {
			return keyName{}, false
		}
	default:
		return keyName{}, false
	}
	var ok bool
	if n.tcb, ok = n.line.layout.parseQuery(query); !ok {
		return keyName{}, false
	}
	return n, true
}

// issuerName names the ASK, which issues VCEKs, or the ASVK, which issues VLEKs.
func issuerName(key signingKey, line *product) tee.EndorsementName {
	if key == vlek {
		return tee.EndorsementName{Type: typeASVK, ID: line.name}
	}
	return tee.EndorsementName{Type: typeASK, ID: line.name}
}

// parseIssuerName is the inverse of issuerName.
func parseIssuerName(name tee.EndorsementName) (key signingKey, line *product, ok bool) {
	line = productNamed(name.ID)
	switch {
	case line == nil:
		return 0, nil, false
	case name.Type == typeASK:
		return vcek, line, true
	case name.Type == typeASVK:
		return vlek, line, true
	}
	return 0, nil, false
}

// crlName names a root's revocation list, as it is published for one kind of key.
func crlName(key signingKey, line *product) tee.EndorsementName {
	return tee.EndorsementName{Type: typeCRL, ID: key.String() + "/" + line.name}
}

// parseCRLName is the inverse of crlName.
func parseCRLName(name tee.EndorsementName) (key signingKey, line *product, ok bool) {
	kind, of, _ := strings.Cut(name.ID, "/")
	line = productNamed(of)
	switch {
	case name.Type != typeCRL || line == nil:
		return 0, nil, false
	case kind == vcek.String():
		return vcek, line, true
	case kind == vlek.String():
		return vlek, line, true
	}
	return 0, nil, false
}

// signerOf returns the key that claims name, and the product lines that it can
// belong to: one, or where a report of version 2 does not say, every line that
// wrote such reports. There is none for a processor that cannot be verified.
func signerOf(c *evidence.SNPClaims) (key signingKey, lines []*product) {
	switch c.SigningKey {
	case vcek.String():
		key = vcek
	case vlek.String():
		key = vlek
	default:
		return 0, nil
	}
	var line *product
	switch {
	case c.CPUFamily != nil && c.CPUModel != nil:
		if *c.CPUFamily <= math.MaxUint8 && *c.CPUModel <= math.MaxUint8 {
			line = productOfCPU(uint8(*c.CPUFamily), uint8(*c.CPUModel))
		}
	case c.Product == "":
		return key, nameless()
	default:
		line = productNamed(c.Product)
	}
	if line == nil {
		return key, nil
	}
	return key, []*product{line}
}

// keyNames names the certificate of the key that signed a report with these
// claims, once for each product line that it can belong to. There is none where
// chip or TCB are none of such a line.
func keyNames(c *evidence.SNPClaims) []tee.EndorsementName {
	key, lines := signerOf(c)
	var found []tee.EndorsementName
	for _, line := range lines {
		t, ok := line.layout.fromClaims(c.ReportedTCB)
		if !ok {
			continue
		}
		n := keyName{key: key, line: line, tcb: t}
		if key == vcek && c.ChipID != nil {
			if n.chip, ok = line.layout.chipOf(c.ChipID); !ok {
				continue
			}
		}
		found = append(found, n.name())
	}
	return found
}

// chipOf returns the identifier in a CHIP_ID of 64 bytes, without the zeros that
// fill it. It is false if they are not zero.
func (l *layout) chipOf(chipID []byte) ([]byte, bool) {
	if len(chipID) != 64 || !isZero(chipID[l.chipID:]) {
		return nil, false
	}
	return chipID[:l.chipID:l.chipID], true
}
