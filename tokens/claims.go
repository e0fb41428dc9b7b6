// Package tokens turns an accepted [verifier.Result] into an attestation result
// that relying parties can check on their own: an EAR (EAT Attestation Result,
// draft-ietf-rats-ear), as a JWT and as a CWT with the same claims. An [Issuer]
// makes them, a [Verifier] checks them under a [KeySet].
//
// There is one model, [Claims], with a JSON name and a CBOR key for each claim, so
// that the two encodings cannot disagree. Tokens are signed with ECDSA P-256 and
// SHA-256 (ES256) by a key that signs nothing else.
//
// An [SVIDIssuer] makes tokens of another kind, JWT-SVIDs, with which a workload shows
// its identity to those who know SPIFFE.
//
// Start at [Issuer.Issue] and [Verifier.VerifyJWT].
package tokens

import (
	"github.com/quotary/quotary/evidence"
)

// Profile is the EAT profile of our tokens: the revision of the EAR draft that
// they follow (draft-ietf-rats-ear §3).
const Profile = "tag:ietf.org,2026:rats/ear#03"

// Media types of the two encodings (RFC 9782 §4); as typ in the JWS header the
// prefix "application/" is left out (RFC 7515 §4.1.9).
const (
	MediaTypeJWT = "application/eat+jwt"
	MediaTypeCWT = "application/eat+cwt"
)

// Claims are the claims of an EAR: those of draft-ietf-rats-ear §3, RFC 7519 and
// RFC 8392, and one private claim of this project. Times are Unix seconds.
type Claims struct {
	Profile   string `json:"eat_profile" cbor:"265,keyasint"`
	Issuer    string `json:"iss" cbor:"1,keyasint"`
	Subject   string `json:"sub" cbor:"2,keyasint"` // the SPIFFE ID that policy grants
	Audience  string `json:"aud" cbor:"3,keyasint"`
	Expires   int64  `json:"exp" cbor:"4,keyasint"`
	NotBefore int64  `json:"nbf" cbor:"5,keyasint"`
	IssuedAt  int64  `json:"iat" cbor:"6,keyasint"`
	ID        ID     `json:"jti" cbor:"7,keyasint"`

	// Confirmation is the attested key (RFC 7800, RFC 8747), absent in a
	// background check. Who presents the token must prove that it holds this key.
	Confirmation *Confirmation `json:"cnf,omitempty" cbor:"8,keyasint,omitempty"`
	// Nonce proves that the evidence is fresh: the challenge's nonce, or in a
	// background check the caller's report data. Absent if neither was found in
	// the evidence, or if the caller's data is not of 8 to 64 bytes (RFC 9711 §4.1).
	Nonce Bytes `json:"eat_nonce,omitempty" cbor:"10,keyasint,omitempty"`
	// Status is the worst of the submodules'.
	Status   Status     `json:"ear_status" cbor:"1000,keyasint"`
	Verifier VerifierID `json:"ear_verifier_id" cbor:"1004,keyasint"`
	// Submodules holds one appraisal for each item of evidence, by its kind:
	// "sev-snp", "tdx", "tpm".
	Submodules map[string]Submodule `json:"submods" cbor:"266,keyasint"`
	Appraisal  Appraisal            `json:"https://github.com/quotary/quotary/ear" cbor:"-80000,keyasint"`
}

// VerifierID names the software that judged (AR4SI §3.3).
type VerifierID struct {
	Developer string `json:"developer" cbor:"0,keyasint"`
	Build     string `json:"build" cbor:"1,keyasint"`
}

// Appraisal is what this project adds to the whole: a private claim
// (draft-ietf-rats-ear §4.1).
type Appraisal struct {
	ID        string    `json:"id" cbor:"0,keyasint"` // the appraisal's name in the service's records
	At        int64     `json:"at" cbor:"1,keyasint"`
	Freshness Freshness `json:"freshness" cbor:"2,keyasint"`
	// Simulated says that some evidence rests on a simulated root. It is never nil
	// in a token that was issued or verified; see [Claims.IsSimulated].
	Simulated *bool `json:"simulated" cbor:"3,keyasint"`
	// Relaxed names what the policy waives of the strict defaults.
	Relaxed  []string `json:"relaxed,omitempty" cbor:"4,keyasint,omitempty"`
	Workload string   `json:"workload,omitempty" cbor:"5,keyasint,omitempty"`
	// Advisories names the vendors' security bulletins that the platform is behind,
	// which the policy did not deny.
	Advisories []string `json:"advisories,omitempty" cbor:"6,keyasint,omitempty"`
}

// Freshness says what the evidence was bound to.
type Freshness string

// The ways in which evidence can be fresh.
const (
	FreshnessChallenge    Freshness = "challenge"     // a challenge of this service, used once
	FreshnessRelyingParty Freshness = "relying-party" // report data that the caller named; the caller must judge it
	FreshnessNone         Freshness = "none"          // nothing: the evidence may be old
)

// Submodule is the appraisal of one item of evidence.
type Submodule struct {
	// Status is no higher than the worst claim of Vector.
	Status Status `json:"ear_status" cbor:"1000,keyasint"`
	Vector Vector `json:"ear_trustworthiness_vector,omitzero" cbor:"1001,keyasint,omitzero"`
	// Policies identifies the policy set that decided, by its digest.
	Policies []string `json:"ear_appraisal_policy_ids,omitempty" cbor:"1003,keyasint,omitempty"`
	// Nonce is the report data found in the evidence, if it is of 8 to 64 bytes.
	Nonce    Bytes    `json:"eat_nonce,omitempty" cbor:"10,keyasint,omitempty"`
	Evidence Evidence `json:"https://github.com/quotary/quotary/ear" cbor:"-80000,keyasint"`
}

// Evidence is what this project adds to a submodule: the essentials of the typed
// claims. It does not identify the machine.
type Evidence struct {
	// ClaimsSHA256 is the digest of the claims as the service reports them in JSON.
	ClaimsSHA256 Bytes `json:"claims_sha256" cbor:"0,keyasint"`
	// TrustAnchorSHA256 identifies the root or key that the evidence rests on, and
	// Origin says why that is trusted.
	TrustAnchorSHA256 Bytes           `json:"trust_anchor_sha256,omitempty" cbor:"1,keyasint,omitempty"`
	Origin            evidence.Origin `json:"origin,omitempty" cbor:"2,keyasint,omitempty"`
	// Simulated is never nil in a token that was issued or verified.
	Simulated *bool `json:"simulated" cbor:"3,keyasint"`
	// Measurements are the launch measurement and what extends it, by name:
	// "measurement" and "host_data"; "mrtd", "mrconfigid" and "rtmr0" to "rtmr3"; or
	// the quoted PCRs as "sha256:7".
	Measurements map[string]Bytes `json:"measurements,omitempty" cbor:"4,keyasint,omitempty"`
	// TCBStatus is Intel's converged status (TDX).
	TCBStatus string `json:"tcb_status,omitempty" cbor:"5,keyasint,omitempty"`
}

// IsSimulated reports whether the token rests on simulated evidence. Where it
// does not say, it does: absent is never real.
func (c Claims) IsSimulated() bool {
	if c.Appraisal.Simulated == nil || *c.Appraisal.Simulated {
		return true
	}
	for _, s := range c.Submodules {
		if s.Evidence.Simulated == nil || *s.Evidence.Simulated {
			return true
		}
	}
	return false
}
