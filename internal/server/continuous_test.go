package server_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/continuous"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
	"github.com/quotary/quotary/internal/store"
)

// sequel notes what an attestation asks for, in order.
type sequel struct {
	server.Ledger
	mu    sync.Mutex
	steps []string
	at    time.Time
	fails error
}

func (s *sequel) note(step string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps = append(s.steps, step)
}

func (s *sequel) Record(ctx context.Context, e store.Entry) error {
	if e.Issuance != nil {
		if s.note("record"); s.fails != nil {
			return s.fails
		}
	}
	return s.Ledger.Record(ctx, e)
}

func (s *sequel) Trigger(continuous.Trigger) {}

func (s *sequel) Epoch() uint64 {
	s.note("epoch")
	return 7
}

func (s *sequel) Issued(epoch uint64, at time.Time) {
	s.at = at
	if s.note("issued"); epoch != 7 {
		s.note("by another epoch")
	}
}

func (s *sequel) Status() continuous.Status { return continuous.Status{} }

// Whoever holds identities to what is in force hears of each that was judged before a change and
// recorded after it: the epoch is taken before anything is judged, and told once it is recorded.
func TestAttack_A14_CertificateOfAnEarlierEpoch(t *testing.T) {
	var s sequel
	a := start(t, servertest.Options{
		Ledger: func(l server.Ledger) server.Ledger { s.Ledger = l; return &s },
		Config: func(c *server.Config) { c.Continuous = &s },
	})
	issued := a.attest()
	if !slices.Equal(s.steps, []string{"epoch", "record", "issued"}) || !s.at.Equal(issued.AppraisedAt) {
		t.Errorf("%q, of %s", s.steps, s.at)
	}
	record, err := a.Store.Issuance(t.Context(), issued.AttestationID)
	if err != nil || record.Names == nil || !slices.Equal(record.Names, issued.SVID.DNSNames) {
		t.Errorf("the record names %q, the certificate %q: %v", record.Names, issued.SVID.DNSNames, err)
	}
	s.steps, s.fails = nil, errors.New("disk")
	if got := a.post("/v1/attestations", newMachine(t).body(t, a.challenge(evidence.PurposeCertificate))); got.status == http.StatusOK {
		t.Error("it left unrecorded")
	}
	if slices.Contains(s.steps, "issued") {
		t.Errorf("what is not recorded is told: %q", s.steps)
	}
}
