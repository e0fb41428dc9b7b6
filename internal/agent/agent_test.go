package agent_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/agenttest"
)

// service grants, refuses or does not answer, as a test says, and notes when it was asked.
type service struct {
	t *testing.T

	mu        sync.Mutex
	authority *agenttest.Authority
	next      *agent.Identity // what is granted; nil for one of each request's own
	answer    func() error
	asked     []time.Time
}

// life is of the identities that the service grants.
const life = time.Hour

func (s *service) obtain(context.Context) (*agent.Identity, error) {
	s.mu.Lock()
	s.asked = append(s.asked, time.Now())
	answer, authority, next := s.answer, s.authority, s.next
	s.mu.Unlock()
	if err := answer(); err != nil {
		return nil, err
	}
	if next != nil {
		return next, nil
	}
	return authority.Issue(s.t, "web", life), nil
}

// becomes changes how the service answers.
func (s *service) becomes(answer func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// requests are when the service was asked.
func (s *service) requests() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func granting() error { return nil }

func silent() error {
	return evidence.Errorf(evidence.CodeServiceUnreached, "", "no answer from the service")
}

func refusing() error {
	return &client.Problem{
		Reason: evidence.Errorf(evidence.CodeNotAccepted, "", "another measurement"), Status: http.StatusUnprocessableEntity, Verdict: "rejected", RequestID: "r1",
		Checks: evidence.Checks{{Code: evidence.CodePolicyTPMPCR, Status: evidence.Fail}},
	}
}

func throttling(after time.Duration) func() error {
	return func() error {
		return &client.Problem{Reason: evidence.Errorf(evidence.CodeOverloaded, "", "later"), Status: http.StatusServiceUnavailable, RetryAfter: after}
	}
}

// bubble runs an agent against a service of its own in fake time.
func bubble(t *testing.T, c agent.Config, test func(*testing.T, *service, *agent.Agent)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &service{t: t, authority: agenttest.NewAuthority(t), answer: granting}
		c.Obtain = s.obtain
		a := agent.New(c)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- a.Run(ctx) }()
		test(t, s, a)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
}

func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func view(a *agent.Agent) *agent.View {
	v, _ := a.Current()
	return v
}

// An identity is renewed by attesting at the moment that was chosen when it was
// issued, with a key of its own each time.
func TestAttack_B17_RenewalIsAttesting(t *testing.T) {
	bubble(t, agent.Config{}, func(t *testing.T, s *service, a *agent.Agent) {
		began := time.Now()
		synctest.Wait()
		first := view(a)
		if first.Identity == nil || first.Status.State != agent.Healthy || len(s.requests()) != 1 || !s.requests()[0].Equal(began) {
			t.Fatalf("%+v, asked %v", first.Status, s.requests())
		}
		after(life/2 - time.Second)
		if len(s.requests()) != 1 {
			t.Error("attested before it was due")
		}
		after(2 * time.Second)
		second := view(a)
		if len(s.requests()) != 2 || !s.requests()[1].Equal(began.Add(life/2)) {
			t.Errorf("asked %v", s.requests())
		}
		if second.Identity == first.Identity || second.Identity.Certificate.PrivateKey == first.Identity.Certificate.PrivateKey {
			t.Error("the renewed identity has the old key")
		}
	})
}

// Without an answer the identity stays until it ends, and not longer; the agent asks
// on, and is healthy as soon as it is answered.
func TestServesTheLastIdentityUntilItEnds(t *testing.T) {
	bubble(t, agent.Config{}, func(t *testing.T, s *service, a *agent.Agent) {
		synctest.Wait()
		s.becomes(silent)
		after(life - time.Second)
		held := view(a)
		if held.Identity == nil || held.Status.State != agent.Degraded || held.Status.Failures == 0 || held.Status.Reason.Refused {
			t.Fatalf("%+v", held.Status)
		}
		after(time.Second)
		ended := view(a)
		if ended.Identity != nil || ended.Status.State != agent.Degraded || !ended.Status.Expires.IsZero() {
			t.Errorf("%+v", ended.Status)
		}
		asked := len(s.requests())
		after(24 * time.Hour)
		if len(s.requests()) < asked+24*12 { // every five minutes at the latest
			t.Errorf("asked %d times in a day", len(s.requests())-asked)
		}
		s.becomes(granting)
		after(5 * time.Minute)
		if v := view(a); v.Identity == nil || v.Status.State != agent.Healthy || v.Status.Failures != 0 || v.Status.Reason != nil {
			t.Errorf("%+v", v.Status)
		}
	})
}

