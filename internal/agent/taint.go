package agent

import (
	"crypto/sha256"
	"crypto/x509"
	"slices"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"

	"github.com/quotary/quotary/evidence"
)

// Taint has the agent attest now if its certificate is below one of these roots, by the
// SHA-256 of their DER: they are about to be withdrawn, and everybody below them with them.
func (a *Agent) Taint(roots []evidence.Digest) {
	view, _ := a.Current()
	if view.Identity == nil {
		return
	}
	tainted := slices.DeleteFunc(view.Identity.Bundle.X509Authorities(), func(root *x509.Certificate) bool {
		return !slices.Contains(roots, evidence.Digest(sha256.Sum256(root.Raw)))
	})
	below := spiffebundle.FromX509Authorities(view.Identity.ID.TrustDomain(), tainted)
	if view.Identity.verifiesUnder(below, a.wall()) {
		a.config.Logger.Warn("the identity's authority is tainted; attesting now")
		a.Hurry()
	}
}
