package endpoint

// Own gives the socket its mode and owner.
func (c Config) Own() error { return c.own() }

// HasAllUsers reports whether a namespace has all users.
func HasAllUsers(uidMap string) bool { return hasAllUsers(uidMap) }
