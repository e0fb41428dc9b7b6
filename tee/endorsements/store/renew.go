package store

import (
	"context"
	"strings"
	"time"

	"github.com/quotary/quotary/tee"
)

// Renew asks a name's vendor whether there is a newer issue than the one that is
// held; it is [Store.Fetch] if there is none. Whoever does not [Store.Run] the
// store renews what [Status.Next] says is due.
func (s *Store) Renew(ctx context.Context, name tee.EndorsementName) (retryAfter time.Duration, err error) {
	return s.launchOne(name, nil, true).wait(ctx)
}

// IsBookkeeping reports whether a file of this name in a store's directory is the
// store's own and holds no endorsement.
func IsBookkeeping(name string) bool {
	return name == lockName || strings.HasPrefix(name, stateName) || strings.HasPrefix(name, ".")
}
