package server_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
)

// vendor is an endorsement store over a vendor that behaves as told.
type vendor struct {
	answer  func(ctx context.Context) (time.Duration, error)
	asked   [][]tee.EndorsementName
	fetched atomic.Bool
}

func (v *vendor) Fetch(ctx context.Context, names []tee.EndorsementName) (time.Duration, error) {
	v.asked = append(v.asked, slices.Clone(names))
	retryAfter, err := v.answer(ctx)
	v.fetched.Store(v.fetched.Load() || err == nil)
	return retryAfter, err
}

var wanted = tee.EndorsementName{Type: "vcek", ID: "Milan/00"}

// judge misses the key's certificate until it was fetched.
func (v *vendor) judge(item evidence.Item) tee.Outcome {
	o := teetest.Genuine(teetest.Claims(item.Kind()), teetest.ReportData(item))
	if !v.fetched.Load() {
		o.Missing = []tee.EndorsementName{wanted}
	}
	return o
}

// straying is as judge, of a sender whose own certificate does not fit.
func (v *vendor) straying(item evidence.Item) tee.Outcome {
	o := v.judge(item)
	if len(o.Missing) > 0 {
		o.Checks.Fail(evidence.CodeSNPTCB, "this", "that")
	}
	return o
}

func (v *vendor) config(c *server.Config) { c.Endorser = v }

func good(context.Context) (time.Duration, error) { return 0, nil }

func TestFetchesWhatAnAppraisalLacks(t *testing.T) {
	for name, judge := range map[string]func(*vendor) func(evidence.Item) tee.Outcome{
		"missing":  func(v *vendor) func(evidence.Item) tee.Outcome { return v.judge },
		"straying": func(v *vendor) func(evidence.Item) tee.Outcome { return v.straying },
	} {
		t.Run(name, func(t *testing.T) {
			v := &vendor{answer: good}
			a := start(t, servertest.Options{Judge: judge(v), Config: v.config})
			var got server.AttestationResponse
			a.post("/v1/attestations", newMachine(t).body(t, a.challenge(evidence.PurposeCertificate))).into(&got)
			if len(v.asked) != 1 || !slices.Equal(v.asked[0], []tee.EndorsementName{wanted}) {
				t.Errorf("asked for %v", v.asked)
			}
			a.ledger(1, 1)
			a.post("/v1/attestations", newMachine(t).body(t, a.challenge(evidence.PurposeCertificate))).into(&got)
			if len(v.asked) != 1 {
				t.Errorf("asked again: %v", v.asked)
			}
		})
	}
}

// With a dead vendor a request is undecided, and is told when to come back; the
// sender learns nothing of the operator's network.
func TestAttack_D10_DeadVendor(t *testing.T) {
	for name, straying := range map[string]bool{"missing": false, "straying": true} {
		t.Run(name, func(t *testing.T) {
			var log lockedBuffer
			v := &vendor{answer: func(context.Context) (time.Duration, error) {
				return 1500 * time.Millisecond, evidence.Errorf(evidence.CodeEndorsementsNone, "", "https://mirror.internal refuses connections")
			}}
			o := servertest.Options{Judge: v.judge, Config: v.config, Log: &log}
			if straying {
				o.Judge = v.straying
			}
			a := start(t, o)
			body := newMachine(t).body(t, a.challenge(evidence.PurposeCertificate))
			answer := a.post("/v1/attestations", body)
			p := answer.refused(http.StatusServiceUnavailable, evidence.CodeEndorsementsMissing)
			if p.Verdict != "undecided" || !slices.Equal(p.Missing, []tee.EndorsementName{wanted}) || answer.header.Get("Retry-After") != "2" {
				t.Errorf("problem %+v, headers %v", p, answer.header)
			}
			if strings.Contains(string(answer.body), "mirror.internal") || !strings.Contains(log.String(), "mirror.internal") {
				t.Errorf("answer %s\nlog %s", answer.body, log.String())
			}
			if strings.Contains(log.String(), `"level":"ERROR"`) || !strings.Contains(log.String(), `"level":"WARN"`) {
				t.Errorf("whoever asks for what is not there shows as a fault of the service: %s", log.String())
			}
			a.post("/v1/attestations", body).refused(http.StatusConflict, evidence.CodeChallengeSpent)
			a.ledger(2, 0)
		})
	}
}

