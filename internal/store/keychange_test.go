package store_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/tee"
)

// listed is what the ledger says of an attestation key.
func listed(t *testing.T, s *store.Store, ak evidence.Digest) *store.AttestationKey {
	t.Helper()
	k, err := s.AttestationKey(t.Context(), ak)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// changed is an administrator's change of a key as it is now.
func changed(t *testing.T, s *store.Store, ak byte, act store.KeyAct) store.Entry {
	t.Helper()
	k := listed(t, s, digest(ak))
	return store.Entry{
		Event: store.Event{
			Time: now, Actor: "admin:certificate:alice", Action: "admin.keys." + string(act), Outcome: store.Done,
			AttestationID: k.AttestationID, Detail: json.RawMessage(`{"reason":"stolen"}`),
		},
		KeyChange: &store.KeyChange{AK: k.AK, Base: k.Base, Act: act},
	}
}

// simulatedOne is an enrolment of a simulated TPM.
func simulatedOne(e store.Entry) store.Entry {
	e.Enrolment.Simulated = true
	return e
}

func TestRevokedKeyIsRevokedForGood(t *testing.T) {
	s := fresh(t)
	records(t, s, enrolled(1, 1, 11), quoted(11, &tee.KeyState{}, at(5)))
	stale := changed(t, s, 11, store.RevokeKey)
	records(t, s, quoted(11, at(5), at(6))) // a machine that attests is in nobody's way
	records(t, s, stale)
	revoked(t, s, 11, true)
	if k := listed(t, s, digest(11)); k.Status != store.KeyRevoked || k.EK.String() != evidence.Hex(digestBytes(1)).String() || k.State.Clock != 6 ||
		k.Actor != "admin:certificate:alice" || string(k.Detail) != `{"reason":"stolen"}` {
		t.Errorf("got %+v", k)
	}
	refuses(t, s, quoted(11, at(6), at(7)), evidence.CodeTPMAKRevoked)
	refuses(t, s, enrolled(2, 1, 11), evidence.CodeTPMAKRevoked)
	refuses(t, s, replacing(enrolled(3, 1, 12)), evidence.CodeTPMAKRevoked) // nor another key of its TPM
	refuses(t, s, changed(t, s, 11, store.RevokeKey), evidence.CodeAttestationKeyChanged)
	refuses(t, s, stale, evidence.CodeAttestationKeyChanged)

	// Released, its TPM enrols another key; the revoked one stays revoked.
	records(t, s, changed(t, s, 11, store.ReleaseKey), enrolled(4, 1, 12))
	refuses(t, s, enrolled(5, 1, 11), evidence.CodeTPMAKRevoked)
	refuses(t, s, enrolled(6, 2, 11), evidence.CodeTPMAKRevoked)
	refuses(t, s, changed(t, s, 11, store.ReleaseKey), evidence.CodeAttestationKeyChanged)
	revoked(t, s, 11, true)
	revoked(t, s, 12, false)
}

// Where a TPM keeps its first key, releasing that lets another in; and a released key
// has no TPM.
func TestReleasedKey(t *testing.T) {
	s := fresh(t)
	records(t, s, enrolled(1, 1, 11), quoted(11, &tee.KeyState{}, at(5)))
	refuses(t, s, enrolled(2, 1, 12), evidence.CodeTPMEnrolled)
	refuses(t, s, enrolled(3, 2, 11), evidence.CodeTPMEnrolled)
	records(t, s, changed(t, s, 11, store.ReleaseKey))
	revoked(t, s, 11, true) // its certificate has not ended
	if k := listed(t, s, digest(11)); k.Status != store.KeyReleased || k.EK != nil {
		t.Errorf("got %+v", k)
	}
	records(t, s, enrolled(4, 1, 12), enrolled(5, 2, 11))
	revoked(t, s, 11, false)
	if state, _, _ := s.KeyState(digest(11)); state.Clock != 5 {
		t.Errorf("the clock is forgotten: %+v", state)
	}
}

// A superseded key that is revoked is none of its TPM's any more, which has another.
func TestSupersededKeyIsRevoked(t *testing.T) {
	s := fresh(t)
	records(t, s, enrolled(1, 1, 11), replacing(enrolled(2, 1, 12)))
	if k := listed(t, s, digest(11)); k.Status != store.KeySuperseded {
		t.Errorf("got %+v", k)
	}
	records(t, s, changed(t, s, 11, store.RevokeKey))
	refuses(t, s, replacing(enrolled(3, 1, 11)), evidence.CodeTPMAKRevoked)
	records(t, s, quoted(12, &tee.KeyState{}, at(5)))
	revoked(t, s, 12, false)
}

// The key of a simulated TPM is found by its own digest, and none of a real one's is touched.
func TestAttack_P05_SimulatedKeyIsRevokedApart(t *testing.T) {
	s := fresh(t)
	records(t, s, simulatedOne(enrolled(1, 1, 11)))
	k := listed(t, s, digest(11))
	if k.AK != tee.SimulatedID(digest(11)) || !k.Simulated {
		t.Errorf("got %+v", k)
	}
	records(t, s, changed(t, s, 11, store.RevokeKey))
	if k := listed(t, s, digest(11)); k.Status != store.KeyRevoked || !k.Simulated {
		t.Errorf("got %+v", k)
	}
	records(t, s, enrolled(2, 1, 11))
	if k := listed(t, s, digest(11)); k.Status != store.KeyActive || k.Simulated {
		t.Errorf("got %+v", k)
	}
	revoked(t, s, 11, false)
}

func TestUnknownKeyIsNotChanged(t *testing.T) {
	s := fresh(t)
	e := store.Entry{Event: refused().Event, KeyChange: &store.KeyChange{AK: digest(1), Act: store.RevokeKey}}
	refuses(t, s, e, evidence.CodeAttestationKeyUnknown)
	if _, err := s.AttestationKey(t.Context(), digest(1)); evidence.CodeOf(err) != evidence.CodeAttestationKeyUnknown {
		t.Errorf("got %v", err)
	}
	records(t, s, quoted(1, nil, at(5)))
	refuses(t, s, changed(t, s, 1, store.ReleaseKey), evidence.CodeAttestationKeyChanged) // no TPM has it
	if err := s.Record(t.Context(), changed(t, s, 1, "forget")); err == nil {
		t.Error("an act that there is not")
	}
}

func TestListOfKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "quotary.db")
	s := open(t, path)
	attested := issued(7)
	attested.Key = quoted(11, &tee.KeyState{}, at(5)).Key
	records(t, s, enrolled(1, 1, 11), enrolled(2, 2, 12), replacing(enrolled(3, 2, 13)), enrolled(4, 4, 14), enrolled(5, 5, 15), attested)
	records(t, s, changed(t, s, 14, store.RevokeKey))
	records(t, s, changed(t, s, 15, store.ReleaseKey))
	two := digest(2)
	for name, c := range map[string]struct {
		filter store.KeyFilter
		want   []byte
	}{
		"all":        {store.KeyFilter{}, []byte{15, 14, 11, 13, 12}},
		"active":     {store.KeyFilter{Status: store.KeyActive}, []byte{11, 13}},
		"superseded": {store.KeyFilter{Status: store.KeySuperseded}, []byte{12}},
		"released":   {store.KeyFilter{Status: store.KeyReleased}, []byte{15}},
		"revoked":    {store.KeyFilter{Status: store.KeyRevoked}, []byte{14}},
		"of a TPM":   {store.KeyFilter{EK: &two}, []byte{13, 12}},
	} {
		for _, limit := range []int{1, 2, 100} {
			var got []byte
			filter := c.filter
			for filter.Limit = limit; ; {
				page, next, err := s.AttestationKeys(t.Context(), filter)
				if err != nil {
					t.Fatal(err)
				}
				for _, k := range page {
					got = append(got, k.AK[0])
				}
				if next == nil {
					break
				}
				filter.Before = next
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s by %d: %s", name, limit, diff)
			}
		}
	}
	if k := listed(t, s, digest(11)); k.Workload != "web" || !k.Simulated || k.AttestationID != attested.Event.AttestationID || !k.NotAfter.Equal(attested.Issuance.NotAfter) || k.Policy != "sha256:aa" {
		t.Errorf("got %+v", k)
	}
	_, _, err := s.AttestationKeys(t.Context(), store.KeyFilter{Status: "x", Limit: 1})
	if evidence.CodeOf(err) != evidence.CodeLedgerQuery {
		t.Errorf("got %v", err)
	}
}

