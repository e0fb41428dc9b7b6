package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// Candidate is a policy set that somebody wants in force, or in the shadow.
type Candidate struct {
	Digest    string          // of the documents, as policies.Set.Digest says
	Base      string          // digest of the applied set that it is to replace; empty if none was applied yet
	Documents []policies.File // at most [MaxPolicyDocuments], of [MaxPolicySize] bytes together; nil in lists
	Author    string
	Comment   string
}

// PolicySet is a set that was applied: one row of the history, which is a hash
// chain of its own and part of the audit chain.
type PolicySet struct {
	Seq int64 // 1, 2, 3 …
	Candidate
	Time      time.Time
	Proposal  int64 // the proposal that was applied, 0 if none
	Approvals []Approval
	Hash      evidence.Hex // 32 bytes: of the history up to here
}

// Approval is an administrator's consent to a proposal. That of the proposal's
// own author is kept as well; whether it counts is for the caller to decide.
type Approval struct {
	By   string    `json:"by"`
	Time time.Time `json:"time"` // UTC
	// Serial is that of the certificate which showed who it was, if one did.
	Serial string `json:"serial,omitempty"`
}

// ApplyPolicy puts c in force if the active set is its Base, and returns its
// number in the history. Nothing is in force before it returned; if ctx ended, it
// may yet come into force, and [Store.ActivePolicy] tells. The error is an
// *evidence.Error: CodePolicyConflict if another set is active, CodePolicyTooLarge
// or CodeRequestMalformed for what the ledger could not keep, CodeLedgerTampered
// if the history does not hold, and those of [Store.Record].
func (s *Store) ApplyPolicy(ctx context.Context, event Event, c Candidate) (seq int64, err error) {
	if err := c.check(); err != nil {
		return 0, err
	}
	change := &application{candidate: c.deposit()}
	if err := s.Record(ctx, Entry{Event: event, policy: change}); err != nil {
		return 0, err
	}
	return change.seq, nil
}

// ApplyProposal applies a proposal as it is in the ledger, approvals included, and
// closes it. Whether they are enough the caller decides beforehand: approvals are
// added only, and a proposal that was withdrawn meanwhile is refused with
// CodePolicyProposalClosed. Otherwise it is as [Store.ApplyPolicy].
func (s *Store) ApplyProposal(ctx context.Context, event Event, id int64, digest string) (seq int64, err error) {
	change := &application{proposal: id, digest: digest}
	if err := s.Record(ctx, Entry{Event: event, policy: change}); err != nil {
		return 0, err
	}
	return change.seq, nil
}

// check refuses what the ledger could not keep, or not as it is.
func (c Candidate) check() error {
	total := 0
	for _, file := range c.Documents {
		total += len(file.Data)
		if len(file.Name) > maxText || !utf8.ValidString(file.Name) {
			return evidence.Errorf(evidence.CodeRequestMalformed, "documents", "a document's name is no text of at most %d bytes", maxText)
		}
	}
	if total > MaxPolicySize || len(c.Documents) > MaxPolicyDocuments {
		return evidence.Errorf(evidence.CodePolicyTooLarge, "documents", "%d documents of %d bytes; the ledger keeps %d of %d bytes", len(c.Documents), total, MaxPolicyDocuments, MaxPolicySize)
	}
	if len(c.Comment) > maxText || !utf8.ValidString(c.Comment) {
		return evidence.Errorf(evidence.CodeRequestMalformed, "comment", "a comment is a text of at most %d bytes", maxText)
	}
	if len(c.Digest) > maxText || len(c.Base) > maxText || c.Digest == "" {
		return evidence.Errorf(evidence.CodeRequestMalformed, "base", "a digest names a policy set")
	}
	return checkName(c.Author)
}

// checkName holds the names of administrators, which the service gives them.
func checkName(name string) error {
	if name == "" || len(name) > maxText || !utf8.ValidString(name) {
		return fmt.Errorf("store: an administrator's name of %d bytes", len(name))
	}
	return nil
}

// candidateRow is what the rows of applied, proposed and shadow sets have in
// common. It has documents by reference.
type candidateRow struct {
	_         struct{} `cbor:",toarray"`
	Digest    string
	Base      string
	Documents string // JSON, []documentRef
	Author    string
	Comment   string
}

// fields are the columns that candidateColumns names.
func (r *candidateRow) fields() []any {
	return []any{&r.Digest, &r.Base, &r.Documents, &r.Author, &r.Comment}
}

// values are what goes into these columns.
func (r candidateRow) values() []any {
	return []any{r.Digest, r.Base, r.Documents, r.Author, r.Comment}
}

const candidateColumns = `digest, base, documents, author, comment`

// candidate leaves the documents to be read.
func (r candidateRow) candidate() Candidate {
	return Candidate{Digest: r.Digest, Base: r.Base, Author: r.Author, Comment: r.Comment}
}

// setRow is a row of policy_sets as the chain has it.
type setRow struct {
	_         struct{} `cbor:",toarray"`
	Seq       int64
	Candidate candidateRow
	Time      int64
	Proposal  int64
	Approvals string // JSON, []Approval
}

// chain returns the hash of the history that ends with r.
func (r setRow) chain(previous []byte) []byte {
	h := sha256.New()
	h.Write(previous)
	h.Write(canonical(r))
	return h.Sum(nil)
}

func (r setRow) set(hash []byte) (PolicySet, error) {
	approvals, err := approvalsOf(r.Approvals)
	return PolicySet{
		Seq: r.Seq, Candidate: r.Candidate.candidate(), Time: time.UnixMicro(r.Time).UTC(),
		Proposal: r.Proposal, Approvals: approvals, Hash: hash,
	}, err
}

func approvalsOf(text string) (approvals []Approval, err error) {
	if err := json.Unmarshal([]byte(text), &approvals); err != nil {
		return nil, tampered("a list of approvals cannot be read")
	}
	return approvals, nil
}

// jsonText is for lists of texts, numbers and times, which always encode.
func jsonText(list any) string {
	text, err := json.Marshal(list)
	if err != nil {
		panic("store: cannot encode a list: " + err.Error())
	}
	return string(text)
}
