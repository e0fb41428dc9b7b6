// Package continuous holds the live identities to what is in force now. Whenever that
// changes, the recorded claims of every certificate that still lives are judged once more:
// by the endorsements and trust anchors of now, and by the policy set of now. What no
// longer passes is revoked.
//
// Only what is known speaks against a machine. What claims leave out, and what waits for a
// check that cannot be made, is unknown; that an endorsement is missing or old is nobody's
// fault. Those identities end by themselves, and are not renewed.
//
// Start at [New], [Sweeper.Run] and [Sweeper.Trigger].
package continuous

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/policies"
)

// Mode says what becomes of identities that no longer pass.
type Mode string

// The modes.
const (
	Revoke Mode = "revoke" // their certificates are revoked
	Report Mode = "report" // the audit trail, the log and the metrics say so, and they live on
)

// Ledger has what was issued: a *store.Store.
type Ledger interface {
	Issuances(context.Context, store.IssuanceFilter) ([]store.Issuance, *store.IssuanceCursor, error)
	Revoke(ctx context.Context, event store.Event, attestations []string) (revoked int, last int64, err error)
	Record(context.Context, store.Entry) error
}

// Reviewer judges claims on record by the endorsements, trust anchors and consents of now: a
// *verifier.Verifier. What fails is known to speak against them.
type Reviewer interface {
	Review(recorded []evidence.Claims) (claims []evidence.Claims, checks evidence.Checks)
}

// Policies is the set in force: an *inforce.Policies.
type Policies interface {
	Reconsider(claims []evidence.Claims, at time.Time, granted policies.Granted) policies.Reconsidered
	// Changed is closed when the set in force now no longer is.
	Changed() <-chan struct{}
}

// Publisher publishes what was revoked: a *revocation.Publisher.
type Publisher interface {
	Renew(context.Context) error
}

// Config is what a Sweeper works with. All of it is needed.
type Config struct {
	Mode      Mode
	Ledger    Ledger
	Reviewer  Reviewer
	Policies  Policies
	Publisher Publisher
	Logger    *slog.Logger
	// Now is the clock that identities are judged by. Waiting goes by the process's own.
	Now func() time.Time
}

// Sweeper holds live identities to what is in force. It is safe for concurrent use.
type Sweeper struct {
	Config
	epoch atomic.Uint64 // counts what was changed
	wake  chan struct{} // holds one

	mu     sync.Mutex // guards what follows
	due    want       // what waits to be done
	under  bool       // a sweep is under way
	status Status
}

// New returns a Sweeper of which the first sweep is due: nobody knows what changed before.
func New(c Config) *Sweeper {
	s := &Sweeper{Config: c, wake: make(chan struct{}, 1), status: newStatus(c.Mode)}
	s.Trigger(Start)
	return s
}