// An identity ends also while an attempt hangs.
func TestEndsDuringAnAttempt(t *testing.T) {
	bubble(t, agent.Config{}, func(t *testing.T, s *service, a *agent.Agent) {
		synctest.Wait()
		s.becomes(func() error { time.Sleep(2 * life); return silent() }) // deaf to its context
		after(life)
		if v := view(a); v.Identity != nil {
			t.Error("an identity that has ended is handed out")
		}
	})
}

// A refusal takes the identity away at once; the agent asks on.
func TestRefusalWithdraws(t *testing.T) {
	bubble(t, agent.Config{}, func(t *testing.T, s *service, a *agent.Agent) {
		synctest.Wait()
		_, changed := a.Current()
		s.becomes(refusing)
		after(life / 2)
		<-changed
		v := view(a)
		want := &agent.Reason{Refused: true, Code: "verdict.not-accepted", Failed: []string{evidence.CodePolicyTPMPCR.String()}, RequestID: "r1"}
		if v.Status.Reason != nil {
			want.Code, want.Detail = v.Status.Reason.Code, v.Status.Reason.Detail
		}
		if v.Identity != nil || v.Status.State != agent.Denied || !cmp.Equal(v.Status.Reason, want) {
			t.Fatalf("%+v, reason %+v", v.Status, v.Status.Reason)
		}
		s.becomes(silent) // which does not say that it was wrong
		after(time.Hour)
		if v := view(a); v.Status.State != agent.Denied || v.Status.Reason.Refused {
			t.Errorf("%+v", v.Status)
		}
		s.becomes(granting)
		after(5 * time.Minute)
		if v := view(a); v.Identity == nil || v.Status.State != agent.Healthy {
			t.Errorf("%+v", v.Status)
		}
	})
}

// What the service asks to wait is waited for, within bounds.
func TestHonoursRetryAfter(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{2 * time.Minute: 2 * time.Minute, 24 * time.Hour: 15 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			s := &service{t: t, answer: throttling(asked)}
			a := agent.New(agent.Config{Obtain: s.obtain})
			ctx, cancel := context.WithTimeout(t.Context(), want+time.Second)
			defer cancel()
			if _, err := a.Once(ctx); err == nil || !errors.Is(err, context.DeadlineExceeded) || evidence.CodeOf(err) != evidence.CodeOverloaded {
				t.Errorf("Once: %v", err)
			}
			if len(s.requests()) != 2 {
				t.Fatalf("asked %v", s.requests())
			}
			if gap := s.requests()[1].Sub(s.requests()[0]); gap < want || gap > want+time.Second {
				t.Errorf("asked again after %v, want %v and up to a second", gap, want)
			}
		})
	}
}

// The waits are random and their bound grows to five minutes.
func TestBacksOffWithFullJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{t: t, answer: silent}
		a := agent.New(agent.Config{Obtain: s.obtain})
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		_ = a.Run(ctx)
		bound, long := time.Second, 0
		for i := 1; i < len(s.requests()); i++ {
			gap := s.requests()[i].Sub(s.requests()[i-1])
			if gap >= bound {
				t.Fatalf("wait %d was %v, the bound is %v", i, gap, bound)
			}
			if gap > 4*time.Minute {
				long++
			}
			bound = min(2*bound, 5*time.Minute)
		}
		// Of some 570 waits of up to five minutes a fifth is longer than four.
		if share := float64(long) / float64(len(s.requests())); share < 0.05 || share > 0.5 {
			t.Errorf("%d of %d waits are longer than four minutes", long, len(s.requests()))
		}
	})
}

