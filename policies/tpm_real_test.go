package policies_test

import (
	"crypto"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/tee/eventlog"
	"github.com/quotary/quotary/tee/ima"
)

// realBoot returns the claims of a machine that really booted, as a verifier of
// its quote would make them.
func realBoot(t *testing.T, name string) evidence.Claims {
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
	c := realClaims(t, boot.EventLog, boot.PCRs)
	if len(boot.IMABin) > 0 {
		list, err := ima.Parse(boot.IMABin)
		if err != nil {
			t.Fatal(err)
		}
		covered, ok := list.Replay(nil, crypto.SHA256).Find(boot.PCRs[ima.PCR])
		if !ok {
			t.Fatal("PCR 10 is not reproduced")
		}
		files, unread, violations := list.Claims(covered)
		_, first, _ := list.FirstAggregate()
		want, _ := ima.BootAggregate(crypto.SHA256, boot.PCRs)
		c.TPM.IMA = &evidence.IMAClaims{
			Bank: "sha256", Entries: uint64(covered), Unread: unread, Violations: violations, Files: files[1:],
			BootAggregate: ptr(string(first) == string(want)),
		}
	}
	return c
}

func realClaims(t *testing.T, raw []byte, pcrs map[int]evidence.Hex) evidence.Claims {
	t.Helper()
	log, err := eventlog.Parse(raw, eventlog.PCRs)
	if err != nil {
		t.Fatal(err)
	}
	replay, err := log.Replay(eventlog.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	c := goodTPM()
	c.TPM.PCRs = maps.Clone(pcrs)
	c.TPM.Boot, _ = replay.Compare(pcrs).Claims()
	return c
}

// policyOf writes a policy that leaves PCRs to the log and lists what one boot
// measured; initrds are the RAM disks.
func policyOf(c evidence.Claims, pcrs string, initrds ...evidence.Hex) string {
	b := c.TPM.Boot
	var images, measured []evidence.Hex
	for _, image := range b.Images {
		images = append(images, image.Digest)
	}
	for _, m := range b.Measurements {
		if m.Register == 9 && !slices.ContainsFunc(append(initrds, measured...), func(h evidence.Hex) bool { return h.String() == m.Digest.String() }) {
			measured = append(measured, m.Digest)
		}
	}
	slices.SortFunc(images, func(a, b evidence.Hex) int { return strings.Compare(a.String(), b.String()) })
	images = slices.CompactFunc(images, func(a, b evidence.Hex) bool { return a.String() == b.String() })
	lines := []string{"images: " + listOf(images...), "maximum_boot_attempts: 1"}
	add := func(key string, texts ...string) {
		slices.Sort(texts)
		for i := range texts {
			texts[i] = strconv.Quote(texts[i])
		}
		if texts = slices.Compact(texts); len(texts) > 0 {
			lines = append(lines, key+": ["+strings.Join(texts, ", ")+"]")
		}
	}
	var commandLines []string
	for _, l := range b.CommandLines {
		commandLines = append(commandLines, l.Text)
	}
	add("command_lines", commandLines...)
	add("grub_commands", slices.Clone(b.GRUBCommands)...)
	if len(b.LoadOptions) > 0 {
		lines, initrds = append(lines, "load_options: "+listOf(b.LoadOptions)), []evidence.Hex{b.Initrd}
	} else if len(measured) > 0 {
		lines = append(lines, "measurements: "+listOf(measured...))
	}
	if b.UKI != nil {
		var sections []string
		for _, name := range slices.Sorted(maps.Keys(b.UKI.Sections)) {
			sections = append(sections, name+": "+listOf(b.UKI.Sections[name]))
		}
		lines = append(lines, "uki: {"+strings.Join(sections, ", ")+"}")
	}
	lines = append(lines, "initrds: "+listOf(initrds...))
	zero := `0: ["` + c.TPM.PCRs[0].String() + `"], `
	return with(head+"  - tpm:\n      pcrs: {sha256: {"+zero+pcrs+"}}\n", below(lines))
}

const allLogged = "2: boot, 4: boot, 8: boot, 9: boot, 11: boot, 12: boot, 13: boot, 14: boot"

// A policy made of a good boot accepts that boot and none of the others.
func TestRealBoots(t *testing.T) {
	names := []string{"amd64", "banks", "cmdl", "direct1", "sbgo1", "ukigo1"}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			good := realBoot(t, name)
			set := load(t, policyOf(good, allLogged))
			d := evaluate(set, good)
			wantVerdict(t, d, policies.Accepted, evidence.CodePolicyBootRegister)
			if len(d.Relaxed) > 0 {
				t.Errorf("relaxed %v", d.Relaxed)
			}
			for _, other := range append(names, "shell") {
				bad := realBoot(t, other)
				bad.TPM.PCRs[0] = good.TPM.PCRs[0] // firmware differs with the machine's shape
				if same := other == name || slices.Contains(sameBoots[name], other); (evaluate(set, bad).Verdict == policies.Accepted) != same {
					t.Errorf("%s:\n%s", other, list(evaluate(set, bad).Checks))
				}
			}
		})
	}
}

