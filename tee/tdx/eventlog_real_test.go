package tdx

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/eventlog"
)

// TestRealEventLog judges the real quotes with their machines' event logs.
func TestRealEventLog(t *testing.T) {
	cases := 0
	for _, item := range evidencetest.Items(t, "tdx") {
		if !item.Has("ccel_data.bin") {
			continue
		}
		log := item.Read(t, "ccel_data.bin")
		for _, c := range item.Cases {
			cases++
			t.Run(item.Name+"/"+c.At.Format("2006-01-02"), func(t *testing.T) {
				judge := func(log []byte) tee.Outcome {
					return newVerifier(t).Verify(&evidence.TDX{Quote: realQuote(t, item), EventLog: log}, loadFiles(t, item.EndorsementFiles(t, c)), tee.Params{Now: c.At})
				}
				out := judge(log)
				checkCase(t, out, c)
				requireBootOfCOS(t, out.Claims.TDX.Boot)
				if check, _ := out.Checks.Get(evidence.CodeTDXEventLogReplay); check.Got != "RTMR0 reproduced, RTMR1 reproduced, RTMR2 reproduced, RTMR3 untouched" {
					t.Errorf("%v", check)
				}
				for n := range 4096 { // its padding, cut anywhere
					if n%512 == 0 && !judge(log[:len(log)-n]).Genuine() {
						t.Errorf("not genuine with %d bytes of padding less", n)
					}
				}
				parsed, err := eventlog.Parse(log, eventlog.RTMRs)
				if err != nil {
					t.Fatal(err)
				}
				lie := bytes.Clone(log)
				lie[parsed.Events[5].Offset+20] ^= 1 // in its digest
				refusedWith(t, judge(lie), evidence.CodeTDXEventLogReplay)
			})
		}
	}
	if cases != 2 {
		t.Errorf("%d cases were judged", cases)
	}
}

// TestRealLogsWithoutQuotes puts real logs whose quotes are not public beside the
// quotes of simulated machines that hold, in their RTMRs, what an independent
// replayer found.
func TestRealLogsWithoutQuotes(t *testing.T) {
	items := evidencetest.Items(t, "ccel")
	for _, item := range items {
		t.Run(item.Name, func(t *testing.T) {
			var replayed map[string]evidence.Hex
			if err := json.Unmarshal(item.Read(t, "replayed_rtmrs.json"), &replayed); err != nil {
				t.Fatal(err)
			}
			s := newScene(t, func(o *simulated.MachineOptions) {
				o.RTMR = [4][48]byte{}
				for n := range o.RTMR {
					copy(o.RTMR[n][:], replayed["rtmr"+strconv.Itoa(n)])
				}
			})
			boot := bootOf(t, s.withLog(item.Read(t, "ccel.bin")))
			for n, r := range boot.Registers {
				want := evidence.RegisterUntouched
				if len(replayed["rtmr"+strconv.Itoa(n)]) > 0 {
					want = evidence.RegisterReproduced
				}
				if r.Status != want {
					t.Errorf("RTMR%d is %s, want %s", n, r.Status, want)
				}
			}
			s = newScene(t)
			refusedWith(t, s.withLog(item.Read(t, "ccel.bin")), evidence.CodeTDXEventLogReplay)
		})
	}
	if len(items) < 5 {
		t.Errorf("%d logs", len(items))
	}
}

// requireBootOfCOS holds claims to what is known of that machine's boot.
func requireBootOfCOS(t *testing.T, boot *evidence.BootClaims) {
	t.Helper()
	if boot == nil {
		t.Fatal("no claims of the boot")
	}
	for n, want := range []string{evidence.RegisterReproduced, evidence.RegisterReproduced, evidence.RegisterReproduced, evidence.RegisterUntouched} {
		if got := boot.Registers[n].Status; got != want {
			t.Errorf("RTMR%d is %s, want %s", n, got, want)
		}
	}
	s := boot.SecureBoot
	if s == nil || s.Enabled == nil || *s.Enabled || s.SetupMode || len(s.DB.Certificates) != 1 || len(s.DBX.Certificates)+len(s.DBX.Hashes)+len(s.DBX.RevokedCertificates) == 0 {
		t.Errorf("secure boot: %+v", s)
	}
	if len(boot.Images) != 2 || boot.ExitedBootServices == nil || !*boot.ExitedBootServices || *boot.BootAttempts != 1 || len(boot.BootOptions) != 2 {
		t.Errorf("boot %+v", boot)
	}
	// Its boot loader measures modules beside the line, which could be lines.
	lines := boot.UnsettledCommandLines
	if len(boot.CommandLines) != 0 || len(lines) != 1 || !strings.HasPrefix(lines[0].Text, "/syslinux/vmlinuz.A init=/usr/lib/systemd/systemd rootwait ro ") {
		t.Errorf("command lines %v, unsettled %v", boot.CommandLines, lines)
	}
}
