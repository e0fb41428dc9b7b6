package agent

import (
	"crypto/x509"

	"github.com/quotary/quotary/evidence"
)

// Revocations are what the service revoked: a *client.Revocations.
type Revocations interface {
	// Check refuses a chain, leaf first. Only the code revocation.revoked says that the leaf is
	// revoked; anything else says that nobody knows.
	Check(chain []*x509.Certificate) error
	// Lists are the revocation lists, in DER.
	Lists() [][]byte
}

// Heed goes by what the service revoked, as of now: it is to be called whenever that changes.
// The lists are handed out; an identity that is on one is withdrawn, and the agent attests
// again soon. That nobody knows changes nothing.
func (a *Agent) Heed(r Revocations) {
	lists := r.Lists()
	if size := total(lists); size > maxLists {
		a.config.Logger.Warn("the revocation lists are too long to be handed out", "bytes", size, "at_most", maxLists)
		lists = nil
	}
	a.mu.Lock()
	a.revocations, a.lists = r, lists
	a.mu.Unlock()
	a.amend(func(i *Identity) bool {
		i.Lists = lists
		return true
	})
	a.examine()
	a.look() // what changed the lists may have changed the bundles
}

func total(lists [][]byte) (size int) {
	for _, list := range lists {
		size += len(list)
	}
	return size
}

// examine withdraws an identity that is revoked.
func (a *Agent) examine() {
	a.mu.Lock()
	r, view := a.revocations, a.view
	a.mu.Unlock()
	if r == nil || view.Identity == nil {
		return
	}
	err := r.Check(view.Identity.chain())
	if evidence.CodeOf(err) != evidence.CodeRevocationRevoked {
		return
	}
	reason := &Reason{Refused: true, Code: evidence.CodeRevocationRevoked.String(), Detail: err.Error()}
	withdrawn := false
	a.publish(func(v *View) {
		if v.Identity == nil || v.Identity.Certificate != view.Identity.Certificate {
			return // another took its place
		}
		v.withdraw()
		v.Status.State, v.Status.Reason = Revoked, reason
		a.metrics.revoked()
		withdrawn = true
	})
	if !withdrawn {
		return
	}
	a.config.Logger.Error("the identity was revoked; there is none any more; attesting at once", "spiffe_id", view.Identity.ID.String(),
		"attestation_id", view.Identity.AttestationID, "code", reason.Code, "cause", reason.Detail)
	a.soon(urgentSpread)
}
