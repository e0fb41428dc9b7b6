package authz

import "time"

const (
	// refreshPause lies between two looks at the trust bundle: a root that the service
	// withdraws counts no more a minute later.
	refreshPause = time.Minute
	// refreshTimeout bounds one.
	refreshTimeout = 30 * time.Second
	// defaultMaxAge is how old the bundle and the feed of revocations may be. The service
	// answers several times a minute; an hour is for its restarts and repairs.
	defaultMaxAge = time.Hour
	// minMaxAge is the least that can be asked for: the bundle is looked at once a minute,
	// and the service answers the feed after twenty seconds, or says that it is full.
	minMaxAge = 5 * time.Minute
	// maxMaxAge is the most: so long revocation lists hold.
	maxMaxAge = 24 * time.Hour
	// maxHeader bounds the headers of a question, in bytes: a certificate has 32 KiB at most,
	// and a path 8 KiB.
	maxHeader = 64 << 10
	// maxQuestion bounds one of Envoy's, in bytes: the request's headers (60 KiB unless
	// configured otherwise) and the certificate. Bodies are not wanted.
	maxQuestion = 256 << 10
	// maxStreams bounds the questions at once on one connection. Each takes microseconds.
	maxStreams = 1000
	// requestTimeout bounds a question, from its first byte to the last of the answer.
	requestTimeout = 10 * time.Second
	// idleTimeout is how long a proxy may keep a connection that it does not use: longer
	// than proxies do.
	idleTimeout = time.Hour
	// denialsPerSecond and denialBurst bound the denials that are logged: whoever can reach
	// the proxy can have as many as it wants. The next one says how many were left out.
	denialsPerSecond = 10
	denialBurst      = 100
	// maxLogged bounds each text of a client or proxy in a line of the log, in bytes.
	maxLogged = 128
)
