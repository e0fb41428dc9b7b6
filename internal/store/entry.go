package store

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/quotary/quotary/evidence"
)

// Entry is what [Store.Record] commits: an event and, if something is about to
// be issued, the issuance or enrolment, and what it leaves of an attestation key.
type Entry struct {
	Event     Event
	Issuance  *Issuance  // nil if nothing is issued
	Enrolment *Enrolment // nil if no attestation key is certified
	Key       *KeyUpdate // nil if nothing is left of an attestation key, and beside an enrolment
	KeyChange *KeyChange // nil if it is no administrator's change of an attestation key
	policy    policyChange
}

// Outcome is how a request ended.
type Outcome string

// The outcomes of an audit event.
const (
	Issued    Outcome = "issued"    // something is about to leave
	Refused   Outcome = "refused"   // by appraisal, or for what the request is
	Undecided Outcome = "undecided" // for lack of an endorsement
	Done      Outcome = "done"      // an administrator's or the service's own act
)

// Event is one row of the audit trail. It never holds evidence or secrets.
type Event struct {
	Time          time.Time
	Actor         string // who asked: "peer:ADDRESS", "admin" or "service"
	Action        string // what was asked: "attestation", "appraisal", "start", …
	Outcome       Outcome
	Code          evidence.Code   // why, if refused
	AttestationID string          // empty where no appraisal was made
	Detail        json.RawMessage // a JSON object of at most 4 KiB, or nil
}

// Issuance is what leaves the service on an accepted appraisal.
type Issuance struct {
	AttestationID string
	Purpose       string // "certificate", "token" or "appraisal"
	IssuedAt      time.Time
	NotBefore     time.Time
	NotAfter      time.Time
	Serial        string // of the certificate, lower-case hex; empty without one
	TokenID       string // the token's jti; empty without one
	SPKISHA256    []byte // of the attested key, 32 bytes; nil for a background check
	SPIFFEID      string
	Names         []string // DNS names and addresses of the certificate; nil without one, and in what earlier builds recorded
	Workload      string
	PolicyDigest  string
	Kinds         []evidence.Kind
	Simulated     bool
	Claims        json.RawMessage // of every item, for a later re-appraisal; at most 256 KiB
	RevokedAt     time.Time       // when the certificate was revoked; zero if it was not. It is not recorded with the rest
}

// check refuses an entry that the ledger could not hold.
func (e Entry) check() error {
	for _, text := range []string{e.Event.Actor, e.Event.Action, string(e.Event.Outcome), e.Event.AttestationID} {
		if len(text) > maxText {
			return fmt.Errorf("store: a text of %d bytes in an audit event", len(text))
		}
	}
	if len(e.Event.Detail) > maxDetail {
		return fmt.Errorf("store: an event's detail takes %d bytes, at most %d are kept", len(e.Event.Detail), maxDetail)
	}
	return errors.Join(e.checkIssuance(), e.checkKey())
}

func (e Entry) checkKey() error {
	switch {
	case e.Enrolment != nil && e.Key != nil:
		return errors.New("store: an enrolment changes its keys itself")
	case e.KeyChange != nil && (e.Enrolment != nil || e.Key != nil || e.Issuance != nil):
		return errors.New("store: an administrator's change of a key stands for itself")
	case e.Enrolment != nil:
		return e.Enrolment.check(e.Event)
	case e.Key != nil:
		return e.Key.check()
	}
	return nil
}

func (e Entry) checkIssuance() error {
	if e.Issuance == nil {
		return nil
	}
	if e.Issuance.AttestationID == "" || e.Issuance.AttestationID != e.Event.AttestationID {
		return fmt.Errorf("store: the issuance of %q in the event of %q", e.Issuance.AttestationID, e.Event.AttestationID)
	}
	if len(e.Issuance.Claims) > maxClaims {
		return evidence.Errorf(evidence.CodeEvidenceTooLarge, "evidence", "what the evidence claims takes %d bytes, and the ledger keeps %d: send a shorter event log", len(e.Issuance.Claims), maxClaims)
	}
	return nil
}

