// Package tee is the contract of a technology: what a verifier of one kind of
// evidence takes and returns, and what an attester (the side that produces
// evidence) does. Implementations live below it (tee/sevsnp, tee/tdx, tee/tpm) and
// in simulators.
//
// Verification is pure: no clock, no network, no logger, no context. The same
// item, endorsements and parameters give the same outcome, so that it can be
// fuzzed, benchmarked, replayed in time and used offline.
package tee

import (
	"context"
	"crypto"
	"time"

	"github.com/quotary/quotary/evidence"
)

// Params are the inputs of a verification that are neither evidence nor endorsement.
type Params struct {
	Now time.Time // the instant at which certificates, CRLs and collateral must hold
	// Pooled says that the endorsements are a collection for many machines: nothing
	// follows from one that does not fit. Otherwise they were put together for this
	// item, and a single certificate that does not fit speaks against it.
	Pooled bool
	// Vouched is a key that another item of the same bundle vouches for, or nil.
	Vouched *VouchedKey
	// Earlier returns what an earlier appraisal left about the attestation key that is
	// remembered by this (see [Outcome]), or nil if there was none. It is nil
	// itself where nothing is compared with earlier appraisals.
	Earlier func(ak evidence.Digest) *KeyState
}

// VouchedKey is an attestation key that a report or quote of a TEE vouches for. It
// counts only if that item is genuine.
type VouchedKey struct {
	SHA256 evidence.Digest       // of its SubjectPublicKeyInfo
	Public crypto.PublicKey      // *rsa.PublicKey or *ecdsa.PublicKey; nil where only the digest is known
	By     evidence.Kind         // of the item that vouches for it
	Anchor *evidence.TrustAnchor // that this item rests on; nil unless it is genuine
	// Missing lists endorsements without which it is not known whether that item is genuine.
	Missing []EndorsementName
}

// KeyState is what an appraisal leaves to later ones about an attestation key.
type KeyState struct {
	// Revoked says that the key was superseded by another enrolment, or that an
	// administrator revoked it.
	Revoked bool
	// Superseded says of a revoked key that it was only superseded: nothing speaks against
	// what it quoted before.
	Superseded bool
	// Quoted says that there was a quote; what follows is of it.
	Quoted bool
	// Clock is in milliseconds. Resets and Restarts are as the key's quotes have them: only their
	// differences count, since they may be disguised.
	Clock            uint64
	Resets, Restarts uint32
	// Logged says that the quote came with an event log.
	Logged bool
	// IMA says how far the kernel's list was judged; nil if there was none.
	IMA *IMAState
}

// IMAState is how far a kernel's measurement list was judged.
type IMAState struct {
	Bank       string
	Entries    uint64
	Aggregate  evidence.Hex // PCR 10 after these entries
	Violations uint64
	Unread     uint64
	// Until is when what policy judged these entries by ends, in UTC; zero if it does
	// not. It is for the caller of a verifier to set and to go by.
	Until time.Time
}

// Verifier judges one kind of evidence. Its trust anchors are fixed when it is
// made. Implementations are safe for concurrent use. A verifier may remember
// what it proved (chains, collateral), bounded, keyed by the exact bytes, every
// validity re-checked against Params.Now on each use; never a verdict.
type Verifier interface {
	Kind() evidence.Kind

	// Verify judges whether item is genuine: format, signature, chain to a trust
	// anchor, revocation, validity at p.Now, and the identity of hardware and
	// certificate. What a policy may weigh (debug, TCB level, measurements) it
	// reports as claims only. It makes all checks that are safe to make after a
	// failure. It never panics on any item.
	Verify(item evidence.Item, e *Endorsements, p Params) Outcome
}

// Inspector decodes evidence without verifying it.
type Inspector interface {
	// UnverifiedClaims returns what item says of itself. SAFETY: nothing in it was
	// checked; it is for display and for finding endorsements only.
	UnverifiedClaims(item evidence.Item) (evidence.Claims, error)
}

// Attester produces evidence: a machine's own TEE, or a simulated one.
type Attester interface {
	// Kinds lists the kinds of evidence that Attest returns, so that the caller
	// can compute the binding before.
	Kinds() []evidence.Kind
	// Attest returns evidence that carries binding, each item as
	// [evidence.Binding.ReportData] has it for its kind.
	Attest(ctx context.Context, binding evidence.Binding) (evidence.Bundle, error)
}

// Outcome is what a verifier found. The zero Outcome is not genuine.
type Outcome struct {
	Checks evidence.Checks
	// Claims are set as far as the item could be decoded. They count only if the
	// outcome is Genuine.
	Claims evidence.Claims
	// ReportData is the caller's data as the signed evidence carries it
	// (REPORT_DATA, 64 bytes; a TPM's extraData), or nil if it could not be decoded.
	ReportData []byte
	// Missing lists endorsements without which nothing can be decided, in the order
	// in which one rests on the other. Beside a failed check it lists what could
	// still clear the evidence, and is empty if nothing could.
	Missing []EndorsementName
	// Lacking lists endorsements whose absence, or age, left a check undone that
	// genuineness does not depend on but a policy may (a current CRL).
	Lacking []EndorsementName
	// Key and KeyState are what the attestation key is remembered by (the SHA-256 of its
	// SubjectPublicKeyInfo, or of a simulated one its [SimulatedID]), and what is to be left to later
	// appraisals about it, if this one is accepted. KeyState is nil where there is nothing.
	Key      evidence.Digest
	KeyState *KeyState
	// ValidUntil is the earliest end of validity of the endorsements used.
	ValidUntil time.Time
}

// Genuine reports whether the evidence is what it says it is: at least one check
// was made, none failed and no endorsement is missing.
func (o Outcome) Genuine() bool {
	return len(o.Checks) > 0 && len(o.Checks.Failed()) == 0 && len(o.Missing) == 0 && o.ReportData != nil
}

// Undecided reports whether only missing endorsements stand between the
// evidence and a decision.
func (o Outcome) Undecided() bool {
	return len(o.Missing) > 0 && len(o.Checks.Failed()) == 0
}

// Anchor is a root certificate that a verifier trusts.
type Anchor struct {
	DER    []byte
	Origin evidence.Origin
}
