package eventlog_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/eventlog"
	"github.com/quotary/quotary/tee/eventlog"
)

// testBoot is a boot under secure boot.
func testBoot() simulated.Boot {
	certificate := bytes.Repeat([]byte{0x30}, 700)
	return simulated.Boot{
		SecureBoot: true,
		PK:         simulated.SignatureList(simulated.GUIDX509, certificate),
		KEK:        simulated.SignatureList(simulated.GUIDX509, certificate),
		DB:         simulated.SignatureList(simulated.GUIDX509, certificate),
		DBX:        simulated.SignatureList(simulated.GUIDSHA256, bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)),
		Image:      []byte("MZ\x00unified kernel image"), Kernel: []byte("MZ\x00kernel"),
		CommandLine: "root=/dev/vda1 ro quiet", Initrd: []byte("070701 initrd"),
	}
}

// bankOf returns the bank that a machine with these registers is quoted in.
func bankOf(registers eventlog.Registers) eventlog.Algorithm {
	if registers == eventlog.RTMRs {
		return eventlog.SHA384
	}
	return eventlog.SHA256
}

// parse parses what a builder writes.
func parse(t testing.TB, b *simulated.Builder) *eventlog.Log {
	t.Helper()
	log, err := eventlog.Parse(b.Encode(), b.Registers)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// compare replays a log against quoted values.
func compare(t testing.TB, log *eventlog.Log, bank eventlog.Algorithm, quoted eventlog.Values) *eventlog.Comparison {
	t.Helper()
	replay, err := log.Replay(bank)
	if err != nil {
		t.Fatal(err)
	}
	return replay.Compare(quoted)
}

// claims returns the claims of a log whose registers are quoted as it leads to them.
func claims(t testing.TB, b *simulated.Builder) (*evidence.BootClaims, evidence.Checks) {
	t.Helper()
	bank := bankOf(b.Registers)
	return compare(t, parse(t, b), bank, b.Values(bank)).Claims()
}

// claimsBesideUntouched is claims, with PCRs quoted that nothing extended.
func claimsBesideUntouched(t testing.TB, b *simulated.Builder) (*evidence.BootClaims, evidence.Checks) {
	t.Helper()
	bank := bankOf(b.Registers)
	quoted := b.Values(bank)
	for n := range 16 {
		if quoted[n] == nil {
			quoted[n] = make(evidence.Hex, 32)
		}
	}
	return compare(t, parse(t, b), bank, quoted).Claims()
}

// refused parses what must be refused with a code.
func refused(t testing.TB, raw []byte, registers eventlog.Registers, code evidence.Code) {
	t.Helper()
	if _, err := eventlog.Parse(raw, registers); evidence.CodeOf(err) != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

// doubted reports whether the checks warn with a code.
func doubted(t testing.TB, checks evidence.Checks, code evidence.Code) {
	t.Helper()
	for _, check := range checks {
		if check.Code == code && check.Status == evidence.Warn {
			return
		}
	}
	t.Errorf("no warning of %s in %v", code, checks)
}

// indexOf returns the index of the first entry of a register and type.
func indexOf(t testing.TB, b *simulated.Builder, register int, typ eventlog.EventType) int {
	t.Helper()
	for i, entry := range b.Entries {
		if entry.Register == register && entry.Type == typ {
			return i
		}
	}
	t.Fatalf("no %s in register %d", typ, register)
	return -1
}

// insert puts an entry like the one that add adds at index i.
func insert(b *simulated.Builder, i int, add func(*simulated.Builder)) {
	rest := append([]simulated.Entry(nil), b.Entries[i:]...)
	b.Entries = b.Entries[:i]
	add(b)
	b.Entries = append(b.Entries, rest...)
}

// kinds are the two machines that every test of claims is made for.
var kinds = map[string]eventlog.Registers{"pcrs": eventlog.PCRs, "rtmrs": eventlog.RTMRs}

// forBoth runs a test for both machines.
func forBoth(t *testing.T, test func(*testing.T, *simulated.Builder)) {
	for name, registers := range kinds {
		t.Run(name, func(t *testing.T) { test(t, testBoot().Log(registers)) })
	}
}

// register returns the register that stands for a PCR.
func register(b *simulated.Builder, pcr int) int {
	switch {
	case b.Registers == eventlog.PCRs:
		return pcr
	case pcr == 1 || pcr == 7:
		return 0
	case pcr <= 6:
		return 1
	}
	return 2
}

// reporter is what a test and a property's test have in common.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

// withholds reports claims that are neither those of the truth nor absent. The
// numbers of boot options, which firmware may not measure, are left out.
func withholds(t reporter, truth, got *evidence.BootClaims) {
	t.Helper()
	same := func(name string, absent bool, truth, got any) {
		if !absent && !cmp.Equal(truth, got) {
			t.Errorf("%s: claimed %v, and the truth is %v", name, got, truth)
		}
	}
	if s := got.SecureBoot; s != nil {
		sameState := *s
		if sameState.Authorities == nil {
			sameState.Authorities = truth.SecureBoot.Authorities
		}
		same("secure boot", false, *truth.SecureBoot, sameState)
	}
	same("firmware version", got.FirmwareVersion == "", truth.FirmwareVersion, got.FirmwareVersion)
	same("images", got.Images == nil, truth.Images, got.Images)
	same("attempts", got.BootAttempts == nil, truth.BootAttempts, got.BootAttempts)
	same("exit", got.ExitedBootServices == nil, truth.ExitedBootServices, got.ExitedBootServices)
	same("load options", got.LoadOptions == nil, truth.LoadOptions, got.LoadOptions)
	same("initrd", got.Initrd == nil, truth.Initrd, got.Initrd)
	same("UKI", got.UKI == nil, truth.UKI, got.UKI)
	same("events", got.Events == nil, truth.Events, got.Events)
	same("command lines", got.CommandLines == nil, truth.CommandLines, got.CommandLines)
	same("commands", got.GRUBCommands == nil, truth.GRUBCommands, got.GRUBCommands)
	same("Mok", got.Mok == nil, truth.Mok, got.Mok)
}
