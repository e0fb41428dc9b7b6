package inforce

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// Refusal is what genuine evidence claimed that the policy set granted nothing.
type Refusal struct {
	ID       string // of the appraisal
	At       time.Time
	Verdict  policies.Verdict
	Workload string // that came nearest
	Digest   string // of the set that refused it
	Claims   []evidence.Claims
}

// refusals are the last ones. They are kept in memory alone: they say who a candidate
// set would admit, and nothing rests on them. A machine that asks again and again has
// one place, and one that was admitted since has none.
type refusals struct {
	mu   sync.Mutex
	kept []refused // the oldest first
	size int       // of all claims, bytes
}

type refused struct {
	Refusal
	claims []byte            // JSON, as the ledger keeps those of what was accepted
	sum    [sha256.Size]byte // of what does not change from one attestation to the next
}

// add keeps a refusal, and drops the oldest ones for it.
func (r *refusals) add(refusal Refusal) {
	list := recorded(refusal.Claims)
	encoded, err := json.Marshal(list)
	if err != nil || len(encoded) > maxRefusedClaims {
		return
	}
	sum, err := lasting(list)
	if err != nil {
		return
	}
	refusal.Claims = nil
	next := refused{refusal, encoded, sum}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(next.sum)
	r.kept = append(r.kept, next)
	r.size += len(encoded)
	for len(r.kept) > maxRefusals || r.size > maxRefusalsSize {
		r.size -= len(r.kept[0].claims)
		r.kept = slices.Delete(r.kept, 0, 1)
	}
}

// forget drops what was kept of a machine. The caller holds the lock.
func (r *refusals) forget(sum [sha256.Size]byte) {
	r.kept = slices.DeleteFunc(r.kept, func(k refused) bool {
		same := k.sum == sum
		if same {
			r.size -= len(k.claims)
		}
		return same
	})
}

// empty reports whether nothing is kept.
func (r *refusals) empty() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.kept) == 0
}

// admitted drops what was kept of a machine that has these claims.
func (r *refusals) admitted(claims []evidence.Claims) {
	sum, err := lasting(recorded(claims))
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(sum)
}

// recorded are claims as the ledger keeps them.
func recorded(claims []evidence.Claims) []evidence.Claims {
	list := make([]evidence.Claims, len(claims))
	for i, c := range claims {
		list[i] = c.Recorded()
	}
	return list
}

// lasting is a digest of claims without what is new in each attestation.
func lasting(claims []evidence.Claims) (sum [sha256.Size]byte, err error) {
	for i := range claims {
		c := &claims[i] // a copy of the caller's; what it points to is copied here
		switch {
		case c.SEVSNP != nil:
			snp := *c.SEVSNP
			snp.ReportData = nil
			c.SEVSNP = &snp
		case c.TDX != nil:
			tdx := *c.TDX
			tdx.ReportData = nil
			c.TDX = &tdx
		case c.TPM != nil:
			tpm := *c.TPM
			tpm.ExtraData, tpm.Clock = nil, 0
			c.TPM = &tpm
		}
	}
	encoded, err := json.Marshal(claims)
	return sha256.Sum256(encoded), err
}

// all returns them, the newest first.
func (r *refusals) all() []Refusal {
	r.mu.Lock()
	kept := slices.Clone(r.kept)
	r.mu.Unlock()
	list := make([]Refusal, 0, len(kept))
	for _, k := range slices.Backward(kept) {
		if refusal, ok := k.whole(); ok {
			list = append(list, refusal)
		}
	}
	return list
}

// find returns the refusal of this name.
func (r *refusals) find(id string) (Refusal, bool) {
	r.mu.Lock()
	at := slices.IndexFunc(r.kept, func(k refused) bool { return k.ID == id })
	if at < 0 {
		r.mu.Unlock()
		return Refusal{}, false
	}
	k := r.kept[at]
	r.mu.Unlock()
	return k.whole()
}

// whole is the refusal with its claims.
func (k refused) whole() (Refusal, bool) {
	err := json.Unmarshal(k.claims, &k.Claims)
	return k.Refusal, err == nil
}

// Refused notes that policy granted something nothing, for plans and explanations.
func (p *Policies) Refused(r Refusal) { p.refusals.add(r) }

// Admitted notes that policy granted an identity on these claims: who was refused before
// is no longer. They are asked for only if there is anybody to forget.
func (p *Policies) Admitted(claims func() []evidence.Claims) {
	if !p.refusals.empty() {
		p.refusals.admitted(claims())
	}
}

// Refusal returns one of the last refusals; ok is false if it is not, or no longer, known.
func (p *Policies) Refusal(id string) (_ Refusal, ok bool) { return p.refusals.find(id) }