// sameBoots are boots of the same image, signed: its digest is the same.
var sameBoots = map[string][]string{"ukigo1": {"sbgo1"}}

// Another command line is refused, and so is a boot from the UEFI shell, where the
// firmware's log has no RAM disk, wherever the RAM disk is listed.
func TestAttack_P34_RealCommandLineAndShell(t *testing.T) {
	good, other, shell := realBoot(t, "direct1"), realBoot(t, "cmdl"), realBoot(t, "shell")
	set := load(t, policyOf(good, allLogged))
	wantVerdict(t, evaluate(set, good), policies.Accepted, evidence.CodePolicyBootInitrd)
	wantVerdict(t, evaluate(set, other), policies.Rejected, evidence.CodePolicyBootLoadOptions)
	lists := []string{"load_options: " + listOf(shell.TPM.Boot.LoadOptions), "initrds: " + listOf(good.TPM.Boot.Initrd)}
	text := with(head+"  - tpm:\n      pcrs: {sha256: {0: any, 4: [\""+shell.TPM.PCRs[4].String()+"\"]}}\n", below(lists))
	wantVerdict(t, evaluate(load(t, text), shell), policies.Rejected, evidence.CodePolicyBootInitrd)
	wantVerdict(t, evaluate(load(t, replace(text, lists[1], "exited_boot_services: required")), shell), policies.Accepted, evidence.CodePolicyBootLoadOptions)
}

// The kernel's own list of a real boot: it has measured nothing but the boot.
func TestRealIMA(t *testing.T) {
	c := realBoot(t, "direct1")
	text := policyOf(c, allLogged) + "      ima: {" + imaListed + "}\n"
	wantVerdict(t, evaluate(load(t, text), c), policies.Accepted, evidence.CodePolicyIMABootAggregate)
	c.TPM.IMA.BootAggregate = ptr(false)
	wantVerdict(t, evaluate(load(t, text), c), policies.Rejected, evidence.CodePolicyIMABootAggregate)
}

// Real machines with GRUB: all that their logs have can be listed, and then is.
func TestRealGRUB(t *testing.T) {
	seen := 0
	for _, item := range evidencetest.Items(t, "eventlog") {
		var banks map[string]map[int]evidence.Hex
		if err := json.Unmarshal(item.Read(t, "replayed_pcrs.json"), &banks); err != nil || banks["sha256"] == nil {
			continue
		}
		pcrs := banks["sha256"]
		for n := range 16 { // those that the replayer has no events for
			if pcrs[n] == nil {
				pcrs[n] = make(evidence.Hex, 32)
			}
		}
		raw := item.Read(t, "event_log.bin")
		if _, err := eventlog.Parse(raw, eventlog.PCRs); err != nil {
			continue
		}
		c := realClaims(t, raw, pcrs)
		b := c.TPM.Boot
		i := slices.IndexFunc(b.Measurements, func(m evidence.BootMeasurement) bool { return m.Register == 9 })
		if len(b.CommandLines) == 0 || b.CommandLines[0].Source != "grub" || len(b.Images) == 0 || b.BootAttempts == nil || i < 0 {
			continue
		}
		seen++
		t.Run(item.Name, func(t *testing.T) {
			text := policyOf(c, `2: boot, 4: ["`+pcrs[4].String()+`"], 8: boot, 9: boot, 12: boot`, b.Measurements[i].Digest)
			wantVerdict(t, evaluate(load(t, text), c), policies.Accepted, evidence.CodePolicyBootRegister)
			c.TPM.Boot.GRUBCommands = c.TPM.Boot.GRUBCommands[1:]
			wantVerdict(t, evaluate(load(t, text), c), policies.Rejected, evidence.CodePolicyBootRegister)
		})
	}
	t.Logf("%d machines", seen)
	if seen < 3 {
		t.Errorf("only %d machines with GRUB", seen)
	}
}
