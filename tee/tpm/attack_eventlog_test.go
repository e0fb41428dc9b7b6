package tpm

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	logs "github.com/quotary/quotary/simulators/eventlog"
	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/eventlog"
)

// logged is a quote of a machine whose PCRs are as after the test's boot, beside this log.
func (w *world) logged(t testing.TB, log []byte) *evidence.TPM {
	t.Helper()
	m := w.newMachine(t, simulator.MachineOptions{Name: "logged", Boot: testBoot()})
	item := quoteOf(t, m, w.nonce)
	item.EventLog = log
	return item
}

// TestBoot claims what the log of a boot says.
func TestBoot(t *testing.T) {
	w := simulated(t)
	m := w.booted(t, "boot", 0)
	out := accepted(t, w.roots(), quoteOf(t, m, w.nonce))
	boot := out.Claims.TPM.Boot
	if boot == nil || boot.Format != "tcg2" || boot.Bank != "sha256" || boot.UKI == nil || boot.SecureBoot == nil || !*boot.SecureBoot.Enabled || len(boot.Images) == 0 {
		t.Fatalf("%+v", boot)
	}
	for n := range 16 {
		want := evidence.RegisterReproduced
		switch n {
		case 8, 12, 13, 14, 15:
			want = evidence.RegisterUntouched
		case 10: // is the kernel's, which keeps its own list
			want = ""
		}
		if got := boot.Registers[n].Status; got != want {
			t.Errorf("PCR %d is %s, want %s", n, got, want)
		}
	}
	if status(t, out, evidence.CodeTPMEventLogReplay) != evidence.Pass || !out.KeyState.Logged {
		t.Errorf("%v", out.Checks)
	}
	bare := quoteOf(t, m, w.nonce)
	bare.EventLog = nil
	out = accepted(t, w.roots(), bare)
	if out.Claims.TPM.Boot != nil || status(t, out, evidence.CodeTPMEventLog) != evidence.NotApplicable || out.KeyState.Logged {
		t.Errorf("%v", out.Checks)
	}
}

// TestAttack_P26_Events strips the log of events, adds some, and swaps others.
func TestAttack_P26_Events(t *testing.T) {
	w := simulated(t)
	log := testBoot().Log(eventlog.PCRs)
	accepted(t, w.roots(), w.logged(t, log.Encode()))
	for i, entry := range log.Entries {
		if entry.Register > 7 || entry.Register == 3 || entry.Register == 2 || entry.Register == 6 {
			continue // what is not firmware's, or has one event
		}
		less := log.Clone()
		less.Entries = slices.Delete(less.Entries, i, i+1)
		out := refused(t, w.roots(), w.logged(t, less.Encode()), evidence.CodeTPMEventLogReplay)
		if out.Claims.TPM.Boot != nil || out.KeyState != nil {
			t.Errorf("claims of a log that lies: %+v", out.Claims.TPM.Boot)
		}
	}
	for n := range 8 { // all events of a register: nothing is known of it
		less := log.Clone()
		less.Entries = slices.DeleteFunc(less.Entries, func(e logs.Entry) bool { return e.Register == n })
		boot := accepted(t, w.roots(), w.logged(t, less.Encode())).Claims.TPM.Boot
		if boot.Registers[n].Status != evidence.RegisterUnlogged || n == 7 && boot.SecureBoot != nil || n == 4 && boot.Images != nil {
			t.Errorf("PCR %d: %+v", n, boot)
		}
		more := log.Clone()
		more.Measure(n, eventlog.IPL, []byte("never happened"))
		refused(t, w.roots(), w.logged(t, more.Encode()), evidence.CodeTPMEventLogReplay)
	}
}