// Once returns what the first answer is.
func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{t: t, authority: agenttest.NewAuthority(t)}
		s.becomes(func() error {
			if len(s.requests()) < 3 {
				return silent()
			}
			return nil
		})
		if identity, err := agent.New(agent.Config{Obtain: s.obtain}).Once(t.Context()); err != nil || identity.ID.Path() != "/web" || len(s.requests()) != 3 {
			t.Errorf("%v after %d attempts", err, len(s.requests()))
		}
		s.becomes(refusing)
		if _, err := agent.New(agent.Config{Obtain: s.obtain}).Once(t.Context()); !agent.Refused(err) {
			t.Errorf("refused: %v", err)
		}
	})
}

// What is a refusal, and what is none.
func TestRefused(t *testing.T) {
	problem := func(status int, code evidence.Code) error {
		return &client.Problem{Reason: evidence.Errorf(code, "", "so"), Status: status}
	}
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"rejected":              {refusing(), true},
		"enrols nobody":         {problem(404, evidence.CodeTPMEnrolmentOff), true},
		"no such path":          {problem(404, evidence.CodeNotFound), false},
		"another TPM's key":     {problem(409, evidence.CodeTPMEnrolled), true},
		"overtaken":             {problem(409, evidence.CodeTPMClock), false},
		"challenge spent":       {problem(409, evidence.CodeChallengeSpent), false},
		"challenge expired":     {problem(410, evidence.CodeChallengeExpired), false},
		"overloaded":            {problem(503, evidence.CodeOverloaded), false},
		"throttled":             {problem(429, evidence.CodeOverloaded), false},
		"the service's fault":   {problem(500, evidence.CodeResponseMalformed), false},
		"malformed request":     {problem(400, evidence.CodeRequestMalformed), false},
		"not reached":           {silent(), false},
		"another's certificate": {evidence.Errorf(evidence.CodeResponseIdentity, "", "x"), false},
		"a device":              {evidence.Errorf(evidence.CodeAttesterBusy, "", "x"), false},
		"none":                  {nil, false},
	} {
		if got := agent.Refused(test.err); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// The clock on the wall is set while the agent sleeps.
func TestClockJumps(t *testing.T) {
	for name, test := range map[string]struct {
		jump    time.Duration
		wait    time.Duration // after the jump
		attests bool
		ended   bool // if there is no answer
	}{
		"forward past the renewal":   {40 * time.Minute, time.Minute, true, false},
		"forward past the end":       {2 * time.Hour, time.Minute, true, true},
		"a little forward":           {time.Minute, time.Minute, false, false},
		"back, and time goes on":     {-24 * time.Hour, life/2 + time.Second, true, false},
		"back, and the life is over": {-24 * time.Hour, life, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			var offset atomic.Int64
			c := agent.Config{Wall: func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }}
			bubble(t, c, func(t *testing.T, s *service, a *agent.Agent) {
				synctest.Wait()
				s.becomes(silent)
				offset.Store(int64(test.jump))
				after(test.wait)
				if attests := len(s.requests()) > 1; attests != test.attests {
					t.Errorf("attested: %v", attests)
				}
				if ended := view(a).Identity == nil; ended != test.ended {
					t.Errorf("the identity is withdrawn: %v", ended)
				}
			})
		})
	}
}

// While the clock on the wall shows a time before what the service issues, nothing that it grants
// can be used: the identity at hand ends when its life is over, and no later; and there is another
// soon after the clock is right again.
func TestClockBeforeTheCertificate(t *testing.T) {
	var offset atomic.Int64
	wall := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	synctest.Test(t, func(t *testing.T) {
		authority := agenttest.NewAuthority(t)
		obtain := func(context.Context) (*agent.Identity, error) {
			return agent.NewIdentity(authority.Granted(t, "web", life), wall())
		}
		run(t, 1, agent.Config{Obtain: obtain, Wall: wall}, func(agents []*agent.Agent) {
			synctest.Wait()
			offset.Store(int64(-30 * 24 * time.Hour))
			after(life - time.Second)
			if v := view(agents[0]); v.Identity == nil || v.Status.State != agent.Degraded || v.Status.Reason.Refused {
				t.Fatalf("%+v", v.Status)
			}
			after(time.Second)
			if view(agents[0]).Identity != nil {
				t.Error("a clock that is set back makes an identity last")
			}
			offset.Store(0)
			after(6 * time.Minute) // the last wait was up to five, and the wall's clock is looked at each minute
			if v := view(agents[0]); v.Identity == nil || v.Status.State != agent.Healthy {
				t.Errorf("%+v", v.Status)
			}
		})
	})
}

