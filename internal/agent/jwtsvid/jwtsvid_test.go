package jwtsvid_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"google.golang.org/grpc/peer"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent/agenttest"
	"github.com/quotary/quotary/internal/agent/endpoint"
	"github.com/quotary/quotary/internal/agent/jwtsvid"
)

// service issues tokens for five minutes, or does what a test says.
type service struct {
	asked atomic.Int64
	fail  atomic.Pointer[error]
}

func (s *service) obtain(_ context.Context, _ string, audience []string) (*client.JWTSVID, error) {
	n := s.asked.Add(1)
	time.Sleep(time.Millisecond)
	if err := s.fail.Load(); err != nil {
		return nil, *err
	}
	return &client.JWTSVID{Token: strconv.FormatInt(n, 10), Audience: audience, Expires: time.Now().Add(5 * time.Minute)}, nil
}

// A machine that was suspended does not hand out a token that ended meanwhile: the monotonic clock
// stood still, and others go by that on the wall.
func TestAttack_B16_SuspendedMachine(t *testing.T) {
	const night = 8 * time.Hour
	before := time.Now()
	after := before.Add(night)
	(*[2]int64)(unsafe.Pointer(&after))[1] -= int64(night) // the monotonic reading of a time.Time
	if after.Sub(before) != 0 || after.Round(0).Sub(before.Round(0)) != night {
		t.Skip("times are made in another way now")
	}
	now := before
	tokens := jwtsvid.New(jwtsvid.Config{Obtain: (&service{}).obtain, Now: func() time.Time { return now }})
	identity := agenttest.NewAuthority(t).Issue(t, "web", time.Hour)
	for _, want := range []string{"1", "2"} {
		if got, err := tokens.Fetch(t.Context(), identity, []string{"a"}); err != nil || got.Token != want {
			t.Errorf("%+v, %v; want token %s", got, err, want)
		}
		now = after
	}
}

// A token is kept for half of its life, for the same audiences in the same order, and
// beyond that where nobody answers, until it ends; a refusal ends it.
func TestFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{}
		tokens := jwtsvid.New(jwtsvid.Config{Obtain: s.obtain})
		authority := agenttest.NewAuthority(t)
		identity := authority.Issue(t, "web", time.Hour)
		expect := func(when, want string, audience ...string) {
			t.Helper()
			if got, err := tokens.Fetch(t.Context(), identity, audience); err != nil || got.Token != want {
				t.Errorf("%s: %+v, %v; want token %s", when, got, err, want)
			}
		}
		expect("at first", "1", "a")
		expect("again", "1", "a")
		expect("two audiences", "2", "a", "b")
		expect("in another order", "3", "b", "a")
		expect("as one", "4", "ab")
		if got, err := tokens.Fetch(t.Context(), authority.Issue(t, "web", time.Hour), []string{"ab"}); err != nil || got.Token != "5" {
			t.Errorf("beside another certificate: %+v, %v", got, err)
		}
		time.Sleep(3 * time.Minute)
		expect("after half of its life", "6", "a")
		silent := error(evidence.Errorf(evidence.CodeServiceUnreached, "", "no answer"))
		s.fail.Store(&silent)
		time.Sleep(3 * time.Minute)
		expect("without an answer", "6", "a")
		time.Sleep(3 * time.Minute)
		if _, err := tokens.Fetch(t.Context(), identity, []string{"a"}); !errors.Is(err, silent) {
			t.Errorf("when it has ended: %v", err)
		}
		s.fail.Store(nil)
		if _, err := tokens.Fetch(t.Context(), identity, []string{"a"}); err != nil {
			t.Fatal(err)
		}
		refused := error(&client.Problem{Reason: evidence.Errorf(evidence.CodeNotAccepted, "", "so"), Status: http.StatusUnprocessableEntity})
		s.fail.Store(&refused)
		time.Sleep(3 * time.Minute)
		if _, err := tokens.Fetch(t.Context(), identity, []string{"a"}); !errors.Is(err, refused) {
			t.Errorf("refused: %v", err)
		}
		s.fail.Store(&silent)
		if _, err := tokens.Fetch(t.Context(), identity, []string{"a"}); !errors.Is(err, silent) {
			t.Errorf("a token is held behind a refusal: %v", err)
		}
	})
}

// Many who ask for one token cause one attestation; many tokens are too many.
func TestConcurrentFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{}
		tokens := jwtsvid.New(jwtsvid.Config{Obtain: s.obtain})
		authority := agenttest.NewAuthority(t)
		identity := authority.Issue(t, "web", time.Hour)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, err := tokens.Fetch(t.Context(), identity, []string{"a"}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := s.asked.Load(); n != 1 {
			t.Errorf("%d attestations for one token", n)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := tokens.Fetch(gone, identity, []string{"gone"}); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller who went: %v", err)
		}
		refused := 0
		for i := range 1000 {
			if _, err := tokens.Fetch(t.Context(), identity, []string{strconv.Itoa(i)}); errors.Is(err, jwtsvid.ErrTooMany) {
				refused++
			}
		}
		if refused < 900 {
			t.Errorf("%d of 1000 were refused", refused)
		}
		time.Sleep(time.Minute)
		if _, err := tokens.Fetch(t.Context(), identity, []string{"later"}); err != nil {
			t.Error(err)
		}
	})
}

// A user who asks for tokens without end takes none from others, nor the machine's time: two
// attestations at once, and the identity's own waits for no more.
func TestAttack_D06_TokensWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inside, most atomic.Int64
		tokens := jwtsvid.New(jwtsvid.Config{Obtain: func(_ context.Context, _ string, audience []string) (*client.JWTSVID, error) {
			most.Store(max(most.Load(), inside.Add(1)))
			defer inside.Add(-1)
			time.Sleep(time.Second)
			return &client.JWTSVID{Audience: audience, Expires: time.Now().Add(5 * time.Minute)}, nil
		}})
		identity := agenttest.NewAuthority(t).Issue(t, "web", time.Hour)
		as := func(uid uint32) context.Context {
			return peer.NewContext(t.Context(), &peer.Peer{AuthInfo: endpoint.Caller{UID: uid}})
		}
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() { _, _ = tokens.Fetch(as(1), identity, []string{strconv.Itoa(i)}) })
		}
		synctest.Wait()
		if _, err := tokens.Fetch(as(2), identity, []string{"another's"}); err != nil {
			t.Errorf("another user: %v", err)
		}
		all.Wait()
		if n := most.Load(); n != 2 {
			t.Errorf("%d attestations at once", n)
		}
	})
}