// TestAttack_P26_SystemsOwnRegisters: an operating system extends PCRs behind the
// firmware's without its log. That refuses nothing, and nothing is claimed of them.
func TestAttack_P26_SystemsOwnRegisters(t *testing.T) {
	w := simulated(t)
	for _, n := range []int{8, 9, 11, 12, 13, 14, 15} {
		m := w.newMachine(t, simulator.MachineOptions{Name: "system", Boot: testBoot()})
		if err := m.Measure(n, []byte("by the system")); err != nil {
			t.Fatal(err)
		}
		out := accepted(t, w.roots(), quoteOf(t, m, w.nonce))
		boot := out.Claims.TPM.Boot
		want := evidence.RegisterUnlogged
		if n == 9 || n == 11 {
			want = evidence.RegisterMismatched
			if check, _ := out.Checks.Get(evidence.CodeTPMEventLogReplay); !strings.Contains(check.Got, "hold something else") {
				t.Errorf("%v", check)
			}
		}
		if boot.Registers[n].Status != want || boot.SecureBoot == nil {
			t.Errorf("PCR %d: %+v", n, boot)
		}
		if n == 11 && boot.UKI != nil || n == 9 && (boot.LoadOptions != nil || boot.Initrd != nil) {
			t.Errorf("claims of PCR %d, which holds something else: %+v", n, boot)
		}
		if slices.ContainsFunc(boot.Measurements, func(m evidence.BootMeasurement) bool { return m.Register == uint32(n) }) {
			t.Errorf("measurements of PCR %d", n)
		}
	}
	for n := range 8 {
		m := w.newMachine(t, simulator.MachineOptions{Name: "system", Boot: testBoot()})
		if err := m.Measure(n, []byte("by the system")); err != nil {
			t.Fatal(err)
		}
		refused(t, w.roots(), quoteOf(t, m, w.nonce), evidence.CodeTPMEventLogReplay)
	}
}

// TestAttack_P10_ResettableRegisters replays a good boot's events into registers that
// software sets back, with a log that says so.
func TestAttack_P10_ResettableRegisters(t *testing.T) {
	w := simulated(t)
	all := make([]int, evidence.MaxPCR+1)
	for n := range all {
		all[n] = n
	}
	for _, n := range []int{16, 21, 22, 23} {
		m := w.newMachine(t, simulator.MachineOptions{Name: "resettable", PCRs: all, Boot: testBoot()})
		log := testBoot().Log(eventlog.PCRs)
		if err := m.Measure(n, []byte("golden")); err != nil {
			t.Fatal(err)
		}
		log.Measure(n, eventlog.EFIApplication, []byte("golden"))
		log.Measure(n, eventlog.IPL, []byte("other"))
		item := quoteOf(t, m, w.nonce)
		item.EventLog = log.Encode()
		boot := accepted(t, w.roots(), item).Claims.TPM.Boot
		if boot.Registers[n].Status != evidence.RegisterResettable {
			t.Errorf("PCR %d is %s", n, boot.Registers[n].Status)
		}
		if slices.ContainsFunc(boot.Measurements, func(m evidence.BootMeasurement) bool { return m.Register == uint32(n) }) ||
			slices.ContainsFunc(boot.Images, func(i evidence.BootImage) bool { return i.Register == uint32(n) }) {
			t.Errorf("claims of PCR %d: %+v", n, boot)
		}
	}
}

// TestAttack_P13_P32_P33_Banks offers logs of other banks than the quoted one.
func TestAttack_P13_P32_P33_Banks(t *testing.T) {
	w := simulated(t)
	legacy := testBoot().Log(eventlog.PCRs, eventlog.SHA1)
	legacy.Legacy = true
	less := testBoot().Log(eventlog.PCRs, eventlog.SHA1, eventlog.SHA256)
	delete(less.Entries[3].Digests, eventlog.SHA256)
	for name, log := range map[string]*logs.Builder{
		"SHA-1": testBoot().Log(eventlog.PCRs, eventlog.SHA1), "SHA-384": testBoot().Log(eventlog.PCRs, eventlog.SHA384),
		"TPM 1.2's": legacy, "a digest missing": less,
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, w.roots(), w.logged(t, log.Encode()), evidence.CodeTPMEventLog)
		})
	}
	// Digests of the other bank are somebody else's business.
	both := testBoot().Log(eventlog.PCRs, eventlog.SHA1, eventlog.SHA256)
	for _, entry := range both.Entries {
		entry.Digests[eventlog.SHA1][0] ^= 1
	}
	accepted(t, w.roots(), w.logged(t, both.Encode()))
	// A bank that nothing was measured into.
	m := w.newMachine(t, simulator.MachineOptions{Name: "hole"})
	item := quoteOf(t, m, w.nonce)
	item.EventLog = testBoot().Log(eventlog.PCRs).Encode()
	refused(t, w.roots(), item, evidence.CodeTPMEventLogReplay)
}

