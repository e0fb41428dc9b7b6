package agent

import "time"

const (
	// firstBackOff bounds the wait after a first failure: a service that restarts is
	// back in about a second.
	firstBackOff = time.Second
	// maxBackOff bounds every wait: an outage that ends is noticed within it, and a
	// thousand agents ask a service that is down seven times a second at most.
	maxBackOff = 5 * time.Minute
	// maxRetryAfter bounds what a service may ask for: lives are an hour at most
	// by default, and a wait must not outlast one by a slip of an administrator.
	maxRetryAfter = 15 * time.Minute
	// minRenewal is the least time between an identity and the next attestation, whatever
	// the service says: it keeps a service that says "at once" from being asked all the time.
	minRenewal = time.Second
	// maxSleep is how long the agent relies on timers, which stand still while a machine
	// is suspended, before it looks at the clock on the wall.
	maxSleep = time.Minute
	// attemptTimeout bounds one attestation: three exchanges of a minute at most, a TPM
	// that takes seconds for each command, and attempts that others overtook.
	attemptTimeout = 5 * time.Minute
	// minRefresh and maxRefresh bound how often the bundle is looked for, whatever its
	// refresh hint says; defaultRefresh is for one without (SPIFFE Trust Domain and
	// Bundle §4.1.2 leaves it to the consumer).
	minRefresh     = 10 * time.Second
	maxRefresh     = time.Hour
	defaultRefresh = 5 * time.Minute
	// refreshTimeout bounds one look at the bundles, and firstRefreshTimeout the one that a
	// first identity waits for.
	refreshTimeout      = time.Minute
	firstRefreshTimeout = 5 * time.Second
	// newsSpread is the time in which all who hear of other revocation lists look at the
	// bundles: ten thousand do so a thousand times a second, and each within seconds.
	newsSpread = 10 * time.Second
	// urgentSpread is the time in which those attest again whose identity nobody believes any
	// more: a thousand whose identities are revoked at once ask 200 times a second.
	urgentSpread = 5 * time.Second
	// taintSpread is the same for those whose authority is tainted: they are believed until it
	// is withdrawn, for which operators wait ten minutes.
	taintSpread = time.Minute
	// maxLists bounds the revocation lists that are handed out, in bytes: many clients of gRPC
	// take messages of 4 MiB. It is room for some 25,000 certificates.
	maxLists = 1 << 20
	// maxDetail bounds what is kept of an error's text, in bytes: a sentence and what it
	// speaks of. The log has the request's ID.
	maxDetail = 2048
)
