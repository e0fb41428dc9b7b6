package endpoint

import "time"

const (
	// maxConnections bounds the open connections of one user. Each process of a workload
	// has one or two; a user who has this many leaks them.
	maxConnections = 256
	// maxStreams bounds the calls at once on one connection: a client of the Workload API
	// has four, a proxy one for each of its listeners.
	maxStreams = 128
	// maxCalls bounds the calls at once of one user, on all connections: each takes some 20 KiB.
	maxCalls = 2048
	// maxHeaders bounds the headers of a call, in bytes: callers send one line.
	maxHeaders = 16 << 10
	// maxRequest bounds a request in bytes. The largest carries a JWT-SVID, or the
	// acknowledgement of a proxy with the text of an error.
	maxRequest = 128 << 10
	// logFirst and logInterval bound what is logged of callers, who decide how often they call: the
	// first few, then one a second.
	logFirst    = 16
	logInterval = time.Second
	// minPing is how often a client may ask whether the connection still stands.
	minPing = 5 * time.Second
	// handshakeTimeout bounds how long a connection may take to say anything.
	handshakeTimeout = 10 * time.Second
)
