package admin

import (
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
)

// Method is how an administrator has shown who they are.
type Method string

// The methods.
const (
	ByCertificate Method = "certificate" // of the administrators' CA
	ByOIDC        Method = "oidc"        // a token of the configured provider
	ByBootstrap   Method = "bootstrap"   // the credential that the first start shows
)

// Principal is an administrator, as [Authenticator.Authenticate] knows them.
type Principal struct {
	// Name is the name in the certificate, the token's sub, or "bootstrap".
	Name   string
	Role   Role
	Method Method
	// Issuer is the token's iss.
	Issuer string
	// Serial is the certificate's serial number, 40 hex digits.
	Serial string
	// Authority is the SHA-256 of the public key of the CA that issued it, in hex.
	Authority string
	// Until is when the certificate or token ends; zero for the bootstrap credential.
	Until time.Time
}

// Actor names the principal in records: "certificate:alice",
// "oidc:https://login.example.org#8f3a", "bootstrap". A person's certificates have one
// actor, whatever role they give.
func (p Principal) Actor() string {
	switch p.Method {
	case ByCertificate:
		return string(ByCertificate) + ":" + p.Name
	case ByOIDC:
		return string(ByOIDC) + ":" + p.Issuer + "#" + p.Name
	case ByBootstrap:
		return string(ByBootstrap)
	}
	return ""
}

// Credential names the certificate for [Authenticator.Revoked], with the CA that issued it;
// empty for other methods.
func (p Principal) Credential() string {
	if p.Serial == "" {
		return ""
	}
	return p.Serial + "@" + p.Authority
}

// Approvers is the number of people who certainly stand behind these actors (see
// [Principal.Actor]). An actor counts once. Nobody knows who used the bootstrap
// credential, so it counts for none. One person may have a certificate and an
// account at the provider: where there are both, those of the more frequent
// method count.
func Approvers(actors []string) int {
	people := map[Method]map[string]bool{ByCertificate: {}, ByOIDC: {}}
	for _, actor := range actors {
		method, name, _ := strings.Cut(actor, ":")
		if of, known := people[Method(method)]; known && name != "" {
			of[name] = true
		}
	}
	return max(len(people[ByCertificate]), len(people[ByOIDC]))
}

// Approvals is how many owners must agree to a change of the policy in force, its
// author among them if they are one. With 1 the author alone decides.
func (a *Authenticator) Approvals() int { return a.approvals }

// Revoked reports whether the certificate of [Principal.Credential] is revoked, or of a CA
// that was replaced, or nobody can tell. What somebody did by it may have to count no longer.
func (a *Authenticator) Revoked(credential string) bool {
	now := a.current.Load().authority
	serial, of, _ := strings.Cut(credential, "@")
	return of != now.id() || now.revoked(serial)
}

// Authorize returns nil if p may do this, else an *evidence.Error with
// CodeForbidden. Where a change needs several owners, the bootstrap credential
// changes nothing, not even before there is another administrator: whoever has the
// data directory can issue certificates.
func (a *Authenticator) Authorize(p Principal, action Action) error {
	if !p.Role.Permits(action) {
		return evidence.Errorf(evidence.CodeForbidden, "", "this (%s) needs the role %s, and %.64q has %q", action, actions[action].least, p.Name, p.Role)
	}
	if p.Method == ByBootstrap && a.approvals > 1 && action.changes() {
		return evidence.Errorf(evidence.CodeForbidden, "", "this (%s) needs %d owners, and the bootstrap credential is nobody in particular; use certificates (quotaryd admin issue) or tokens of the identity provider", action, a.approvals)
	}
	return nil
}
