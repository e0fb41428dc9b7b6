package endpoint

// MaxConnections is how many connections a user may have open.
const MaxConnections = maxConnections

// Admits reports whether the rules let a user in.
func (c Config) Admits(uid uint32) bool { return c.admits(uid) }

// MaxCalls is how many calls at once a user may have.
const MaxCalls = maxCalls
