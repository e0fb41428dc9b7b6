package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// TestMain is quotary-sim itself where a script of TestGuide runs it.
func TestMain(m *testing.M) {
	if os.Getenv("QUOTARY_SIM_IS_UNDER_TEST") != "" {
		main()
	}
	os.Exit(m.Run())
}

var (
	shell     = regexp.MustCompile("(?s)```sh( network)?\n(.*?)```\n")
	shownFile = regexp.MustCompile("(?s)\n`([a-z_.]+)`:\n\n```[a-z]+\n(.*?)```\n")
)

// TestGuide does what docs/ci.md says, word for word, in an empty directory: the module is
// the code at hand, and what would install it is left out. It takes no network where
// the module cache has what a new module asks for.
func TestGuide(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl")
	}
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "ci.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "ci") // t.TempDir is too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, file := range shownFile.FindAllStringSubmatch(string(guide), -1) {
		if err := os.WriteFile(filepath.Join(dir, file[1]), []byte(file[2]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	repository, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	script.WriteString("set -ex\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n")
	for _, block := range shell.FindAllStringSubmatch(string(guide), -1) {
		if block[1] != "" {
			continue
		}
		script.WriteString(block[2])
		if strings.HasPrefix(block[2], "go mod init") {
			fmt.Fprintf(&script, "go mod edit -replace 'github.com/quotary/quotary=%s'\n", repository)
		}
	}
	cacheForNewModule(t, repository)
	inShell(t, dir, script.String())
	data, err := os.ReadFile(filepath.Join(dir, "evidence.json"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := evidence.Parse(data); err != nil {
		t.Error(err)
	}
}

// inShell runs a script, whose quotary-sim is this program.
func inShell(t *testing.T, dir, script string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	program := fmt.Sprintf("#!/bin/sh\nQUOTARY_SIM_IS_UNDER_TEST=1 exec '%s' \"$@\"\n", self)
	if err := os.WriteFile(filepath.Join(bin, "quotary-sim"), []byte(program), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Dir = dir
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(offline(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// cacheForNewModule sees to it that a new module can require the code at hand without a
// network: what a build of that downloads is not all. It takes one only if something lacks.
func cacheForNewModule(t *testing.T, repository string) {
	t.Helper()
	const require = "go mod edit -require github.com/quotary/quotary@v0.0.0-00010101000000-000000000000 -replace 'github.com/quotary/quotary=%s'"
	script := "set -e\ngo mod init example.org/probe\n" + fmt.Sprintf(require, repository) +
		"\nprintf 'package probe\\n\\nimport _ \"github.com/quotary/quotary/simulators/simtest\"\\n' > probe.go\ngo mod tidy\n"
	tidy := func(env []string) ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
		cmd.Dir, cmd.Env = t.TempDir(), env
		return cmd.CombinedOutput()
	}
	if _, err := tidy(offline()); err == nil {
		return
	}
	if out, err := tidy(append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GOTOOLCHAIN=local")); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// offline is an environment in which the go command does with what is on this machine.
func offline() []string {
	return append(os.Environ(), "GOPROXY=off", "GOSUMDB=off", "GOFLAGS=", "GOWORK=off", "GOTOOLCHAIN=local")
}

// TestExampleModule holds the example to the code: it compiles, tests and all, and its
// go.mod suits ours. After a change of that, go mod tidy there.
func TestExampleModule(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "vet", "-mod=readonly", "./...")
	cmd.Dir = filepath.Join("..", "..", "examples", "attested-test")
	cmd.Env = offline()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s(if go.mod has changed: run go mod tidy in examples/attested-test)", err, out)
	}
}

// TestExampleFiles holds the workflow and the compose file to the guide: they are YAML, and
// their commands are ones that there are.
func TestExampleFiles(t *testing.T) {
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct {
				Run string `yaml:"run"`
			} `yaml:"steps"`
		} `yaml:"jobs"`
	}
	readYAML(t, "github-actions/attested.yml", &workflow)
	commands := 0
	for _, job := range workflow.Jobs {
		for _, step := range job.Steps {
			for line := range strings.Lines(strings.ReplaceAll(step.Run, "\\\n", "")) {
				if words := strings.Fields(line); len(words) > 1 && words[0] == "quotary-sim" {
					commands++
					parses(t, words[1:])
				}
			}
		}
	}
	if commands != 3 {
		t.Errorf("the workflow has %d commands", commands)
	}
	var compose struct {
		Services map[string]struct {
			Command string `yaml:"command"`
		} `yaml:"services"`
	}
	readYAML(t, "compose/compose.yaml", &compose)
	words := strings.Fields(compose.Services["simulators"].Command)
	if len(words) < 4 {
		t.Fatalf("the simulators' command is %q", words)
	}
	parses(t, words[3:])
	if _, err := readMachines([]string{filepath.Join("..", "..", "examples", "compose", "machines", "web.yaml")}); err != nil {
		t.Error(err)
	}
}

func readYAML(t *testing.T, name string, out any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "examples", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, out); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// parses holds a command line to the flags that there are.
func parses(t *testing.T, words []string) {
	t.Helper()
	var args []string
	for _, word := range words[1:] {
		if strings.HasPrefix(word, ">") {
			break // the shell's
		}
		args = append(args, word)
	}
	var err error
	switch words[0] {
	case "serve":
		_, err = parseServe(args)
	case "attack":
		_, err = parseAttack(args)
	case "run":
		_, err = parseRun(args)
	default:
		t.Fatalf("no test knows %q", words)
	}
	if err != nil {
		t.Errorf("%q: %v", words, err)
	}
}
