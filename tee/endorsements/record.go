package endorsements

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/strictjson"
	"github.com/quotary/quotary/tee"
)

// recogniseJSON reads a collateral document, or a record: any JSON object
// whose values are endorsements. Tools record the answers of Intel's and
// Azure's services in many shapes (header names, member names, an issuer chain
// URL-escaped or not, a CRL in PEM, hex or base64), so a record's names are not
// looked at, only what its values hold. Other values in it are left alone.
func recogniseJSON(data []byte, depth int) (found, error) {
	if depth > MaxRecordDepth {
		return found{}, errUnrecognised
	}
	all, err := members(data)
	if err != nil {
		return found{}, err
	}
	if isCollateral(all) {
		return recogniseCollateral(bytes.TrimSpace(data), all)
	}
	var record found
	for _, m := range all {
		one, err := recogniseMember(all, m, depth)
		if isUnrecognised(err) {
			continue
		}
		if err != nil {
			return found{}, err
		}
		if err := record.merge(one); err != nil {
			return found{}, err
		}
	}
	if record.len() == 0 {
		return found{}, errUnrecognised
	}
	return record, nil
}

func recogniseMember(all []strictjson.Member, m strictjson.Member, depth int) (found, error) {
	if whole := rejoin(all, m); whole != nil {
		return recogniseJSON(whole, depth+1)
	}
	if m.Value[0] == '{' {
		return recogniseJSON(m.Value, depth+1)
	}
	s, ok := text(m.Value)
	if !ok {
		return found{}, errUnrecognised
	}
	return recogniseText(s, depth)
}

// recogniseText reads a text in a record.
func recogniseText(s string, depth int) (found, error) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "-----BEGIN%20") || strings.HasPrefix(s, "%2D%2D%2D%2D%2DBEGIN") {
		unescaped, err := url.PathUnescape(s) // not QueryUnescape: base64 has plus signs
		if err != nil {
			return found{}, errMalformed("a URL-escaped chain in a record: %v", err)
		}
		s = unescaped
	}
	if strings.HasPrefix(s, "{") {
		return recogniseJSON([]byte(s), depth+1)
	}
	if strings.HasPrefix(s, string(pemBegin)) {
		return recognisePEM([]byte(s))
	}
	for _, decode := range []func(string) ([]byte, error){hex.DecodeString, base64.StdEncoding.DecodeString} {
		if der, err := decode(s); err == nil && len(der) > 0 && der[0] == derSequence {
			if f, err := recogniseDER(der); err == nil {
				return f, nil
			}
		}
	}
	return found{}, errUnrecognised
}

// rejoin puts a body and its signature together again where a record keeps them
// apart, as in {"tcb_info": "{…}", "tcb_info_signature": "…"}; or returns nil.
func rejoin(all []strictjson.Member, m strictjson.Member) []byte {
	name, ok := map[string]string{"tcb_info": memberTCBInfo, "qe_identity": memberEnclaveIdentity}[m.Name]
	signature, hasSignature := text(strictjson.Get(all, m.Name+"_signature"))
	body, hasBody := text(m.Value)
	if !ok || !hasSignature || !hasBody || !isHex(signature) {
		return nil
	}
	return []byte(`{"` + name + `":` + body + `,"` + memberSignature + `":"` + signature + `"}`)
}

// ParseText recognises one document that came as text where bytes would not do,
// as a chain in a header field (PEM with %-escapes), hex or base64, and adds
// everything in it to e, as [Parse] does.
func ParseText(name, text string, e *tee.Endorsements) error {
	if len(text) > MaxFile {
		return evidence.Errorf(evidence.CodeEndorsementTooLarge, name, "larger than %d bytes", MaxFile)
	}
	f, err := recogniseText(text, 1)
	if err != nil {
		return named(name, err)
	}
	f.addTo(e)
	return nil
}
