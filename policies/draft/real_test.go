package draft_test

import (
	"crypto"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/policies/draft"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
	"github.com/quotary/quotary/tee/eventlog"
	"github.com/quotary/quotary/tee/ima"
	snpverifier "github.com/quotary/quotary/tee/sevsnp"
	tdxverifier "github.com/quotary/quotary/tee/tdx"
)

// realClaims are the claims of real evidence that is genuine, by the name of the item and the
// day, with the instant.
func realClaims(t *testing.T) (map[string]evidence.Claims, map[string]time.Time) {
	t.Helper()
	found, at := map[string]evidence.Claims{}, map[string]time.Time{}
	snp, tdx := must(snpverifier.New()), must(tdxverifier.New())
	for _, item := range evidencetest.Items(t, "snp", "tdx") {
		for _, c := range item.Cases {
			files := item.EndorsementFiles(t, c)
			if len(files) == 0 {
				continue
			}
			e, _, err := endorsements.Load(files...)
			if err != nil {
				t.Fatal(err)
			}
			var out tee.Outcome
			switch {
			case item.Kind == "snp":
				out = snp.Verify(&evidence.SNP{Report: item.Read(t, "report.bin")}, e, tee.Params{Now: c.At})
			case item.Has("quote.bin"):
				quote := &evidence.TDX{Quote: item.Read(t, "quote.bin")}
				if item.Has("ccel_data.bin") {
					quote.EventLog = item.Read(t, "ccel_data.bin")
				}
				out = tdx.Verify(quote, e, tee.Params{Now: c.At})
			}
			if name := item.Name + " " + c.At.Format(time.DateOnly); out.Genuine() {
				found[name], at[name] = out.Claims, c.At
			}
		}
	}
	return found, at
}

// bootedClaims are the claims of a machine with a TPM that really booted.
func bootedClaims(t *testing.T, name string) evidence.Claims {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(evidencetest.Dir(t), "boot", name+".json"))
	if err != nil {
		t.Skip("the collection has no such boot: ", err)
	}
	var boot struct {
		PCRs             map[int]evidence.Hex
		EventLog, IMABin []byte
	}
	if err := json.Unmarshal(data, &boot); err != nil {
		t.Fatal(err)
	}
	replay := must(must(eventlog.Parse(boot.EventLog, eventlog.PCRs)).Replay(eventlog.SHA256))
	c := machines(t)["tpm"][0].Clone()
	c.TPM.PCRs = boot.PCRs
	c.TPM.Boot, _ = replay.Compare(boot.PCRs).Claims()
	if len(boot.IMABin) == 0 {
		return c
	}
	list := must(ima.Parse(boot.IMABin))
	covered, ok := list.Replay(nil, crypto.SHA256).Find(boot.PCRs[ima.PCR])
	if !ok {
		t.Fatal("PCR 10 is not reproduced")
	}
	files, unread, violations := list.Claims(covered)
	aggregate := true
	c.TPM.IMA = &evidence.IMAClaims{Bank: "sha256", Entries: uint64(covered), Unread: unread, Violations: violations, Files: files[1:], BootAggregate: &aggregate}
	return c
}

// wantDraft drafts a policy and holds it against its machine: it says truly whether it
// accepts, its comments can be put in force, and what was measured is pinned.
func wantDraft(t *testing.T, c evidence.Claims, at time.Time) draft.Draft {
	t.Helper()
	o := options()
	o.At, o.References = at, true
	claims := []evidence.Claims{c}
	d, err := draft.FromClaims(claims, o)
	if err != nil {
		t.Fatal(err)
	}
	decide := func(text []byte, claims []evidence.Claims) policies.Decision {
		return load(t, text).Evaluate(policies.Input{Claims: claims, Now: at, SimulatedAccepted: true})
	}
	if got := decide(d.YAML, claims); (got.Verdict == policies.Accepted) != d.Accepts {
		t.Errorf("%s, and the draft says %v: %v", got.Verdict, d.Accepts, got.Checks.Failed())
	}
	text := commented.ReplaceAll(d.YAML, []byte("$1$2"))
	never := strings.Contains(string(text), "no policy accepts")
	if got := decide(text, claims); (got.Verdict == policies.Accepted) == never {
		t.Errorf("with comments in force: %s %v\n%s", got.Verdict, got.Checks.Failed(), text)
	}
	changed := cloned(claims)
	if c.SEVSNP != nil {
		changed[0].SEVSNP.Measurement[0] ^= 1
	} else if c.TDX != nil {
		changed[0].TDX.MRTD[0] ^= 1
	} else {
		changed[0].TPM.PCRs[0][0] ^= 1
	}
	if got := decide(text, changed); got.Verdict != policies.Rejected {
		t.Errorf("another measurement: %s", got.Verdict)
	}
	return d
}

func TestRealEvidence(t *testing.T) {
	claims, at := realClaims(t)
	accepted := 0
	for name, c := range claims {
		t.Run(name, func(t *testing.T) {
			if wantDraft(t, c, at[name]).Accepts {
				accepted++
			}
		})
	}
	t.Logf("%d of %d drafts accept their machine as it stands", accepted, len(claims))
}

func TestRealBoots(t *testing.T) {
	for _, name := range []string{"amd64", "banks", "cmdl", "direct1", "sbgo1", "ukigo1", "shell"} {
		t.Run(name, func(t *testing.T) {
			d := wantDraft(t, bootedClaims(t, name), now)
			t.Logf("accepts: %v, boot: %v, ima: %v; %d warnings, %d bytes", d.Accepts, strings.Contains(string(d.YAML), " 4: boot"), strings.Contains(string(d.YAML), "\n      ima:"), len(d.Warnings), len(d.YAML))
		})
	}
}
