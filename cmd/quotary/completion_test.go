package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The scripts for a small program, as they are wanted.
func TestCompletionScripts(t *testing.T) {
	all := []command{
		{name: "audit", summary: "look at what's there", help: "usage: quotary audit\n"},
		{name: "verify", summary: "judge", help: "usage: quotary verify [--x]\n  --kind KIND  a kind\n                 --not-one\n  -o text|json  format\n  --kind again\n"},
	}
	places := nodes(all, map[string][]command{"audit": {{name: "tail", summary: "the end", help: "  --follow  go on\n"}}})
	for name, script := range map[string]string{"bash": bashScript(places), "zsh": zshScript(places), "fish": fishScript(places)} {
		golden := filepath.Join("testdata", "completion", name)
		if os.Getenv("QUOTARY_UPDATE_SCRIPTS") != "" {
			if err := os.WriteFile(golden, []byte(script), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), script); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// What the scripts offer is what the commands take, and no shell stumbles over them.
func TestCompletionsAreTaken(t *testing.T) {
	places := nodes(commands(), families())
	for _, n := range places {
		for _, f := range n.flags {
			if f.name == "--help" {
				continue
			}
			for _, value := range append(f.values, "x")[:max(1, len(f.values))] {
				args := append(strings.Split(n.path, "/")[1:], f.name, value, "--no-such-flag")
				code, _, notes := quotary(args...)
				known := strings.Contains(notes, "no-such-flag") || strings.Contains(notes, "invalid value") && f.values == nil
				if code != exitFailed || !known {
					t.Errorf("%q: exit %d: %s", args, code, notes)
				}
			}
		}
	}
	for shell, script := range map[string]string{"bash": bashScript(places), "zsh": zshScript(places), "fish": fishScript(places)} {
		path, err := exec.LookPath(shell)
		if err != nil {
			continue // checked where it is there
		}
		file := filepath.Join(t.TempDir(), shell)
		if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(path, "-n", file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", shell, err, out)
		}
	}
}

// Every command with commands of its own is known as one.
func TestFamiliesAreComplete(t *testing.T) {
	for _, c := range commands() {
		code, _, notes := quotary(c.name)
		if needs := code == exitFailed && strings.Contains(notes, "needs a subcommand"); needs != (families()[c.name] != nil) {
			t.Errorf("%s: exit %d: %s", c.name, code, notes)
		}
		if c.summary == "" || c.help == "" {
			t.Errorf("%s is not explained", c.name)
		}
		for _, sub := range families()[c.name] {
			if sub.summary == "" || sub.help == "" {
				t.Errorf("%s %s is not explained", c.name, sub.name)
			}
		}
	}
}
