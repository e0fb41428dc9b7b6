package endorsements

import (
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/quotary/quotary/internal/strictjson"
	"github.com/quotary/quotary/tee"
)

// The signed bodies of Intel's provisioning certification service (PCS API v4):
// exactly two members, the body and the signature over its bytes.
const (
	memberTCBInfo         = "tcbInfo"
	memberEnclaveIdentity = "enclaveIdentity"
	memberSignature       = "signature"
)

var (
	fmspcForm      = regexp.MustCompile(`^[0-9A-Fa-f]{12}$`)
	identityIDForm = regexp.MustCompile(`^[A-Z_]{2,16}$`)
)

// isCollateral reports whether an object is meant as a collateral document.
func isCollateral(all []strictjson.Member) bool {
	return strictjson.Get(all, memberTCBInfo) != nil || strictjson.Get(all, memberEnclaveIdentity) != nil
}

// recogniseCollateral reads a TCB info or an enclave identity as far as it must
// to be found again. The signature is not looked at: whoever uses the document
// verifies it over these very bytes.
func recogniseCollateral(raw []byte, all []strictjson.Member) (found, error) {
	d := tee.Document{Raw: raw}
	var field string
	body := strictjson.Get(all, memberTCBInfo)
	if body != nil {
		d.Type, field = tee.DocumentTCBInfo, "fmspc"
	} else {
		body = strictjson.Get(all, memberEnclaveIdentity)
		d.Type, field = tee.DocumentQEIdentity, "id"
	}
	if len(all) != 2 || strictjson.Get(all, memberSignature) == nil {
		return found{}, errMalformed("a %s must have exactly two members, its body and %q", d.Type, memberSignature)
	}
	if s, ok := text(strictjson.Get(all, memberSignature)); !ok || !isHex(s) {
		return found{}, errMalformed("the signature of a %s is not hex text", d.Type)
	}
	inner, err := members(body)
	if err != nil {
		return found{}, err
	}
	key, _ := text(strictjson.Get(inner, field))
	switch {
	case d.Type == tee.DocumentTCBInfo && fmspcForm.MatchString(key):
		d.Key = ofTechnology(inner) + strings.ToLower(key)
	case d.Type == tee.DocumentQEIdentity && identityIDForm.MatchString(key):
		d.Key = key
	default:
		return found{}, errMalformed("a %s without a proper %q", d.Type, field)
	}
	return found{documents: []tee.Document{d}}, nil
}

// ofTechnology keeps the TCB infos of one platform apart: that of SGX says
// nothing of TDX, and must not pass for a TDX one that is wrong.
func ofTechnology(tcbInfo []strictjson.Member) string {
	id, ok := text(strictjson.Get(tcbInfo, "id"))
	if !ok || id == "TDX" || !identityIDForm.MatchString(id) {
		return ""
	}
	return strings.ToLower(id) + "/"
}

func isHex(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && s != ""
}
