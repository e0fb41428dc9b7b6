package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
)

// TestAdministration runs the scripts in testdata/administration: what administrators
// do with a service and machines. Besides quotary and the commands of TestScripts they have
//
//	quotaryd serve --data DIR --config FILE  start a service in the background, in $SERVICE;
//	                                         its credential is in credential.token, its root in DIR/ca
//	quotaryd admin issue …                   as the program's
//	attest MACHINE                           has a simulated machine attest, whose attestation
//	                                         is then $ATTESTATION; ! attest: it must be refused
//	enrol tpm-1                              has a simulated TPM enrol its key, which is then $KEY
//
// and in vendor/ what the simulated vendor publishes, in web-1.json and web-2.json
// evidence of two machines, the second with newer firmware.
func TestAdministration(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/administration",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			for name, value := range map[string]string{
				"XDG_CONFIG_HOME": filepath.Join(env.WorkDir, "config"), "QUOTARY_PROFILE": "", "QUOTARY_URL": "", "QUOTARY_ROOT": "",
			} {
				env.Setenv(name, value)
			}
			s, err := newSite(env.WorkDir)
			if err != nil {
				return err
			}
			env.Values[siteKey{}] = s
			env.Defer(s.close)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "quotaryd": quotaryd, "attest": attest, "enrol": enrol,
		},
	})
}

type siteKey struct{}

// site is a simulated vendor with machines, and services for them.
type site struct {
	machines map[string]tee.Attester
	tpm      tpmOfSite
	url      string
	root     []byte
	ends     []func()
}

// newSite writes what a script begins with.
func newSite(dir string) (*site, error) {
	vendor, err := sevsnp.NewVendor(sevsnp.VendorOptions{Seed: "administration", NotBefore: time.Now().Add(-time.Hour)})
	if err != nil {
		return nil, err
	}
	published := &tee.Endorsements{}
	vendor.Endorsements(published)
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: vendor.Anchor().DER})
	if err := writeFile(dir, "vendor/roots/amd.pem", root); err != nil {
		return nil, err
	}
	if err := endorsements.Save(filepath.Join(dir, "vendor", "endorsements"), published); err != nil {
		return nil, err
	}
	if err := writeFile(dir, "cases.yaml", fmt.Appendf(nil, siteCases, time.Now().UTC().Format(time.RFC3339))); err != nil {
		return nil, err
	}
	s := &site{machines: map[string]tee.Attester{}}
	for name, newer := range map[string]uint8{"web-1": 0, "web-2": 3} {
		report := vendor.Report(name)
		report.Measurement = vendor.Report("web-1").Measurement
		for _, level := range []*sevsnp.TCB{&report.ReportedTCB, &report.CurrentTCB, &report.CommittedTCB, &report.LaunchTCB} {
			level.SNP += newer
		}
		machine, err := vendor.NewMachine(sevsnp.MachineOptions{Name: name, Report: report})
		if err != nil {
			return nil, err
		}
		item, err := machine.Item(simulatedReportData)
		if err != nil {
			return nil, err
		}
		encoded, err := evidence.Bundle{item}.MarshalJSON()
		if err != nil {
			return nil, err
		}
		if err := writeFile(dir, name+".json", encoded); err != nil {
			return nil, err
		}
		s.machines[name] = machine
	}
	return s, s.makeTPM(dir)
}

// siteCases say what becomes of the machines of a site now.
const siteCases = `cases:
  - name: the released image
    at: %s
    evidence: web-1.json
    simulated_accepted: true
    expect: {verdict: accepted, workload: web}
`

func (s *site) close() {
	for _, end := range s.ends {
		end()
	}
}

// quotaryd stands in for the service's program, in the test's own process.
func quotaryd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: quotaryd serve|admin issue …")
	}
	if args[0] == "serve" {
		serveSite(ts, args[1:])
		return
	}
	flags := flag.NewFlagSet("admin issue", flag.ContinueOnError)
	data, name, role, out := flags.String("data", "", ""), flags.String("name", "", ""), flags.String("role", "", ""), flags.String("out", "", "")
	ts.Check(flags.Parse(args[2:]))
	parsed, err := admin.ParseRole(*role)
	ts.Check(err)
	ts.Check(issue(filepath.Join(ts.MkAbs(*data), admin.DirName), *name, parsed, ts.MkAbs(*out)))
}

// issue writes a certificate for an administrator with its key.
func issue(dir, name string, role admin.Role, out string) error {
	authority, err := admin.OpenAuthority(dir, "example.org", time.Now)
	if err != nil {
		return err
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	key, err := evidence.NewKey(private.Public())
	if err != nil {
		return err
	}
	_, certificate, err := authority.Issue(admin.Request{Name: name, Role: role, Key: key})
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	return os.WriteFile(out, append(certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...), 0o600)
}

func serveSite(ts *testscript.TestScript, args []string) {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	data, config := flags.String("data", "", ""), flags.String("config", "", "")
	ts.Check(flags.Parse(args))
	c, err := daemon.ReadConfig(ts.MkAbs(*config))
	ts.Check(err)
	d, err := daemon.Open(context.Background(), daemon.Options{Data: ts.MkAbs(*data), Config: c, Version: "test", Logger: slog.New(slog.DiscardHandler)})
	ts.Check(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Serve(ctx, listener) }()
	s := ts.Value(siteKey{}).(*site)
	s.url, s.root = "https://"+listener.Addr().String(), d.RootPEM()
	s.ends = append(s.ends, sync.OnceFunc(func() {
		cancel()
		<-ended
		_ = d.Close()
	}))
	ts.Setenv("SERVICE", s.url)
	ts.Check(os.WriteFile(ts.MkAbs("credential.token"), []byte(d.AdminCredential), 0o600))
}

// attest has a machine attest at the service that was started last.
func attest(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value(siteKey{}).(*site)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.root)
	c, err := client.New(client.Config{URL: s.url, TrustDomain: "example.org", Roots: roots})
	ts.Check(err)
	defer c.Close()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	identity, err := c.Attest(context.Background(), s.machines[args[0]], key, client.AttestOptions{})
	switch {
	case neg && err == nil:
		ts.Fatalf("%s is admitted as %s", args[0], identity.Workload)
	case neg:
		fmt.Fprintln(ts.Stderr(), err)
	case err != nil:
		ts.Fatalf("%v", err)
	default:
		ts.Setenv("ATTESTATION", identity.AttestationID)
	}
}

// TestAdministrationGuide holds the guide to the scripts: every command that it shows
// is run by one of them, word for word.
func TestAdministrationGuide(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "administration.md"))
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob("testdata/administration/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	run := map[string]bool{}
	for _, name := range scripts {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			run[shownCommand(line)] = true
		}
	}
	shown := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(guide), -1) {
		for line := range strings.Lines(strings.ReplaceAll(block[1], "\\\n    ", "")) {
			if line = shownCommand(line); line != "" && !strings.HasPrefix(line, "#") {
				shown++
				if !run[line] {
					t.Errorf("no script runs %q", line)
				}
			}
		}
	}
	if shown < 20 {
		t.Errorf("the guide shows %d commands", shown)
	}
}

// shownCommand is a line without what scripts and guides have around it.
func shownCommand(line string) string {
	line, _, _ = strings.Cut(line, "   #")
	line = regexp.MustCompile(`^(! )?(exits \d|exec) `).ReplaceAllString(strings.TrimSpace(line), "")
	return strings.Join(strings.Fields(line), " ")
}
