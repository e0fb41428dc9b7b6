package revocation_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/revocation"
	"github.com/quotary/quotary/internal/store"
)

// world is a ledger, an authority and a clock that tests turn.
type world struct {
	at      time.Time
	serials []store.RevokedSerial
	last    int64
	changes int
	signed  int // how often
	size    int // of what was signed last
	fails   error

	responders int   // how many were made
	refuses    error // to make one
}

func (w *world) now() time.Time { return w.at }

func (w *world) RevocationList(context.Context, time.Time) ([]store.RevokedSerial, int64, error) {
	return w.serials, w.last, w.fails
}

func (w *world) RevocationLists(revoked []ca.Revocation, sequence int64) (*ca.RevocationLists, error) {
	w.signed, w.size = w.signed+1, len(revoked)
	return &ca.RevocationLists{Active: "a", ThisUpdate: w.at, NextUpdate: w.at.Add(24 * time.Hour)}, nil
}

func (w *world) CertificateStatus(context.Context, string) (bool, time.Time, error) {
	return false, time.Time{}, w.fails
}

func (w *world) Responder() (*ca.Responder, error) {
	if w.refuses != nil {
		return nil, w.refuses
	}
	w.responders++
	return &ca.Responder{Since: w.at}, nil
}

func (w *world) ListBasis() string { return strings.Repeat("x", w.changes) }

// Lists are signed when something changed or they get old, and however often anybody asks
// for them, at no other time.
func TestAttack_A19_ListsAreSignedAhead(t *testing.T) {
	w := &world{at: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), changes: 1}
	p, err := revocation.New(t.Context(), w, w, w.now)
	if err != nil {
		t.Fatal(err)
	}
	keep := func(what string, want int) {
		t.Helper()
		for range 3 {
			if err := p.Keep(t.Context()); err != nil {
				t.Error(err)
			}
			p.Lists()
		}
		if w.signed != want || w.responders != want {
			t.Errorf("%s: signed %d times, %d responders, want %d", what, w.signed, w.responders, want)
		}
	}
	keep("nothing happened", 1)
	w.at = w.at.Add(time.Hour)
	keep("an hour passed", 2)
	w.changes++
	keep("an authority was prepared", 3)
	w.at = w.at.Add(-time.Minute)
	keep("the clock went back", 4)
	w.serials, w.last = []store.RevokedSerial{{Serial: "4f1c0d8a", Time: w.at}}, 1
	if err := p.Renew(t.Context()); err != nil || w.signed != 5 || w.size != 1 || w.responders != 4 {
		t.Errorf("%v, signed %d times, %d revoked, %d responders", err, w.signed, w.size, w.responders)
	}
}

// Without a new responder the lists are out all the same, once, and it is tried again.
func TestResponderThatCannotBeMade(t *testing.T) {
	w := &world{at: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	p, err := revocation.New(t.Context(), w, w, w.now)
	if err != nil {
		t.Fatal(err)
	}
	w.refuses, w.at = errors.New("no key"), w.at.Add(time.Hour)
	before := p.Lists()
	if err := p.Keep(t.Context()); err == nil || p.Lists() == before {
		t.Errorf("no lists, or nobody is told: %v", err)
	}
	last := p.Lists()
	if err := p.Keep(t.Context()); err == nil || p.Lists() != last {
		t.Errorf("lists are signed again, and everybody who follows them is woken, for a responder's sake: %v", err)
	}
	w.refuses = nil
	if err := p.Keep(t.Context()); err != nil || w.responders != 2 {
		t.Errorf("it is not tried again: %v", err)
	}
}

// Where lists cannot be signed, answers go on: by a responder of the authorities that are in force.
func TestAttack_A19_AnswersGoOnWithoutLists(t *testing.T) {
	w := &world{at: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	p, err := revocation.New(t.Context(), w, w, w.now)
	if err != nil {
		t.Fatal(err)
	}
	w.fails, w.at = errors.New("disk"), w.at.Add(time.Hour)
	if err := p.Keep(t.Context()); err == nil || w.responders != 2 {
		t.Errorf("%v, %d responders after an hour", err, w.responders)
	}
	w.changes++
	if err := p.Keep(t.Context()); err == nil || w.responders != 3 {
		t.Errorf("%v, %d responders after an authority was revoked", err, w.responders)
	}
	if err := p.Keep(t.Context()); err == nil || w.responders != 3 {
		t.Errorf("%v, %d responders without need", err, w.responders)
	}
}

// What failed is tried again, and the last good lists stay.
func TestRenewalThatFails(t *testing.T) {
	w := &world{at: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), fails: errors.New("disk")}
	if _, err := revocation.New(t.Context(), w, w, w.now); err == nil {
		t.Error("a service begins without lists")
	}
	w.fails = nil
	p, err := revocation.New(t.Context(), w, w, w.now)
	if err != nil {
		t.Fatal(err)
	}
	before := p.Lists()
	w.fails = errors.New("disk")
	if err := errors.Join(p.Renew(t.Context())); err == nil || p.Lists() != before {
		t.Error("the failure is not told, or the lists are gone")
	}
	w.fails = nil
	if err := p.Keep(t.Context()); err != nil || p.Lists() == before {
		t.Errorf("it is not tried again: %v", err)
	}
	w.serials = []store.RevokedSerial{{Serial: "no number"}}
	if err := p.Renew(t.Context()); evidence.CodeOf(err) != evidence.CodeLedgerTampered {
		t.Errorf("got %v", err)
	}
}
