package draft_test

import (
	"bytes"
	"crypto/sha256"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/policies/draft"
	"github.com/quotary/quotary/simulators/tdx"
)

func evaluate(set *policies.Set, claims []evidence.Claims) policies.Decision {
	return set.Evaluate(policies.Input{Claims: claims, Now: now, SimulatedAccepted: true})
}

// A draft accepts the machine that it was made of, with its values in the workload
// and in reference values.
func TestAcceptsItsMachine(t *testing.T) {
	for name, claims := range machines(t) {
		for _, references := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				o := options()
				o.References = references
				d, err := draft.FromClaims(claims, o)
				if err != nil {
					t.Fatal(err)
				}
				got := evaluate(load(t, d.YAML), claims)
				if !d.Accepts || got.Verdict != policies.Accepted {
					t.Errorf("%s: %v\n%s", got.Verdict, got.Checks.Failed(), d.YAML)
				}
				for _, relaxed := range got.Relaxed {
					if relaxed != "trust.simulated" {
						t.Errorf("relaxes %s", relaxed)
					}
				}
				if len(d.Warnings) == 0 || !strings.Contains(d.Warnings[0], "of itself") {
					t.Errorf("warnings %q", d.Warnings)
				}
			})
		}
	}
}

// The times of a draft are whole seconds, whatever the clock says, so that its reference
// values can become a CoRIM.
func TestWholeSeconds(t *testing.T) {
	o := options()
	o.References, o.At = true, now.Add(987654321*time.Nanosecond)
	d, err := draft.FromClaims(machines(t)["sev-snp"], o)
	if err != nil {
		t.Fatal(err)
	}
	set := load(t, d.YAML)
	for _, r := range set.References() {
		if r.NotAfter.Nanosecond() != 0 || r.Provenance.CreatedAt.Nanosecond() != 0 {
			t.Errorf("made at %v, until %v", r.Provenance.CreatedAt, r.NotAfter)
		}
	}
	if len(set.References()) == 0 {
		t.Error("no reference values")
	}
}

var commented = regexp.MustCompile(`(?m)^( *)#([a-z])`)

// What is written as a comment can be put in force as it is.
func TestCommentsAreKeys(t *testing.T) {
	for name, claims := range machines(t) {
		o := options()
		o.Simulated = false
		d, err := draft.FromClaims(claims, o)
		if err != nil {
			t.Fatal(name, err)
		}
		if d.Accepts || evaluate(load(t, d.YAML), claims).Verdict == policies.Accepted {
			t.Errorf("%s: simulated evidence is accepted without consent", name)
		}
		text := commented.ReplaceAll(d.YAML, []byte("$1$2"))
		if got := evaluate(load(t, text), claims); got.Verdict != policies.Accepted {
			t.Errorf("%s: %s %v\n%s", name, got.Verdict, got.Checks.Failed(), text)
		}
	}
}

// Which of the files that GRUB read was the RAM disk, the log does not say. Once the
// caller does, the whole boot is left to the log.
func TestInitialRAMDisks(t *testing.T) {
	claims, o := machines(t)["tpm with GRUB"], options()
	disk := sha256.Sum256(tdx.DefaultBoot().Initrd)
	for _, disks := range [][]evidence.Hex{nil, {disk[:]}} {
		o.InitialRAMDisks = disks
		d, err := draft.FromClaims(claims, o)
		if err != nil {
			t.Fatal(err)
		}
		if !d.Accepts || strings.Contains(string(d.YAML), " 9: boot\n") != (disks != nil) || strings.Contains(string(d.YAML), "command_lines:") != (disks != nil) {
			t.Errorf("accepts %v\n%s", d.Accepts, d.YAML)
		}
		again, err := draft.FromClaims(claims, o)
		if err != nil || string(again.YAML) != string(d.YAML) {
			t.Error("another draft of the same claims differs")
		}
	}
}

// Provenance says that values were observed, and from what.
func TestProvenance(t *testing.T) {
	o := options()
	o.References, o.CreatedBy = true, "j.doe"
	d, err := draft.FromClaims(machines(t)["sev-snp"], o)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`source: "observed: a machine's own evidence, in machine.json"`, `created_by: "j.doe"`, "created_at: 2026-11-22T08:00:00Z", "not_after: 2027-05-21T08:00:00Z", "# WARNING: the values below are what one machine showed of itself"} {
		if !strings.Contains(string(d.YAML), want) {
			t.Errorf("no %s in\n%s", want, d.YAML)
		}
	}
}

// Of a TPM that shows nothing of the boot no policy can be made; the error says why,
// and what to do.
func TestTPMWithoutMeasurement(t *testing.T) {
	for name, c := range map[string]struct {
		pcrs  map[int]evidence.Hex
		wants []string
	}{
		"empty":      {map[int]evidence.Hex{4: make(evidence.Hex, 32), 7: make(evidence.Hex, 32), 18: bytes.Repeat([]byte{0xff}, 32)}, []string{"(bank sha256: 4, 7, 18)", "another bank"}},
		"resettable": {map[int]evidence.Hex{16: {15: 1, 31: 1}, 23: {31: 1}}, []string{"no PCR with a value that lasts", "PCRs 0 to 9"}},
		"IMA alone":  {map[int]evidence.Hex{10: {31: 1}}, []string{"no PCR with a value that lasts"}},
		"none":       {nil, []string{"no PCR with a value that lasts"}},
	} {
		for _, machine := range []string{"tpm", "tpm with a log", "sev-snp and tpm"} {
			claims := cloned(machines(t)[machine])
			claims[len(claims)-1].TPM.PCRs = c.pcrs
			_, err := draft.FromClaims(claims, options())
			if evidence.CodeOf(err) != evidence.CodePolicyClaims {
				t.Fatalf("%s, %s: %v", machine, name, err)
			}
			for _, want := range c.wants {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s, %s: no %q in %v", machine, name, want, err)
				}
			}
		}
	}
}