func digestBytes(n byte) []byte { d := digest(n); return d[:] }

// A revocation that is durable although it was reported as failed: memory is behind the
// file, which decides.
func TestAttack_Y18_RevocationPersistedButFailed(t *testing.T) {
	s := fresh(t)
	records(t, s, enrolled(1, 1, 11), quoted(11, &tee.KeyState{}, at(5)))
	revocation := changed(t, s, 11, store.RevokeKey)
	s.SetFault(func(at string) error {
		if at != "commit" {
			return nil
		}
		if err := s.ExecWriter("COMMIT"); err != nil {
			t.Error(err)
		}
		return errors.New("input/output error")
	})
	if err := s.Record(t.Context(), revocation); evidence.CodeOf(err) != evidence.CodeLedgerUnavailable {
		t.Errorf("got %v", err)
	}
	s.SetFault(func(string) error { return nil })
	refuses(t, s, quoted(11, at(5), at(6)), evidence.CodeTPMAKRevoked)
	revoked(t, s, 11, true) // and now memory knows
}

// Of administrators who change a key at once, the first one does.
func TestAttack_Y14_ConcurrentChangesOfAKey(t *testing.T) {
	s := fresh(t)
	records(t, s, enrolled(1, 1, 11))
	entries := []store.Entry{changed(t, s, 11, store.RevokeKey), changed(t, s, 11, store.ReleaseKey), changed(t, s, 11, store.RevokeKey)}
	outcomes := make(chan error, len(entries))
	for _, e := range entries {
		go func() { outcomes <- s.Record(t.Context(), e) }()
	}
	done := 0
	for range entries {
		switch err := <-outcomes; {
		case err == nil:
			done++
		case evidence.CodeOf(err) != evidence.CodeAttestationKeyChanged:
			t.Error(err)
		}
	}
	if done != 1 {
		t.Errorf("%d changes from one base", done)
	}
	holds(t, s, 2, 0)
}
