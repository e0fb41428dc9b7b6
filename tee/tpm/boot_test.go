package tpm

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/tee/eventlog"
)

// realBoot is a recorded boot of a machine: its PCRs, logs and a quote by a key that
// go-tpm made in the endorsement hierarchy.
type realBoot struct {
	PCRs              map[int]evidence.Hex
	AKPub, Quote, Sig []byte
	EventLog, IMABin  []byte
	Cmdline           string
}

// eachBoot runs a test for each recorded boot that has a quote.
func eachBoot(t *testing.T, test func(t *testing.T, name string, item *evidence.TPM, o Options)) {
	files, err := filepath.Glob(filepath.Join(evidencetest.Dir(t), "boot", "*.json"))
	if err != nil || len(files) == 0 {
		t.Skip("the collection has no boots")
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var boot realBoot
			if err := json.Unmarshal(data, &boot); err != nil {
				t.Fatal(err)
			}
			if boot.Quote == nil {
				t.Skip("no quote in it")
			}
			attest, err := evidence.UnwrapTPMAttest(boot.Quote)
			if err != nil {
				t.Fatal(err)
			}
			key, err := ParseTrustedKey(boot.AKPub)
			if err != nil {
				t.Fatal(err)
			}
			test(t, name, &evidence.TPM{
				Attest: attest, Signature: boot.Sig, PCRs: evidence.PCRs{"sha256": boot.PCRs}, AKPublic: key.Area,
				EventLog: boot.EventLog, IMALog: boot.IMABin,
			}, Options{Keys: []TrustedKey{key}})
		})
	}
}

// TestRealBoots verifies the quotes of machines that really booted, with their logs.
func TestRealBoots(t *testing.T) {
	eachBoot(t, func(t *testing.T, name string, item *evidence.TPM, o Options) {
		differ(t, item)
		out := accepted(t, o, item)
		claims := out.Claims.TPM
		if len(claims.PCRs) == 0 || string(out.ReportData) != "nonce" || claims.AKHierarchy != "endorsement" {
			t.Errorf("claims %+v", claims)
		}
		if out.KeyState == nil || !out.KeyState.Logged || out.Key != evidence.Digest(claims.AKSHA256) || out.KeyState.Clock != claims.Clock {
			t.Errorf("key state %+v", out.KeyState)
		}
		if claims.Boot == nil || claims.Boot.Registers[4].Status != evidence.RegisterReproduced {
			t.Fatalf("boot %+v", claims.Boot)
		}
		if uki := slices.Contains([]string{"ukigo1", "sbgo1", "banks"}, name); uki != (claims.Boot.UKI != nil) {
			t.Errorf("UKI %+v", claims.Boot.UKI)
		}
		if secure := claims.Boot.SecureBoot.Enabled; secure == nil || *secure != (name == "sbgo1") {
			t.Errorf("secure boot %v", secure)
		}
		if len(item.IMALog) == 0 {
			if claims.IMA != nil || out.KeyState.IMA != nil {
				t.Errorf("IMA without a log: %+v", claims.IMA)
			}
			return
		}
		ima := claims.IMA
		if ima == nil || ima.Entries == 0 || ima.BootAggregate == nil || !*ima.BootAggregate || ima.Unread+ima.Violations > 0 || out.KeyState.IMA.Entries != ima.Entries {
			t.Fatalf("IMA %+v, state %+v", ima, out.KeyState.IMA)
		}
		module := func(f evidence.IMAFile) bool { return f.Path == "/modules/00-virtio_ring.ko" }
		if (name == "sbgo1") != slices.ContainsFunc(ima.Files, module) {
			t.Errorf("files %+v", ima.Files)
		}
	})
}

// TestRealBoots_Altered shows that each log is held to the real quote.
func TestRealBoots_Altered(t *testing.T) {
	eachBoot(t, func(t *testing.T, _ string, item *evidence.TPM, o Options) {
		shorter := *item
		shorter.EventLog = item.EventLog[:len(item.EventLog)-1]
		refused(t, o, &shorter, evidence.CodeTPMEventLog)
		shorter = *item
		shorter.EventLog = slices.Clone(item.EventLog)
		log, err := eventlog.Parse(shorter.EventLog, eventlog.PCRs)
		if err != nil {
			t.Fatal(err)
		}
		first := slices.IndexFunc(log.Events, func(e eventlog.Event) bool { return e.Register == 5 })
		log.Digest(&log.Events[first], eventlog.SHA256)[0] ^= 1 // in the log itself
		refused(t, o, &shorter, evidence.CodeTPMEventLogReplay)
		if len(item.IMALog) == 0 {
			return
		}
		longer := *item
		longer.IMALog = slices.Concat(item.IMALog, item.IMALog) // what is behind does not count
		if got, want := accepted(t, o, &longer).Claims.TPM.IMA, accepted(t, o, item).Claims.TPM.IMA; got.Entries != want.Entries {
			t.Errorf("%d entries, want %d", got.Entries, want.Entries)
		}
		longer.IMALog = slices.Clone(item.IMALog)
		longer.IMALog[len(longer.IMALog)-10] ^= 1
		out := newVerifier(t, o).Verify(&longer, nil, paramsNow)
		if out.Genuine() || out.Claims.TPM.IMA != nil {
			t.Errorf("an altered list counts: %v", out.Checks)
		}
	})
}