// A newer bundle is handed out with the same identity; an older one is not; and one
// without the identity's authority has the agent attest at once.
func TestBundleIsRenewed(t *testing.T) {
	var bundle atomic.Pointer[spiffebundle.Bundle]
	refresh := func(context.Context) (*agent.Published, error) {
		if b := bundle.Load(); b != nil {
			return &agent.Published{Bundle: b}, nil
		}
		return nil, silent()
	}
	bubble(t, agent.Config{Refresh: refresh}, func(t *testing.T, s *service, a *agent.Agent) {
		synctest.Wait()
		first := view(a).Identity
		after(5 * time.Minute)
		if view(a).Identity != first {
			t.Error("no answer changed the identity")
		}
		other := agenttest.NewAuthority(t)
		bundle.Store(s.authority.Bundle(7, other))
		after(5 * time.Minute)
		second := view(a).Identity
		if !second.Bundle.Equal(bundle.Load()) || second.Certificate != first.Certificate || first.Bundle.Equal(bundle.Load()) {
			t.Error("the new bundle is not handed out with the same certificate")
		}
		bundle.Store(s.authority.Bundle(6))
		after(5 * time.Minute)
		if n, _ := view(a).Identity.Bundle.SequenceNumber(); n != 7 {
			t.Errorf("the bundle is number %d", n)
		}
		bundle.Store(other.Bundle(8))
		s.mu.Lock()
		s.authority = other
		s.mu.Unlock()
		after(5 * time.Minute)
		if len(s.requests()) != 2 || view(a).Identity.Certificate == first.Certificate {
			t.Errorf("asked %d times", len(s.requests()))
		}
	})
}

// An identity whose certificate does not verify under its bundle is none.
func TestNewIdentityRefuses(t *testing.T) {
	authority, other := agenttest.NewAuthority(t), agenttest.NewAuthority(t)
	foreign, err := other.Bundle(1).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*client.Identity){
		"another authority's bundle": func(i *client.Identity) { i.Bundle = foreign },
		"no bundle":                  func(i *client.Identity) { i.Bundle = nil },
		"no certificate":             func(i *client.Identity) { i.Certificate = nil },
		"no SPIFFE ID":               func(i *client.Identity) { i.SPIFFEID = "web" },
	} {
		granted := authority.Granted(t, "web", life)
		change(granted)
		if _, err := agent.NewIdentity(granted, time.Now()); evidence.CodeOf(err).IsZero() {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := agent.NewIdentity(authority.Granted(t, "web", life), time.Now()); err != nil {
		t.Error(err)
	}
}

func TestMetrics(t *testing.T) {
	bubble(t, agent.Config{}, func(t *testing.T, s *service, a *agent.Agent) {
		synctest.Wait()
		s.becomes(refusing)
		after(life / 2)
		registry := prometheus.NewPedanticRegistry()
		if err := registry.Register(a); err != nil {
			t.Fatal(err)
		}
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, family := range families {
			for _, m := range family.GetMetric() {
				name := strings.TrimPrefix(family.GetName(), "quotary_agent_")
				for _, label := range m.GetLabel() {
					name += " " + label.GetValue()
				}
				got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
		v := view(a)
		want := map[string]float64{
			"attestations_total  granted": 1, "attestations_total " + evidence.CodeNotAccepted.String() + " refused": 1,
			"consecutive_failures": 1, "identity_expiry_timestamp_seconds": 0,
			"last_attested_timestamp_seconds": float64(v.Status.LastAttested.UnixMilli()) / 1000,
			"next_due_timestamp_seconds":      float64(v.Status.NextDue.UnixMilli()) / 1000,
			"state degraded":                  0, "state denied": 1, "state healthy": 0, "state revoked": 0, "state starting": 0,
			"revocations_total": 0,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}
