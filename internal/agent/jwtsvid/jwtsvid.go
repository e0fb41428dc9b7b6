// Package jwtsvid gets JWT-SVIDs for the workloads of the machine: each costs an
// attestation, so what was got is kept for half of its life, for whoever asks for the same
// audiences, and no more are asked for than a machine and its service bear.
//
// Start at [New] and [Tokens.Fetch].
package jwtsvid

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/endpoint"
)

// ErrTooMany says that too many different tokens are asked for.
var ErrTooMany = errors.New("jwtsvid: too many JWT-SVIDs are asked for at once; try again in a second")

// Config says how tokens are got.
type Config struct {
	// Obtain attests for a JWT-SVID of a SPIFFE ID with these audiences.
	Obtain func(ctx context.Context, id string, audience []string) (*client.JWTSVID, error)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Tokens are the machine's JWT-SVIDs. It is safe for concurrent use.
type Tokens struct {
	config  Config
	limiter *rate.Limiter
	flights singleflight.Group
	places  chan struct{} // of attestations at once

	mu    sync.Mutex
	held  map[string]token
	users map[uint32]*rate.Limiter
}

// token is one that was got, and when to get another.
type token struct {
	*client.JWTSVID
	renew time.Time
}

// isFresh reports whether it is too early for another, by both clocks: the monotonic one stands still
// while a machine is suspended, and that on the wall may be put back.
func (t token) isFresh(now time.Time) bool {
	return now.Before(t.renew) && now.Round(0).Before(t.renew.Round(0))
}

// New returns a set of tokens that has none yet.
func New(c Config) *Tokens {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Tokens{
		config: c, limiter: rate.NewLimiter(perSecond, burst), places: make(chan struct{}, maxAtOnce),
		held: map[string]token{}, users: map[uint32]*rate.Limiter{},
	}
}

// Fetch returns a JWT-SVID of an identity's SPIFFE ID with exactly these audiences. One that is held is
// returned for half of its life, and then for as long as it lasts if there is no answer. The error is
// ErrTooMany, or that of Config.Obtain. A refusal drops all that is held; what was got beside an earlier
// certificate, which may have been revoked, is not returned any more.
func (t *Tokens) Fetch(ctx context.Context, identity *agent.Identity, audience []string) (*client.JWTSVID, error) {
	id := identity.ID.String()
	key := keyOf(append([]string{string(identity.Certificate.Leaf.Raw), id}, audience...))
	now := t.config.Now()
	held := t.get(key)
	if held.JWTSVID != nil && held.isFresh(now) {
		return held.JWTSVID, nil
	}
	got, err := t.obtain(ctx, key, id, audience)
	if err != nil && !agent.Refused(err) && held.JWTSVID != nil && now.Before(held.Expires) {
		return held.JWTSVID, nil
	}
	return got, err
}

// obtain gets a token, once for all who ask for it meanwhile.
func (t *Tokens) obtain(ctx context.Context, key, id string, audience []string) (*client.JWTSVID, error) {
	done := t.flights.DoChan(key, func() (any, error) {
		if !t.userLimiter(ctx).AllowN(t.config.Now(), 1) || !t.limiter.AllowN(t.config.Now(), 1) {
			return nil, ErrTooMany
		}
		// Whoever asked first may go; the others still wait.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), obtainTimeout)
		defer cancel()
		select {
		case t.places <- struct{}{}:
			defer func() { <-t.places }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		got, err := t.config.Obtain(ctx, id, slices.Clone(audience))
		if err == nil {
			t.put(key, got)
		} else if agent.Refused(err) {
			t.drop()
		}
		return got, err
	})
	select {
	case result := <-done:
		got, _ := result.Val.(*client.JWTSVID)
		return got, result.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// userLimiter is the limiter of who calls.
func (t *Tokens) userLimiter(ctx context.Context) *rate.Limiter {
	caller, _ := endpoint.CallerOf(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	limiter := t.users[caller.UID]
	if limiter == nil {
		if len(t.users) >= maxUsers {
			clear(t.users)
		}
		limiter = rate.NewLimiter(perSecondOfUser, burstOfUser)
		t.users[caller.UID] = limiter
	}
	return limiter
}

func (t *Tokens) get(key string) token {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.held[key]
}

func (t *Tokens) put(key string, got *client.JWTSVID) {
	now := t.config.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, held := range t.held {
		if len(t.held) >= maxHeld || !now.Before(held.Expires) {
			delete(t.held, k) // any will do: it can be got again
		}
	}
	t.held[key] = token{got, now.Add(got.Expires.Sub(now) / 2)}
}

// drop forgets all that is held: the machine is not who it was.
func (t *Tokens) drop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.held)
}

// keyOf tells lists of texts apart.
func keyOf(texts []string) string {
	h := sha256.New()
	for _, text := range texts {
		sum := sha256.Sum256([]byte(text))
		h.Write(sum[:])
	}
	return string(h.Sum(nil))
}
