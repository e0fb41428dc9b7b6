package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// inFixtures makes the fixtures' directory the current one.
func inFixtures(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if err := writeFixtures(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "web.yaml"), []byte(aWorkload), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "config"))
	t.Chdir(dir)
}

// lintOf returns what lint says of a text.
func lintOf(t *testing.T, text string) (exit, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, notes := quotary("policy", "lint", file)
	return code, out + notes
}

func TestAttack_Y03_LintNamesTheKey(t *testing.T) {
	if code, said := lintOf(t, aWorkload); code != exitAccepted {
		t.Fatalf("exit %d: %s", code, said)
	}
	for key, wrong := range map[string]string{
		"any_of": "anyof", "identity": "Identity", "mrtd: {": "mrdt: {", "rtmr0": "rtmr4", "not_after": "notafter", "provenance": "provenence", "spiffe_id": "spiffeid",
	} {
		code, said := lintOf(t, strings.Replace(aWorkload, key, wrong, 1))
		if code != exitRejected || !strings.Contains(said, "policy.unknown-key") || !strings.Contains(said, strings.TrimSuffix(wrong, ": {")) {
			t.Errorf("%s: exit %d: %s", wrong, code, said)
		}
	}
}

func TestAttack_Y04_LintRefusesYAMLTraps(t *testing.T) {
	bomb := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for _, c := range "bcdefgh" {
		before := string(c - 1)
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+before+", ", 8) + "*" + before + "]\n"
	}
	for name, text := range map[string]string{
		"a key twice":      strings.Replace(aWorkload, "name: web\n", "name: web\nname: db\n", 1),
		"an anchor":        strings.Replace(aWorkload, "name: web\n", "name: &n web\n", 1),
		"a merge key":      strings.Replace(aWorkload, "identity: {", "identity: {<<: {}, ", 1),
		"a tag":            strings.Replace(aWorkload, "name: web\n", "name: !!binary web\n", 1),
		"a word for false": strings.Replace(aWorkload, "name: web\n", "name: web\nallow_simulated: yes\n", 1),
		"an octal number":  strings.Replace(aWorkload, "rtmr0: any", "rtmr0: 0o17", 1),
		"many anchors":     bomb,
		"depth":            strings.Repeat("[", 10_000),
		"not UTF-8":        strings.Replace(aWorkload, "name: web\n", "name: \xff\n", 1),
		"another document": aWorkload + "---\nkind: ClusterRole\n",
	} {
		if code, said := lintOf(t, text); code != exitRejected || !strings.Contains(said, "policy.yaml:") {
			t.Errorf("%s: exit %d: %s", name, code, said)
		}
	}
}

var (
	simulatedWorld = []string{"--trust", "sim/roots", "--endorsements", "sim/endorsements", "--at", "2026-06-01T12:00:00Z"}
	nameOfDraft    = []string{"--name", "web", "--spiffe-id", "spiffe://example.org/web"}
)

func words(parts ...any) []string {
	var args []string
	for _, part := range parts {
		switch part := part.(type) {
		case string:
			args = append(args, strings.Fields(part)...)
		case []string:
			args = append(args, part...)
		}
	}
	return args
}

// TestAttack_Y20_DraftsWarn: what a machine says of itself becomes a policy only with
// a warning, before anything else in the text and to who asked for it; its values'
// provenance says that they were observed; and nothing is put in force by a draft.
func TestAttack_Y20_DraftsWarn(t *testing.T) {
	inFixtures(t)
	for _, file := range []string{"sim/snp.bin", "sim/tdx.bin", "sim/vlek.json"} {
		for _, flags := range []string{"", "--references", "--allow-simulated", "--references --allow-simulated"} {
			code, out, notes := quotary(words("policy init --from-evidence", file, simulatedWorld, nameOfDraft, flags)...)
			if code != exitAccepted {
				t.Fatalf("%s %s: exit %d: %s", file, flags, code, notes)
			}
			if !strings.HasPrefix(out, "# WARNING: the values below are what one machine showed of itself") || !strings.Contains(notes, "warning: the values below are what one machine showed of itself") {
				t.Errorf("%s %s: no warning: %s", file, flags, notes)
			}
			if strings.Contains(flags, "references") && !strings.Contains(out, `source: "observed: `) {
				t.Errorf("%s: provenance does not say observed", file)
			}
			if !strings.Contains(flags, "simulated") && strings.Contains(out, "\nallow_simulated: true") {
				t.Errorf("%s: waives without consent", file)
			}
		}
	}
}

