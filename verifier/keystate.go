package verifier

import (
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/tee"
)

// KeyStates remembers what accepted appraisals left about attestation keys.
type KeyStates interface {
	// KeyState returns what was left about a key, and the scope in which it was: see
	// [KeyUpdate]. It is false for a key that nothing is known of.
	KeyState(ak evidence.Digest) (state tee.KeyState, scope string, ok bool)
}

// KeyUpdate is what an accepted result leaves about an attestation key. It must be
// recorded before anything leaves, and only if Before still stands.
type KeyUpdate struct {
	AK evidence.Digest // what the key is remembered by; see tee.Outcome
	// Before is what the appraisal compared with, nil if nothing was known.
	Before *tee.KeyState
	After  tee.KeyState
	// Scope is the policy set and the alternative of a workload that accepted. Another one has
	// not judged the entries of the kernel's list that were sent then.
	Scope string
}

// recall asks for the state of the one attestation key of an appraisal.
type recall struct {
	states KeyStates
	policy string // digest of the set that decides
	now    time.Time
	key    evidence.Digest
	state  *tee.KeyState // nil if nothing is known
	scope  string
}

// earlier returns what was left about a key. How far the kernel's list was judged
// counts under the same policy set alone, and while what judged it is in force.
func (r *recall) earlier(ak evidence.Digest) *tee.KeyState {
	state, scope, ok := r.states.KeyState(ak)
	r.key, r.state, r.scope = ak, nil, ""
	if !ok {
		return nil
	}
	before := state
	r.state, r.scope = &before, scope
	if ima := state.IMA; ima != nil && (policyOf(scope) != r.policy || !ima.Until.IsZero() && !r.now.Before(ima.Until)) {
		state.IMA = nil
	}
	return &state
}

// revocation returns whether a key was revoked, and nothing else: a background check is
// about a moment that somebody else chose, but what was revoked counts never again.
func (r *recall) revocation(ak evidence.Digest) *tee.KeyState {
	state, _, ok := r.states.KeyState(ak)
	if !ok {
		return nil
	}
	return &tee.KeyState{Revoked: state.Revoked, Superseded: state.Superseded}
}

// scopeOf names a policy set and the alternative in it that decided.
func scopeOf(d policies.Decision) string { return d.Digest + " " + d.Alternative }

// policyOf is the policy set of a scope.
func policyOf(scope string) string {
	policy, _, _ := strings.Cut(scope, " ")
	return policy
}

// remember notes what an accepted result leaves about its attestation key. An
// alternative that did not judge the first part of a kernel's list cannot accept
// the rest: then it reports false.
func (r *result) remember(states *recall) bool {
	if states == nil {
		return true
	}
	for i, item := range r.items {
		o := item.Outcome
		if item.Kind != evidence.KindTPM || o.KeyState == nil {
			continue
		}
		scope := scopeOf(r.decision)
		quote, ok := r.appraisal.bundle[i].(*evidence.TPM)
		if ok && quote.IMAOffset > 0 && scope != states.scope {
			return false
		}
		r.update = &KeyUpdate{AK: o.Key, After: *o.KeyState, Scope: scope}
		if o.Key == states.key {
			r.update.Before = states.state
		}
		if ok && len(quote.IMALog) == 0 && quote.IMAOffset == 0 && scope != states.scope {
			r.update.After.IMA = nil // carried over from what another alternative judged
		}
		if whole := ok && quote.IMAOffset == 0 && len(quote.IMALog) > 0; whole {
			r.update.After.IMA = r.until(r.update.After.IMA, nil)
		} else {
			r.update.After.IMA = r.until(r.update.After.IMA, states.state)
		}
	}
	return true
}

// until returns how far a kernel's list was judged with the end of what judged it: now, and
// before, if its first part was judged then.
func (r *result) until(ima *tee.IMAState, before *tee.KeyState) *tee.IMAState {
	if ima == nil {
		return nil
	}
	dated := *ima
	dated.Until = r.decision.ValidUntil
	if before != nil && before.IMA != nil {
		dated.Until = earliest(dated.Until, before.IMA.Until)
	}
	if !dated.Until.IsZero() {
		dated.Until = dated.Until.UTC()
	}
	return &dated
}
