package authorize

import (
	"crypto/x509"
	"encoding/asn1"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/quotary/quotary/evidence"
)

// Status is the tier of an attestation result (AR4SI §3.2).
type Status string

// The tiers. Only the first two can be asked for.
const (
	Affirming       Status = "affirming"
	Warning         Status = "warning"
	Contraindicated Status = "contraindicated"
	None            Status = "none" // nothing is said
)

// statuses are the tiers' numbers in CBOR.
var statuses = map[int8]Status{0: None, 2: Affirming, 32: Warning, 96: Contraindicated}

// result is what rules can ask of the attestation result (EAR) in a certificate. Its own
// signature is not looked at: the certificate's covers it, by a CA that puts in only what
// its service has signed.
type result struct {
	subject   string
	at        time.Time
	workload  string
	status    Status
	simulated bool
	policies  []string // digests of the policy sets that decided
}

// idPeCMW is the extension with a conceptual message wrapper (draft-ietf-rats-msg-wrap §5).
var idPeCMW = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 35}

const (
	mediaTypeCWT       = "application/eat+cwt" // RFC 9782 §4
	attestationResults = 8                     // the indicator of a wrapper's content
	tagSign1           = 0xd2                  // the tag 18 of a COSE_Sign1 (RFC 9052 §4.2)
)

// wrapper is a conceptual message wrapper: a record in CBOR.
type wrapper struct {
	_          struct{} `cbor:",toarray"`
	Type       string
	Value      []byte
	Indicators uint64
}

// sign1 is a COSE_Sign1.
type sign1 struct {
	_           struct{} `cbor:",toarray"`
	Protected   []byte
	Unprotected cbor.RawMessage
	Payload     []byte
	Signature   []byte
}

// claims are the claims of an EAR that rules can ask for (docs/credentials.md has all).
type claims struct {
	Subject    string               `cbor:"2,keyasint"`
	Status     *int8                `cbor:"1000,keyasint"`
	Submodules map[string]submodule `cbor:"266,keyasint"`
	Appraisal  struct {
		At        int64  `cbor:"1,keyasint"`
		Simulated *bool  `cbor:"3,keyasint"`
		Workload  string `cbor:"5,keyasint"`
	} `cbor:"-80000,keyasint"`
}

type submodule struct {
	Policies []string `cbor:"1003,keyasint"`
}

// strictCBOR refuses what could be read in two ways; claims that are not asked for it skips.
var strictCBOR = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive, MaxNestedLevels: maxDepth, MaxArrayElements: maxMembers, MaxMapPairs: maxMembers,
	}.DecMode()
	if err != nil {
		panic("authorize: " + err.Error())
	}
	return mode
}()

// carried returns the attestation result in a certificate; nil if there is none.
func carried(leaf *x509.Certificate) (*result, error) {
	for _, e := range leaf.Extensions {
		if e.Id.Equal(idPeCMW) {
			r := decode(e.Value)
			if r == nil {
				return nil, refuse(evidence.CodeAuthorizeResult, "the attestation result in the certificate cannot be decoded")
			}
			return r, nil
		}
	}
	return nil, nil
}

// decode reads the extension's value; nil if that cannot be done.
func decode(value []byte) *result {
	var wrapped []byte
	if rest, err := asn1.Unmarshal(value, &wrapped); err != nil || len(rest) > 0 {
		return nil
	}
	var record wrapper
	if strictCBOR.Unmarshal(wrapped, &record) != nil || record.Type != mediaTypeCWT || record.Indicators != attestationResults {
		return nil
	}
	var message sign1
	if len(record.Value) == 0 || record.Value[0] != tagSign1 || strictCBOR.Unmarshal(record.Value[1:], &message) != nil {
		return nil
	}
	var c claims
	if strictCBOR.Unmarshal(message.Payload, &c) != nil {
		return nil
	}
	return c.result()
}

// result returns what the claims say, or nil if one is missing: absent is not false.
func (c *claims) result() *result {
	if strings.ContainsFunc(c.Appraisal.Workload, func(r rune) bool { return r < ' ' || r > '~' }) { // it goes into a header
		return nil
	}
	if c.Status == nil || statuses[*c.Status] == "" || c.Appraisal.At <= 0 || c.Appraisal.Simulated == nil || len(c.Submodules) == 0 {
		return nil
	}
	r := &result{
		subject: c.Subject, at: time.Unix(c.Appraisal.At, 0).UTC(), workload: c.Appraisal.Workload,
		status: statuses[*c.Status], simulated: *c.Appraisal.Simulated,
	}
	for _, s := range c.Submodules {
		if len(s.Policies) == 0 {
			return nil
		}
		r.policies = append(r.policies, s.Policies...)
	}
	return r
}
