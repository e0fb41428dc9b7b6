package tpm

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

// TestIMA follows a machine over renewals that send new entries only.
func TestIMA(t *testing.T) {
	w := simulated(t)
	v, kept := newVerifier(t, w.roots()), memory{}
	m := w.booted(t, "ima", 2)
	claims := kept.accept(t, v, quoteOf(t, m, w.nonce)).Claims.TPM.IMA
	yes := true
	want := &evidence.IMAClaims{Bank: "sha256", Entries: 3, BootAggregate: &yes, Files: []evidence.IMAFile{
		{Path: "/usr/bin/1", Algorithm: "sha256", Digest: sha256Of("/usr/bin/1")},
		{Path: "/usr/bin/2", Algorithm: "sha256", Digest: sha256Of("/usr/bin/2")},
	}}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Error(diff)
	}
	if err := m.SendIMAFrom(3); err != nil {
		t.Fatal(err)
	}
	if claims = kept.accept(t, v, quoteOf(t, m, w.nonce)).Claims.TPM.IMA; claims.Offset != 3 || claims.Entries != 3 || claims.Files != nil || claims.BootAggregate != nil {
		t.Errorf("without new entries: %+v", claims)
	}
	measure(t, m, 2)
	for _, err := range []error{m.Violate("/var/log/x"), m.MeasureEntry("other", []byte("x"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	item := quoteOf(t, m, w.nonce)
	item.IMALog = slices.Concat(item.IMALog, m.IMALog()) // measured later, or never
	out := kept.accept(t, v, item)
	claims = out.Claims.TPM.IMA
	if claims.Offset != 3 || len(claims.Files) != 2 || claims.Violations != 1 || claims.Unread != 1 || claims.Entries != uint64(m.IMAEntries()) {
		t.Errorf("%+v", claims)
	}
	state := &tee.IMAState{Bank: "sha256", Entries: claims.Entries, Aggregate: m.PCRs()["sha256"][10], Violations: 1, Unread: 1}
	if diff := cmp.Diff(state, out.KeyState.IMA); diff != "" {
		t.Error(diff)
	}
	// What was counted stays counted, also in a list that is sent anew.
	if err := m.SendIMAFrom(int(claims.Entries)); err != nil {
		t.Fatal(err)
	}
	if claims = kept.accept(t, v, quoteOf(t, m, w.nonce)).Claims.TPM.IMA; claims.Violations != 1 || claims.Unread != 1 {
		t.Errorf("%+v", claims)
	}
}

// TestIMA_SHA384 replays the bank that is quoted.
func TestIMA_SHA384(t *testing.T) {
	w := simulated(t)
	m := w.newMachine(t, simulator.MachineOptions{Name: "sha384", Bank: simulator.SHA384, Boot: testBoot(), IMA: true})
	measure(t, m, 4)
	claims := accepted(t, w.roots(), quoteOf(t, m, w.nonce)).Claims.TPM
	if claims.IMA.Bank != "sha384" || claims.IMA.Entries != 5 || claims.IMA.BootAggregate != nil { // which is of SHA-256
		t.Errorf("%+v", claims.IMA)
	}
	if claims.Boot.Bank != "sha384" || claims.Boot.UKI == nil {
		t.Errorf("%+v", claims.Boot)
	}
}

// TestAttack_P34_IMALog alters the list, its offset, and what an earlier appraisal
// left of it.
func TestAttack_P34_IMALog(t *testing.T) {
	w := simulated(t)
	v := newVerifier(t, w.roots())
	m := w.booted(t, "ima attack", 4)
	kept := memory{}
	kept.accept(t, v, quoteOf(t, m, w.nonce))
	key := tee.SimulatedID(m.AttestationKey())
	first := m.IMALog()
	measure(t, m, 2)
	whole := m.IMALog()
	for name, c := range map[string]struct {
		log    []byte
		offset uint64
		state  func(*tee.KeyState) // alters what was left
		code   evidence.Code
	}{
		"a file left out":           {log: append(bytes.Clone(whole[:len(first)-1]), whole[len(first):]...), code: evidence.CodeTPMIMALog},
		"not its beginning":         {log: whole[len(first):], code: evidence.CodeTPMIMALog},
		"its beginning only":        {log: first, code: evidence.CodeTPMIMAReplay},
		"another file":              {log: bytes.Replace(whole, []byte("/usr/bin/3"), []byte("/usr/bin/x"), 1), code: evidence.CodeTPMIMAReplay},
		"another digest":            {log: bytes.Replace(whole, sha256Of("/usr/bin/3"), sha256Of("x"), 1), code: evidence.CodeTPMIMAReplay},
		"half an entry":             {log: whole[:len(whole)-1], code: evidence.CodeTPMIMALog},
		"no list":                   {log: []byte("list"), code: evidence.CodeTPMIMALog},
		"far too much":              {log: make([]byte, evidence.MaxIMALog+1), code: evidence.CodeTPMIMALog},
		"an offset too low":         {log: whole[len(first):], offset: 4, code: evidence.CodeTPMIMAOffset},
		"an offset too high":        {log: whole[len(first):], offset: 6, code: evidence.CodeTPMIMAOffset},
		"a vast offset":             {log: whole[len(first):], offset: 1 << 63, code: evidence.CodeTPMIMAOffset},
		"nothing new":               {offset: 5, code: evidence.CodeTPMIMAReplay},
		"the whole list at 5":       {log: whole, offset: 5, code: evidence.CodeTPMIMAReplay},
		"nothing was judged":        {log: whole[len(first):], offset: 5, state: func(s *tee.KeyState) { s.IMA = nil }, code: evidence.CodeTPMIMAOffset},
		"no quote was judged":       {log: whole[len(first):], offset: 5, state: func(s *tee.KeyState) { s.Quoted = false }, code: evidence.CodeTPMIMAOffset},
		"another bank was judged":   {log: whole[len(first):], offset: 5, state: func(s *tee.KeyState) { s.IMA.Bank = "sha384" }, code: evidence.CodeTPMIMAOffset},
		"another value was reached": {log: whole[len(first):], offset: 5, state: func(s *tee.KeyState) { s.IMA.Aggregate[0] ^= 1 }, code: evidence.CodeTPMIMAReplay},
		"no value was reached":      {log: whole[len(first):], offset: 5, state: func(s *tee.KeyState) { s.IMA.Aggregate = evidence.Hex{} }, code: evidence.CodeTPMIMAReplay},
	} {
		t.Run(name, func(t *testing.T) {
			state := *kept[key]
			imaState := *state.IMA
			imaState.Aggregate = bytes.Clone(imaState.Aggregate)
			state.IMA = &imaState
			if c.state != nil {
				c.state(&state)
			}
			item := quoteOf(t, m, w.nonce)
			item.IMALog, item.IMAOffset = c.log, c.offset
			out := memory{key: &state}.refuse(t, v, item, c.code)
			if out.Claims.TPM.IMA != nil {
				t.Errorf("claims %+v", out.Claims.TPM.IMA)
			}
		})
	}
	item := quoteOf(t, m, w.nonce)
	item.IMALog, item.IMAOffset = whole[len(first):], 5
	refused(t, w.roots(), item, evidence.CodeTPMIMAOffset) // nothing is compared
	if claims := kept.accept(t, v, item).Claims.TPM.IMA; claims.Entries != 7 || len(claims.Files) != 2 {
		t.Errorf("%+v", claims)
	}
}

// TestAttack_P09_IMAWithoutPCR10 quotes other PCRs than that which holds the list to the truth.
func TestAttack_P09_IMAWithoutPCR10(t *testing.T) {
	w := simulated(t)
	m := w.newMachine(t, simulator.MachineOptions{Name: "no 10", PCRs: []int{0, 1, 2, 3, 4, 5, 6, 7}, Boot: testBoot(), IMA: true})
	item := quoteOf(t, m, w.nonce)
	item.PCRs = m.PCRs() // unquoted ones too
	out := refused(t, w.roots(), item, evidence.CodeTPMIMALog)
	if out.Claims.TPM.IMA != nil {
		t.Error("claimed")
	}
	item.IMALog = nil
	if claims := accepted(t, w.roots(), item).Claims.TPM; claims.Boot.UKI != nil || claims.Boot.Registers[11].Status != evidence.RegisterUnquoted {
		t.Errorf("%+v", claims.Boot)
	}
}

// TestAttack_P13_BootAggregate boots something else, with a list that begins as if it
// had not.
func TestAttack_P13_BootAggregate(t *testing.T) {
	w := simulated(t)
	m := w.booted(t, "aggregate", 1)
	if err := m.Measure(4, []byte("another boot loader, behind the log")); err != nil {
		t.Fatal(err)
	}
	item := quoteOf(t, m, w.nonce)
	item.EventLog = nil
	if claims := accepted(t, w.roots(), item).Claims.TPM.IMA; claims.BootAggregate == nil || *claims.BootAggregate {
		t.Errorf("%+v", claims)
	}
}
