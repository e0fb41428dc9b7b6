package eventlog_test

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"testing"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/eventlog"
	"github.com/quotary/quotary/tee/eventlog"
)

// TestStartupLocality starts PCR 0 where the log says, and no other register.
func TestStartupLocality(t *testing.T) {
	event := sha256.Sum256([]byte("x"))
	from := func(last byte) evidence.Hex {
		sum := sha256.Sum256(append(append(make([]byte, 31), last), event[:]...))
		return sum[:]
	}
	stated := func(n byte) func(*simulated.Builder) {
		return func(b *simulated.Builder) {
			b.State(0, append([]byte("StartupLocality\x00"), n))
			b.Measure(0, eventlog.IPL, []byte("x"))
			b.Measure(1, eventlog.IPL, []byte("x"))
		}
	}
	for name, c := range map[string]struct {
		build func(*simulated.Builder)
		last  byte
	}{
		"unstated": {func(b *simulated.Builder) {
			b.Measure(0, eventlog.IPL, []byte("x"))
			b.Measure(1, eventlog.IPL, []byte("x"))
		}, 0},
		"0": {stated(0), 0},
		"3": {stated(3), 3},
		"4": {stated(4), 4},
		"by hardware": {func(b *simulated.Builder) {
			b.Measure(0, eventlog.EFIHCRTM, []byte("x"))
			b.Measure(1, eventlog.EFIHCRTM, []byte("x"))
		}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			b := simulated.New(eventlog.PCRs)
			c.build(b)
			replay, err := parse(t, b).Replay(eventlog.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(replay.Values[0], from(c.last)) || !bytes.Equal(replay.Values[1], from(0)) {
				t.Errorf("got %v", replay.Values)
			}
		})
	}
	// The hardware measures first or not at all: later, its event is one like others.
	b := simulated.New(eventlog.PCRs)
	b.Measure(0, eventlog.IPL, []byte("x"))
	b.Measure(0, eventlog.EFIHCRTM, []byte("x"))
	if replay, err := parse(t, b).Replay(eventlog.SHA256); err != nil || !bytes.Equal(replay.Values[0], b.Values(eventlog.SHA256)[0]) {
		t.Errorf("got %v, %v", replay, err)
	}
}

// TestCompare puts each quoted register where it belongs.
func TestCompare(t *testing.T) {
	b := simulated.New(eventlog.PCRs)
	for _, n := range []int{0, 4, 7, 16, 17} {
		b.Measure(n, eventlog.IPL, []byte("x"))
	}
	values := b.Values(eventlog.SHA256)
	other, zero, ones := bytes.Repeat([]byte{7}, 32), make([]byte, 32), bytes.Repeat([]byte{0xff}, 32)
	c := compare(t, parse(t, b), eventlog.SHA256, eventlog.Values{
		0: values[0], 1: zero, 2: other, 4: other, 5: ones, 16: values[16], 17: values[17], 18: ones, 19: zero, 21: ones, 22: other, 23: zero,
	})
	for name, list := range map[string]struct{ got, want []int }{
		"reproduced": {c.Reproduced, []int{0, 17}},
		"untouched":  {c.Untouched, []int{1, 18, 19}},
		"unlogged":   {c.Unlogged, []int{2, 5}},
		"mismatched": {c.Mismatched, []int{4}},
		"resettable": {c.Resettable, []int{16, 21, 22, 23}},
		"unquoted":   {c.Unquoted, []int{7}},
	} {
		if !slices.Equal(list.got, list.want) {
			t.Errorf("%s: got %v, want %v", name, list.got, list.want)
		}
	}
	// PCR 0 starts at the locality; the others do not, and nothing starts with nothing.
	three := append(make([]byte, 31), 3)
	c = compare(t, parse(t, simulated.New(eventlog.PCRs)), eventlog.SHA256, eventlog.Values{0: three, 1: three, 2: nil})
	if !slices.Equal(c.Untouched, []int{0}) || !slices.Equal(c.Unlogged, []int{1, 2}) {
		t.Errorf("got %+v", c)
	}
	c = compare(t, parse(t, simulated.New(eventlog.PCRs)), eventlog.SHA256, eventlog.Values{0: append(make([]byte, 31), 5)})
	if !slices.Equal(c.Unlogged, []int{0}) {
		t.Errorf("got %+v", c)
	}
}

// TestSignatureTypes files each type of signature where it belongs.
func TestSignatureTypes(t *testing.T) {
	boot := testBoot()
	boot.DBX = slices.Concat(
		simulated.SignatureList(simulated.GUIDSHA256, make32(3)...),
		simulated.SignatureList(simulated.GUIDX509, []byte("certificate")),
		simulated.SignatureList("3bd2a492-96c0-4079-b420-fcf98ef103ed", append(bytes.Repeat([]byte{9}, 32), make([]byte, 16)...)), // X.509, SHA-256, time
		simulated.SignatureList("826ca512-cf10-4ac9-b187-be01496631bd", make([]byte, 20)),                                         // SHA-1
		simulated.SignatureList(simulated.GUIDOwner, []byte("nobody knows")),
	)
	got, _ := claims(t, boot.Log(eventlog.PCRs))
	certificate := sha256.Sum256([]byte("certificate"))
	dbx := got.SecureBoot.DBX
	if len(dbx.Hashes) != 3 || len(dbx.Certificates) != 1 || !bytes.Equal(dbx.Certificates[0], certificate[:]) || dbx.Others != 2 || int(dbx.Size) != len(boot.DBX) {
		t.Errorf("got %+v", dbx)
	}
	if len(dbx.RevokedCertificates) != 1 || !bytes.Equal(dbx.RevokedCertificates[0], bytes.Repeat([]byte{9}, 32)) {
		t.Errorf("revoked %v", dbx.RevokedCertificates)
	}
}

// TestClaimsOutliveTheLog overwrites the log that claims were drawn from.
func TestClaimsOutliveTheLog(t *testing.T) {
	forBoth(t, func(t *testing.T, b *simulated.Builder) {
		raw, bank := b.Encode(), bankOf(b.Registers)
		log, err := eventlog.Parse(raw, b.Registers)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := compare(t, log, bank, b.Values(bank)).Claims()
		for i := range raw {
			raw[i] = 0x55
		}
		want, _ := claims(t, b)
		withholds(t, want, got)
		if len(got.Measurements) == 0 && b.Registers == eventlog.PCRs || got.SecureBoot == nil || len(got.BootOptions) != 1 {
			t.Errorf("got %+v", got)
		}
		for i, option := range got.BootOptions {
			if !bytes.Equal(option.Path, want.BootOptions[i].Path) {
				t.Errorf("path %v", option.Path)
			}
		}
		for i, m := range got.Measurements {
			if !bytes.Equal(m.Digest, want.Measurements[i].Digest) {
				t.Errorf("measurement %v", m)
			}
		}
	})
}