// TestAttack_P27_P31_Forms sends what is no log.
func TestAttack_P27_P31_Forms(t *testing.T) {
	w := simulated(t)
	log := testBoot().Log(eventlog.PCRs)
	late := log.Clone()
	late.State(0, append([]byte("StartupLocality\x00"), 3))
	elsewhere := log.Clone()
	elsewhere.Measure(24, eventlog.IPL, []byte("x"))
	good := log.Encode()
	for name, raw := range map[string][]byte{
		"text": []byte("log"), "one byte": {0}, "cut": good[:len(good)-1], "a locality too late": late.Encode(), "PCR 24": elsewhere.Encode(),
		"events behind padding": append(append(slices.Clone(good), make([]byte, 64)...), 1), "a vast event": slices.Concat(good[:len(good)-44], []byte{255, 255, 255, 255}, good[len(good)-40:]),
		"far too much": append(slices.Clone(good), make([]byte, evidence.MaxEventLog)...), "a trust domain's": testBoot().Log(eventlog.RTMRs).Encode(),
	} {
		t.Run(name, func(t *testing.T) {
			out := newVerifier(t, w.roots()).Verify(w.logged(t, raw), nil, paramsNow)
			if out.Genuine() || out.Claims.TPM.Boot != nil || len(out.Checks.Failed()) != 1 {
				t.Errorf("%v", out.Checks)
			}
		})
	}
}

// TestMemory_Logs shows that a remembered log says what it said, whoever changed that
// meanwhile, and nothing beside other PCRs.
func TestMemory_Logs(t *testing.T) {
	w := simulated(t)
	v := newVerifier(t, w.roots())
	m := w.booted(t, "remembered", 0)
	item := quoteOf(t, m, w.nonce)
	cold := v.Verify(item, nil, paramsNow)
	want := cold.Claims.Clone().TPM.Boot
	for range 2 {
		warm := v.Verify(item, nil, paramsNow)
		if diff := cmp.Diff(want, warm.Claims.TPM.Boot); diff != "" {
			t.Error(diff)
		}
		if fmt.Sprint(warm.Checks) != fmt.Sprint(cold.Checks) {
			t.Errorf("another outcome from memory:\n%v\n%v", cold.Checks, warm.Checks)
		}
		warm.Claims.TPM.Boot.SecureBoot.DBX.Hashes[0][0] ^= 1
		warm.Claims.TPM.Boot.Registers[7] = evidence.BootRegister{}
		cold.Claims.TPM.Boot.Images[0].Digest[0] ^= 1
	}
	for _, n := range []int{4, 9, 11} {
		other := w.booted(t, "remembered", 0)
		if err := other.Measure(n, []byte("more")); err != nil {
			t.Fatal(err)
		}
		beside := quoteOf(t, other, w.nonce)
		beside.EventLog = item.EventLog
		out := v.Verify(beside, nil, paramsNow)
		if out.Genuine() != (n > 7) || n > 7 && out.Claims.TPM.Boot.Registers[n].Status != evidence.RegisterMismatched {
			t.Errorf("PCR %d: %v", n, out.Checks)
		}
	}
	// The kernel's own register goes on, and the log is still known.
	before := item.PCRs["sha256"]
	measure(t, m, 1)
	after := quoteOf(t, m, w.nonce).PCRs["sha256"]
	if logDigest(nil, "sha256", before) == logDigest(nil, "sha256", after) || logDigest(nil, "sha256", withoutIMA(before)) != logDigest(nil, "sha256", withoutIMA(after)) {
		t.Error("PCR 10 makes another log")
	}
}