// What the vendor does not have leaves the evidence with what its sender gave.
func TestNothingElseToBeHad(t *testing.T) {
	for name, c := range map[string]struct {
		again time.Duration
		code  evidence.Code
	}{
		"the vendor knows no such key": {time.Minute, evidence.CodeEndorsementNotFound},
		"nobody is asked":              {0, evidence.CodeEndorsementOffline},
	} {
		t.Run(name, func(t *testing.T) {
			v := &vendor{answer: func(context.Context) (time.Duration, error) { return c.again, evidence.Errorf(c.code, "", "no") }}
			a := start(t, servertest.Options{Judge: v.straying, Config: v.config})
			body := newMachine(t).body(t, a.challenge(evidence.PurposeCertificate))
			a.post("/v1/attestations", body).refused(unprocessable, evidence.CodeNotAccepted)
			b := start(t, servertest.Options{Judge: v.judge, Config: v.config})
			body = newMachine(t).body(t, b.challenge(evidence.PurposeCertificate))
			b.post("/v1/attestations", body).refused(http.StatusServiceUnavailable, evidence.CodeEndorsementsMissing)
		})
	}
}

// A request that waits for a vendor holds up nobody, and its wait ends.
func TestAttack_D10_HangingVendor(t *testing.T) {
	waiting, ended := make(chan struct{}), make(chan struct{})
	v := &vendor{answer: func(ctx context.Context) (time.Duration, error) {
		close(waiting)
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("the wait has no end")
		}
		<-ended
		return 0, ctx.Err()
	}}
	a := start(t, servertest.Options{
		Judge:  func(item evidence.Item) tee.Outcome { return v.of(item) },
		Config: func(c *server.Config) { c.Endorser, c.Concurrency = v, 1 },
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		var got server.AttestationResponse
		a.post("/v1/attestations", newMachine(t).body(t, a.challenge(evidence.PurposeCertificate))).into(&got)
	}()
	<-waiting // the one slot must be free now
	var got server.AttestationResponse
	a.post("/v1/attestations", newMachine(t, evidence.KindTDX).body(t, a.challenge(evidence.PurposeCertificate))).into(&got)
	close(ended)
	<-done
	a.ledger(2, 2)
}

// of misses an endorsement for SEV-SNP alone.
func (v *vendor) of(item evidence.Item) tee.Outcome {
	if item.Kind() == evidence.KindSEVSNP {
		return v.judge(item)
	}
	return teetest.Genuine(teetest.Claims(item.Kind()), teetest.ReportData(item))
}

// A store that fails in a way of its own is the service's fault, and says so in
// the log alone; the slot comes back.
func TestAttack_D05_PanicInTheStore(t *testing.T) {
	v := &vendor{answer: func(context.Context) (time.Duration, error) { panic(errors.New("a secret")) }}
	a := start(t, servertest.Options{Judge: v.judge, Config: func(c *server.Config) { c.Endorser, c.Concurrency = v, 1 }})
	for range 3 {
		answer := a.post("/v1/attestations", newMachine(t).body(t, a.challenge(evidence.PurposeCertificate)))
		answer.refused(http.StatusInternalServerError, evidence.CodeInternal)
	}
}

func TestStapledEndorsements(t *testing.T) {
	a := start(t, servertest.Options{})
	send := func(value any) answer {
		body := newMachine(t).body(t, a.challenge(evidence.PurposeCertificate))
		body["endorsements"] = value
		return a.post("/v1/attestations", body)
	}
	certificate := base64.StdEncoding.EncodeToString(a.Authority.RootPEM())
	var got server.AttestationResponse
	send([]string{certificate}).into(&got)
	send([]string{}).into(&got)
	large := base64.StdEncoding.EncodeToString(make([]byte, 96<<10))
	for name, c := range map[string]struct {
		value any
		code  evidence.Code
	}{
		"not an array":     {"x", evidence.CodeRequestMalformed},
		"not base64":       {[]string{certificate, "-"}, evidence.CodeRequestMalformed},
		"a line break":     {[]string{certificate + "\n"}, evidence.CodeRequestMalformed},
		"no endorsement":   {[]string{"AAAA"}, evidence.CodeEndorsementUnrecognised},
		"too many":         {slices.Repeat([]string{certificate}, 17), evidence.CodeRequestMalformed},
		"too much of them": {[]string{large}, evidence.CodeRequestMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			p := send(c.value).refused(http.StatusBadRequest, c.code)
			if !strings.HasPrefix(p.Field, "endorsements") {
				t.Errorf("field %q", p.Field)
			}
		})
	}
}