func TestAttack_Y20_NoDraftOfWhatIsNotGenuine(t *testing.T) {
	inFixtures(t)
	for _, file := range []string{"sim/snp.bin", "sim/tdx.bin"} {
		forged := must(os.ReadFile(file))
		forged[0x90] ^= 1
		if err := os.WriteFile("forged.bin", forged, 0o600); err != nil {
			t.Fatal(err)
		}
		for name, args := range map[string][]string{
			"forged":       words("policy init --from-evidence forged.bin", simulatedWorld, nameOfDraft),
			"no trust":     words("policy init --from-evidence", file, simulatedWorld[2:], nameOfDraft),
			"no evidence":  words("policy init --from-evidence web.yaml", simulatedWorld, nameOfDraft),
			"not yet":      words("policy init --from-evidence", file, simulatedWorld[:4], "--at 2000-01-01T00:00:00Z", nameOfDraft),
			"with out":     words("policy init --from-evidence forged.bin", simulatedWorld, nameOfDraft, "--out drafts"),
			"two machines": words("policy init --from-evidence", file, simulatedWorld, nameOfDraft, "--attestation at-1"),
		} {
			code, out, _ := quotary(args...)
			if code == exitAccepted || strings.Contains(out, "apiVersion") {
				t.Errorf("%s: exit %d: %s", name, code, out)
			}
		}
		if _, err := os.Stat("drafts"); err == nil {
			t.Error("a draft was written")
		}
	}
}

// Of a matrix of policies, evidence and flags, the commands that judge end with 0 only
// where quotary verify does.
func TestAttack_Y19_PolicyCommandsAgreeWithVerify(t *testing.T) {
	inFixtures(t)
	if err := os.WriteFile("empty.yaml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	policies := []string{"sim/policy.yaml", "sim/strict.yaml", "sim/snp-policy.yaml", "web.yaml", "empty.yaml", "absent.yaml", "sim/tdx.bin"}
	operands := []string{"sim/tdx.bin", "sim/snp.bin", "sim/turin.bin", "sim/stranger.bin", "sim/quote.msg", "real/report.bin", "web.yaml", "absent", "sim"}
	worlds := [][]string{simulatedWorld, simulatedWorld[:2], simulatedWorld[2:], simulatedWorld[4:], slices.Concat(simulatedWorld[:4], []string{"--at", "2000-01-01T00:00:00Z"})}
	accepted := 0
	for _, policy := range policies {
		for _, operand := range operands {
			for _, world := range worlds {
				rest := words("--policy", policy, world, operand)
				want, _, _ := quotary(words("verify", rest)...)
				got, out, notes := quotary(words("policy explain", rest)...)
				if (got == exitAccepted) != (want == exitAccepted) || got == exitGenuine {
					t.Errorf("%q: verify %d, explain %d: %s%s", rest, want, got, out, notes)
				}
				if got == exitAccepted {
					accepted++
				}
			}
		}
	}
	if accepted != 2 {
		t.Errorf("%d are accepted", accepted)
	}
}

// Nothing that cannot be read, or is not what a flag takes, ends as if it were done.
func TestAttack_Y19_PolicyCommandLines(t *testing.T) {
	inFixtures(t)
	for args, want := range map[string]exit{
		"policy lint web.yaml":                                              exitAccepted,
		"policy lint":                                                       exitFailed,
		"policy lint absent":                                                exitFailed,
		"policy lint sim/tdx.bin":                                           exitRejected,
		"policy lint --at soon web.yaml":                                    exitFailed,
		"policy lint -o xml web.yaml":                                       exitFailed,
		"policy lint --reference-key web.yaml web.yaml":                     exitFailed,
		"policy test --policy web.yaml web.yaml":                            exitFailed,
		"policy test --policy web.yaml absent":                              exitFailed,
		"policy test web.yaml":                                              exitFailed,
		"policy diff web.yaml":                                              exitFailed,
		"policy diff web.yaml sim/tdx.bin":                                  exitFailed,
		"policy diff web.yaml sim/policy.yaml":                              exitAccepted,
		"policy explain --policy web.yaml --candidate web.yaml sim/tdx.bin": exitFailed,
		"policy schema now":                                                 exitFailed,
		"policy init":                                                       exitFailed,
		"policy plan absent":                                                exitFailed,
		"policy apply":                                                      exitFailed,
		"policy apply web.yaml":                                             exitFailed, // not logged in
		"policy rollback":                                                   exitFailed,
		"policy rollback -1":                                                exitFailed,
		"policy approve 99999999999999999999":                               exitFailed,
		"policy shadow":                                                     exitFailed,
		"policy shadow set":                                                 exitFailed,
		"policy shadow end now":                                             exitFailed,
		"policy show 1 2":                                                   exitFailed,
		"reference list":                                                    exitFailed,
		"reference list --policy web.yaml":                                  exitAccepted,
		"reference list --policy absent":                                    exitFailed,
		"reference export --policy web.yaml absent":                         exitFailed,
		"reference add --policy web.yaml":                                   exitFailed,
		"reference add --policy web.yaml web.yaml":                          exitFailed,
		"reference expire --policy web.yaml web-tdx":                        exitFailed,
		"reference expire --policy web.yaml --at 2020-01-01T00:00:00Z web-tdx":    exitFailed,
		"reference expire --policy web.yaml --yes --at 2098-01-01T00:00:00Z none": exitFailed,
	} {
		before := string(must(os.ReadFile("web.yaml")))
		code, out, notes := quotary(strings.Fields(args)...)
		if code != want || code == exitFailed && (out != "" || notes == "") {
			t.Errorf("%s: exit %d: %s%s", args, code, out, notes)
		}
		if string(must(os.ReadFile("web.yaml"))) != before {
			t.Errorf("%s: changed the file", args)
		}
	}
}