// TestLogsOfRefusedQuotes are not read, however much work they would be.
func TestLogsOfRefusedQuotes(t *testing.T) {
	w := simulated(t)
	item := quoteOf(t, w.booted(t, "refused", 2), w.nonce)
	other := quoteOf(t, w.booted(t, "refused", 2), []byte("another nonce"))
	undecided := *item
	undecided.AKCertificates = item.AKCertificates[:1]
	item.Signature = other.Signature
	for _, item := range []*evidence.TPM{item, &undecided} {
		out := newVerifier(t, w.roots()).Verify(item, nil, paramsNow)
		for _, code := range []evidence.Code{
			evidence.CodeTPMEventLog, evidence.CodeTPMEventLogReplay, evidence.CodeTPMIMALog, evidence.CodeTPMIMAOffset, evidence.CodeTPMIMAReplay,
		} {
			if status(t, out, code) != evidence.NotPerformed {
				t.Errorf("%v", out.Checks)
			}
		}
		if out.Claims.TPM.Boot != nil || out.Claims.TPM.IMA != nil || out.KeyState != nil || out.Genuine() {
			t.Errorf("%+v", out.Claims.TPM)
		}
	}
}

// TestUnverifiedLogs shows what logs say, by the PCR values beside them, and nothing of
// what is no log.
func TestUnverifiedLogs(t *testing.T) {
	w := simulated(t)
	v := newVerifier(t, Options{})
	item := quoteOf(t, w.booted(t, "unverified", 2), w.nonce)
	claims, err := v.UnverifiedClaims(item)
	if err != nil || claims.TPM.Boot == nil || claims.TPM.Boot.UKI == nil || claims.TPM.IMA == nil || len(claims.TPM.IMA.Files) != 3 {
		t.Errorf("%+v, %v", claims.TPM, err)
	}
	item.EventLog, item.IMALog = []byte("no log"), []byte("no list")
	if claims, err = v.UnverifiedClaims(item); err != nil || claims.TPM.Boot != nil || claims.TPM.IMA != nil {
		t.Errorf("%+v, %v", claims.TPM, err)
	}
}

// TestRealEventLogs holds the logs of real virtual machines to their quotes: by each
// bank that is good enough.
func TestRealEventLogs(t *testing.T) {
	boots := map[string]*evidence.BootClaims{}
	for _, c := range realCases {
		item := evidencetest.Find(t, c.item)
		if !item.Has("event_log.bin") || c.ak != "ak_pub.tpmt" || strings.HasPrefix(c.quote, "ak_create") {
			continue
		}
		t.Run(c.item+" "+c.bank, func(t *testing.T) {
			quote, v := c.load(t)
			quote.EventLog = item.Read(t, "event_log.bin")
			out := v.Verify(quote, nil, tee.Params{})
			codes := c.fails
			if c.bank == "sha1" && codes == nil {
				codes = []evidence.Code{evidence.CodeTPMEventLog}
			}
			wantFailed(t, out, codes...)
			if out.Genuine() != (len(codes) == 0) || (out.Claims.TPM.Boot != nil) != out.Genuine() {
				t.Errorf("%+v\n%v", out.Claims.TPM, out.Checks)
			}
			if out.Genuine() {
				boots[c.bank] = out.Claims.TPM.Boot
			}
		})
	}
	sha256, sha384 := boots["sha256"], boots["sha384"]
	if sha256 == nil || sha384 == nil {
		t.Fatalf("boots %v", boots)
	}
	if diff := cmp.Diff(sha256.SecureBoot, sha384.SecureBoot); diff != "" || sha256.SecureBoot == nil {
		t.Errorf("secure boot by two banks:\n%s", diff)
	}
	if len(sha256.GRUBCommands)+len(sha256.UnsettledGRUBCommands) == 0 || len(sha256.Images) == 0 {
		t.Errorf("%+v", sha256)
	}
}