// eventRow is a row of audit_events without its hash, as the chain has it: a
// CBOR array in deterministic encoding.
type eventRow struct {
	_             struct{} `cbor:",toarray"`
	Seq           int64
	Time          int64
	Actor         string
	Action        string
	Outcome       string
	Code          string
	AttestationID string
	Detail        string
	Issuance      []byte // SHA-256 of the issuance's row, or nil
	// What follows is in the chain only where it is there: older rows have none of it.
	Enrolment []byte `cbor:"-"` // SHA-256 of the enrolment's row, or nil
	Keys      []byte `cbor:"-"` // of each changed row of attestation_keys: its key, its SHA-256; or nil
	PolicySet []byte `cbor:"-"` // the history's hash with the set that was applied, or nil
	Proposal  []byte `cbor:"-"` // of the proposal that changed: its number, the SHA-256 of its row; or nil
	Shadow    []byte `cbor:"-"` // SHA-256 of the shadow's row, or nil
	// Of the revocations that were added: the first one's number, how many, the SHA-256 of their rows; or nil.
	Revocations []byte `cbor:"-"`
}

// issuanceRow is a row of issuances as the chain has it.
type issuanceRow struct {
	_             struct{} `cbor:",toarray"`
	AttestationID string
	Purpose       string
	IssuedAt      int64
	NotBefore     int64
	NotAfter      int64
	Serial        string
	TokenID       string
	SPKISHA256    []byte
	SPIFFEID      string
	Workload      string
	PolicyDigest  string
	Kinds         string
	Simulated     bool
	Claims        string
	// What follows is in the chain only where it is there: older rows have none of it.
	Names *string `cbor:"-"`
}

func (i *Issuance) row() issuanceRow {
	kinds := make([]string, len(i.Kinds))
	for n, kind := range i.Kinds {
		kinds[n] = string(kind)
	}
	row := issuanceRow{
		AttestationID: i.AttestationID, Purpose: i.Purpose,
		IssuedAt: i.IssuedAt.UnixMicro(), NotBefore: i.NotBefore.UnixMicro(), NotAfter: i.NotAfter.UnixMicro(),
		Serial: i.Serial, TokenID: i.TokenID, SPKISHA256: i.SPKISHA256, SPIFFEID: i.SPIFFEID,
		Workload: i.Workload, PolicyDigest: i.PolicyDigest, Kinds: strings.Join(kinds, ","),
		Simulated: i.Simulated, Claims: string(i.Claims),
	}
	if i.Names != nil {
		names := strings.Join(i.Names, ",")
		row.Names = &names
	}
	return row
}

func (r issuanceRow) digest() []byte {
	h := sha256.New()
	h.Write(canonical(r))
	if r.Names != nil {
		h.Write(canonical([]string{*r.Names}))
	}
	return h.Sum(nil)
}

// row leaves the digests of other rows to be set.
func (e Event) row(seq int64) eventRow {
	return eventRow{
		Seq: seq, Time: e.Time.UnixMicro(), Actor: e.Actor, Action: e.Action, Outcome: string(e.Outcome),
		Code: e.Code.String(), AttestationID: e.AttestationID, Detail: string(e.Detail),
	}
}

// chain returns the row's hash after previous, which is empty for the first row.
func (r eventRow) chain(previous []byte) []byte {
	h := sha256.New()
	h.Write(previous)
	h.Write(canonical(r))
	switch {
	case r.Revocations != nil:
		h.Write(canonical([][]byte{r.Enrolment, r.Keys, r.PolicySet, r.Proposal, r.Shadow, r.Revocations}))
	case r.PolicySet != nil || r.Proposal != nil || r.Shadow != nil:
		h.Write(canonical([][]byte{r.Enrolment, r.Keys, r.PolicySet, r.Proposal, r.Shadow}))
	case r.Enrolment != nil || r.Keys != nil:
		h.Write(canonical([][]byte{r.Enrolment, r.Keys}))
	}
	return h.Sum(nil)
}

// canonical is RFC 8949 core deterministic encoding.
func canonical(row any) []byte {
	encoded, err := deterministic.Marshal(row)
	if err != nil {
		panic("store: cannot encode a row: " + err.Error()) // texts, numbers and bytes always encode
	}
	return encoded
}

var deterministic = func() cbor.EncMode {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic("store: " + err.Error())
	}
	return mode
}()
