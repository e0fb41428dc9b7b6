package main

import (
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/quotary/quotary/internal/agent/fleettest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"quotary-agent": main})
}

// The scripts that need no service.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}

// The life of a machine with a TPM and its service, from the command line.
func TestService(t *testing.T) {
	service := fleettest.New(t, true)
	testscript.Run(t, testscript.Params{
		Files: []string{"testdata/service.txtar"},
		Setup: func(env *testscript.Env) error {
			env.Setenv("URL", service.URL)
			env.Setenv("ROOT", service.Root)
			env.Setenv("DIGEST", service.RootSHA256)
			env.Setenv("TPM", service.TPM.Address)
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "firsts" { // whether a process can be the first of a namespace
				return false, errors.New("there is no such condition")
			}
			return exec.Command("unshare", "--map-root-user", "--pid", "--fork", "--mount-proc", "true").Run() == nil, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"refuse":  func(*testscript.TestScript, bool, []string) { service.Refuse() },
			"accept":  func(*testscript.TestScript, bool, []string) { service.Accept() },
			"waitfor": waitFor,
		},
	})
}

// waitFor waits until a file exists.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfor FILE")
	}
	for range 1200 {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("%s did not appear", args[0])
}
