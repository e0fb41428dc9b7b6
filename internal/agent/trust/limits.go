package trust

import "time"

// maxBundle bounds a bundle's file, in bytes: hundreds of roots.
const maxBundle = 1 << 20

// followSpread is the time in which agents that got their identity together begin to follow
// what is revoked.
const followSpread = time.Second
