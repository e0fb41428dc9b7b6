package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/quotary/quotary/internal/evidencetest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"quotary": main})
}

// TestScripts runs testdata/*.txtar. Besides testscript's own commands they have:
//
//	exits CODE COMMAND [ARG]…  run COMMAND, which must exit with CODE
//	cut FILE SIZE NEW          NEW is the first SIZE bytes of FILE
//	flip FILE OFFSET NEW       NEW is FILE with the lowest bit at OFFSET flipped
//	add FILE HEX NEW           NEW is FILE with bytes added
//	shape NEW                  NEW lists the members of the JSON on stdout, with their types
//
// in real/ and sim/, the evidence of fixtures_test.go; in $KDS, $PCS, $ROOT, $PCCS and
// $TLS the simulated services of kds_test.go, in $DEAD a base URL where nobody
// listens, and in $AT the time of the simulated evidence; in admin/ and $ADMIN the
// administrators and the service of adminservice_test.go. Nobody else is asked: the
// way to any other host leads to $DEAD. The condition
// [snpguest] holds where the tests run on a machine that may give reports, and [evidence]
// where the collection of real evidence is, in $EVIDENCE. With
// QUOTARY_UPDATE_SCRIPTS set, golden files are rewritten instead of compared.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("QUOTARY_UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("DATA", strings.Repeat("0123456789abcdef", 8)) // 64 bytes of report data
			services, err := serveVendors()
			if err != nil {
				return err
			}
			for name, url := range map[string]string{
				"KDS": services.kds, "PCS": services.pcs, "ROOT": services.root, "PCCS": services.pccs, "TLS": services.tls, "DEAD": services.dead,
				"HTTPS_PROXY": services.dead, "NO_PROXY": "",
			} {
				env.Setenv(name, url)
			}
			if err := writeFile(env.WorkDir, "sim/pccs.pem", services.certificate); err != nil {
				return err
			}
			if evidencetest.Present() {
				env.Setenv("EVIDENCE", evidencetest.Dir(t))
			}
			env.Setenv("AT", simulatedNow.Format(time.RFC3339))
			if err := writeAdminFor(env); err != nil {
				return err
			}
			return writeFixtures(env.WorkDir)
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "evidence":
				return evidencetest.Present(), nil
			case "snpguest":
			default:
				return false, fmt.Errorf("unknown condition %q", name)
			}
			_, configfs := os.Stat("/sys/kernel/config/tsm/report")
			_, device := os.Stat("/dev/sev-guest")
			return configfs == nil || device == nil, nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "cut": cut, "flip": flip, "add": add, "shape": shape,
		},
	})
}

// writeAdminFor prepares scripts of administrators.
func writeAdminFor(env *testscript.Env) error {
	url, digest, err := writeAdminFiles(env.WorkDir)
	for name, value := range map[string]string{
		"ADMIN": url, "ADMIN_SHA256": digest, "HEAD10": headsOfTest(10), "HEAD40": headsOfTest(40),
		"XDG_CONFIG_HOME": filepath.Join(env.WorkDir, "config"), "QUOTARY_PROFILE": "", "QUOTARY_URL": "", "QUOTARY_ROOT": "",
	} {
		env.Setenv(name, value)
	}
	return err
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if neg || err != nil {
		ts.Fatalf("usage: exits CODE COMMAND [ARG]…")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var ended *exec.ExitError
		if !errors.As(err, &ended) {
			ts.Fatalf("%v", err)
		}
		got = ended.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func cut(ts *testscript.TestScript, neg bool, args []string) {
	data := ts.ReadFile(args[0])
	write(ts, args[2], data[:number(ts, args[1])])
}

func flip(ts *testscript.TestScript, neg bool, args []string) {
	data := []byte(ts.ReadFile(args[0]))
	data[number(ts, args[1])] ^= 1
	write(ts, args[2], string(data))
}

func add(ts *testscript.TestScript, neg bool, args []string) {
	more, err := hex.DecodeString(args[1])
	ts.Check(err)
	write(ts, args[2], ts.ReadFile(args[0])+string(more))
}

func number(ts *testscript.TestScript, s string) int {
	n, err := strconv.Atoi(s)
	ts.Check(err)
	return n
}

func write(ts *testscript.TestScript, name, data string) {
	ts.Check(writeFile(filepath.Dir(ts.MkAbs(name)), filepath.Base(name), []byte(data)))
}

// shape pins which members an answer has without pinning their values. Claims
// are left to the package that defines them.
func shape(ts *testscript.TestScript, neg bool, args []string) {
	var value any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &value))
	lines := describe("", value)
	slices.Sort(lines)
	write(ts, args[0], strings.Join(slices.Compact(lines), "\n")+"\n")
}

func describe(path string, value any) []string {
	switch v := value.(type) {
	case map[string]any:
		if strings.HasSuffix(path, "claims") {
			return []string{path + " object"}
		}
		var lines []string
		for name, member := range v {
			lines = append(lines, describe(strings.TrimPrefix(path+"."+name, "."), member)...)
		}
		return lines
	case []any:
		var lines []string
		for _, element := range v {
			lines = append(lines, describe(path+"[]", element)...)
		}
		return lines
	}
	return []string{fmt.Sprintf("%s %T", path, value)}
}
