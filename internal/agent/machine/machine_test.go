package machine_test

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/machine"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/simulators/tdx"
	simulated "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
	"github.com/quotary/quotary/tee/ima"
	"github.com/quotary/quotary/tee/teetest"
	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

// serve runs a service on a data directory until the returned function is called.
func serve(t *testing.T, data string, c daemon.Config) (*client.Client, func()) {
	t.Helper()
	c.Vendors.Offline = true
	d, err := daemon.Open(t.Context(), daemon.Options{Data: data, Config: c, Version: "test", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Serve(ctx, listener) }()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(d.RootPEM())
	known, err := client.New(client.Config{URL: "https://" + listener.Addr().String(), TrustDomain: "quotary.internal", Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	return known, func() {
		known.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func certificates(der ...[]byte) []byte {
	var out []byte
	for _, d := range der {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: d})...)
	}
	return out
}

// measured has a TPM measure an event into PCR 14, and returns what that then holds.
func measured(t *testing.T, module *tpmtest.TPM) [sha256.Size]byte {
	t.Helper()
	event := sha256.Sum256([]byte("the right kernel"))
	module.Extend(t, 14, event)
	return sha256.Sum256(append(make([]byte, sha256.Size), event[:]...))
}

// makers are the certificates that a TPM's endorsement keys end at.
func makers(module *tpmtest.TPM) (out []byte) {
	for _, cert := range slices.Concat(module.Roots, module.Intermediates) {
		out = append(out, certificates(cert.Raw)...)
	}
	return out
}

// TestSoftwareTPM tries both kinds of machines with one TPM.
func TestSoftwareTPM(t *testing.T) {
	module := tpmtest.Start(t)
	value := measured(t, module)
	t.Run("alone", func(t *testing.T) { testTPM(t, module, value) })
	t.Run("in a confidential VM", func(t *testing.T) { testComposite(t, module, value) })
	t.Run("with measured files", func(t *testing.T) { testIMA(t, module, value) })
}

// testTPM is the life of a machine with a TPM: it is enrolled once, and again before the
// certificate of its attestation key ends, and also when the service has lost its
// authority. Its keys are new each time, and live in the TPM.
func testTPM(t *testing.T, module *tpmtest.TPM, measured [sha256.Size]byte) {
	data := filepath.Join(t.TempDir(), "data")
	config := daemon.Config{
		TPM: daemon.TPM{Enrolment: daemon.Enrolment{Roots: []string{write(t, "makers.pem", makers(module))}}},
		Policies: []string{write(t, "policy.yaml", []byte(`apiVersion: quotary.dev/v1
kind: Workload
name: machine
identity: {spiffe_id: "spiffe://quotary.internal/machine"}
any_of:
  - tpm: {ak: {sources: [enrolled], hierarchy: endorsement}, pcrs: {sha256: {14: ["`+fmt.Sprintf("%x", measured)+`"]}}, key: tpm}
`))},
	}
	service, stop := serve(t, data, config)
	var log logged
	now := time.Now()
	m, err := machine.New(machine.Config{
		TEE: machine.None, TPM: &machine.TPM{Address: module.Address}, KeyInTPM: true, Devices: machine.Devices{Logs: fstest.MapFS{}},
		Logger: slog.New(&log), Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	var keys []any
	attest := func(when string, enrolments int) {
		t.Helper()
		identity, err := m.Attest(t.Context(), service, client.AttestOptions{})
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if made, err := agent.NewIdentity(identity, time.Now()); err != nil || made.ID.String() != "spiffe://quotary.internal/machine" {
			t.Errorf("%s: %v", when, err)
		} else if _, err := made.PrivateKey(); err != agent.ErrKeyInTPM {
			t.Errorf("%s: the key left the TPM: %v", when, err)
		}
		if got := log.count("the attestation key is enrolled"); got != enrolments {
			t.Errorf("%s: %d enrolments, want %d", when, got, enrolments)
		}
		keys = append(keys, identity.Certificate.Leaf.PublicKey)
	}
	attest("at first", 1)
	attest("again", 1)
	if fmt.Sprint(keys[0]) == fmt.Sprint(keys[1]) {
		t.Error("the same key twice")
	}
	now = now.Add(17 * time.Hour)
	attest("before the certificate ends", 2)
	stop()
	if err := os.RemoveAll(filepath.Join(data, "attestation-ca")); err != nil {
		t.Fatal(err)
	}
	service, stop = serve(t, data, config)
	attest("under a new authority", 3)
	stop()
	if _, err := m.Attest(t.Context(), service, client.AttestOptions{}); err == nil || agent.Refused(err) {
		t.Errorf("without a service: %v", err)
	}
}

// logged counts messages.
type logged struct{ messages []string }

func (l *logged) Enabled(context.Context, slog.Level) bool { return true }
func (l *logged) Handle(_ context.Context, r slog.Record) error {
	l.messages = append(l.messages, r.Message)
	return nil
}
func (l *logged) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l *logged) WithGroup(string) slog.Handler      { return l }

func (l *logged) count(message string) (n int) {
	for _, m := range l.messages {
		if m == message {
			n++
		}
	}
	return n
}

// testComposite: a confidential VM with a TPM that it names. What it proves, it proves
// with both.
func testComposite(t *testing.T, module *tpmtest.TPM, measured [sha256.Size]byte) {
	vendor := tdx.NewVendor(tdx.Options{Seed: "agent", Clock: time.Now})
	guest := vendor.NewMachine(tdx.DefaultMachine())
	published := &tee.Endorsements{}
	vendor.Endorsements(published)
	dir := filepath.Join(t.TempDir(), "endorsements")
	if err := endorsements.Save(dir, published); err != nil {
		t.Fatal(err)
	}
	roots := certificates(vendor.Anchor().DER)
	service, stop := serve(t, filepath.Join(t.TempDir(), "data"), daemon.Config{
		TPM:          daemon.TPM{Enrolment: daemon.Enrolment{Roots: []string{write(t, "makers.pem", makers(module))}}},
		Endorsements: []string{dir}, Simulated: daemon.Simulated{Accept: true, Roots: []string{write(t, "roots.pem", roots)}},
		Policies: []string{write(t, "policy.yaml", fmt.Appendf(nil, `apiVersion: quotary.dev/v1
kind: Workload
name: guest
identity: {spiffe_id: "spiffe://quotary.internal/guest"}
allow_simulated: true
any_of:
  - tdx: {mrtd: [%x], rtmr0: any, rtmr1: any, rtmr2: any, rtmr3: any}
    tpm: {ak: {sources: [enrolled]}, pcrs: {sha256: {14: [%x]}}}
`, tdx.DefaultMachine().MRTD, measured))},
	})
	defer stop()
	m, err := machine.New(machine.Config{
		TPM: &machine.TPM{Address: module.Address},
		Devices: machine.Devices{
			SEVSNP: func(uint) (tee.Attester, error) { return failing{evidence.CodeAttesterAbsent}, nil },
			TDX:    func(bool) (tee.Attester, error) { return guest, nil },
			Logs:   fstest.MapFS{},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	identity, err := m.Attest(t.Context(), service, client.AttestOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := agent.NewIdentity(identity, time.Now()); err != nil || !identity.Simulated {
		t.Errorf("%+v, %v", identity, err)
	}
	if kinds, err := m.Kinds(t.Context()); err != nil || !slices.Equal(kinds, []evidence.Kind{evidence.KindTDX, evidence.KindTPM}) {
		t.Errorf("kinds %v, %v", kinds, err)
	}
}

// Which TEE a machine is shows when it is asked.
func TestDetect(t *testing.T) {
	is := func(kind evidence.Kind) func() (tee.Attester, error) {
		return func() (tee.Attester, error) { return teetest.Attester{kind}, nil }
	}
	fails := func(code evidence.Code) func() (tee.Attester, error) {
		return func() (tee.Attester, error) { return nil, evidence.Errorf(code, "", "so") }
	}
	absent := fails(evidence.CodeAttesterAbsent)
	later := func() (tee.Attester, error) { return failing{evidence.CodeAttesterAbsent}, nil } // as in a guest of another kind
	for name, test := range map[string]struct {
		config machine.Config
		snp    func() (tee.Attester, error)
		tdx    func() (tee.Attester, error)
		want   evidence.Kind
		code   evidence.Code
	}{
		"an SNP guest":              {machine.Config{}, is(evidence.KindSEVSNP), absent, evidence.KindSEVSNP, evidence.Code{}},
		"a TDX guest":               {machine.Config{}, absent, is(evidence.KindTDX), evidence.KindTDX, evidence.Code{}},
		"with the other's kernel":   {machine.Config{}, later, is(evidence.KindTDX), evidence.KindTDX, evidence.Code{}},
		"not for this user":         {machine.Config{}, fails(evidence.CodeAttesterDenied), is(evidence.KindTDX), "", evidence.CodeAttesterDenied},
		"nothing":                   {machine.Config{}, absent, absent, "", evidence.CodeAttesterAbsent},
		"told to be TDX, and is":    {machine.Config{TEE: machine.TDX}, is(evidence.KindSEVSNP), is(evidence.KindTDX), evidence.KindTDX, evidence.Code{}},
		"told to be TDX, is not":    {machine.Config{TEE: machine.TDX}, is(evidence.KindSEVSNP), absent, "", evidence.CodeAttesterAbsent},
		"told to be no TEE":         {machine.Config{TEE: machine.None}, is(evidence.KindSEVSNP), absent, "", evidence.CodeAttesterAbsent},
		"a TPM that is not there":   {machine.Config{TPM: &machine.TPM{}}, is(evidence.KindSEVSNP), absent, "", evidence.CodeAttesterAbsent},
		"another TEE":               {machine.Config{TEE: "sgx"}, absent, absent, "", evidence.CodeConfigMalformed},
		"another level":             {machine.Config{VMPL: 4}, absent, absent, "", evidence.CodeConfigMalformed},
		"another platform":          {machine.Config{TPM: &machine.TPM{Platform: "moon"}}, absent, absent, "", evidence.CodeConfigMalformed},
		"Azure's, beside a TEE":     {machine.Config{TEE: machine.SEVSNP, TPM: &machine.TPM{Platform: machine.Azure}}, absent, absent, "", evidence.CodeConfigMalformed},
		"keys in a TPM, without it": {machine.Config{TEE: machine.SEVSNP, KeyInTPM: true}, absent, absent, "", evidence.CodeConfigMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			test.config.Devices = machine.Devices{
				SEVSNP: func(uint) (tee.Attester, error) { return test.snp() }, TDX: func(bool) (tee.Attester, error) { return test.tdx() },
				TPM: filepath.Join(t.TempDir(), "tpmrm0"),
			}
			m, err := machine.New(test.config)
			var kinds []evidence.Kind
			if err == nil {
				kinds, err = m.Kinds(t.Context())
			}
			if evidence.CodeOf(err) != test.code || test.want != "" && !slices.Equal(kinds, []evidence.Kind{test.want}) {
				t.Errorf("%v, %v", kinds, err)
			}
			if err != nil {
				return
			}
			var binding evidence.Binding
			binding[0] = 0x5a
			bundle, err := m.Collect(t.Context(), binding)
			if err != nil || len(bundle) != 1 || bundle[0].Kind() != test.want || teetest.ReportData(bundle[0])[0] != 0x5a {
				t.Errorf("collected %v, %v", bundle, err)
			}
		})
	}
}

// failing is an attester that gives nothing.
type failing struct{ code evidence.Code }

func (failing) Kinds() []evidence.Kind { return nil }
func (f failing) Attest(context.Context, evidence.Binding) (evidence.Bundle, error) {
	return nil, evidence.Errorf(f.code, "", "so")
}

// kernel is a kernel's measurement list, which the software TPM is extended by.
type kernel struct {
	t      *testing.T
	module *tpmtest.TPM
	list   *simulated.Machine // which makes the entries
	logs   fstest.MapFS
	known  int // entries that the TPM was extended by
}

// boot measures what policy wants, and starts a list.
func boot(t *testing.T, module *tpmtest.TPM, logs fstest.MapFS) *kernel {
	t.Helper()
	vendor, err := simulated.NewVendor(simulated.Options{Seed: "files"})
	if err != nil {
		t.Fatal(err)
	}
	for _, pcr := range []uint32{4, 11, 12, 13} {
		module.Extend(t, pcr, sha256.Sum256([]byte("the right kernel")))
	}
	k := &kernel{t: t, module: module, logs: logs}
	if k.list, err = vendor.NewMachine(simulated.MachineOptions{Name: "files", IMA: true, PCRs: []int{10}}); err != nil {
		t.Fatal(err)
	}
	return k
}

// read measures a file.
func (k *kernel) read(path string) {
	k.t.Helper()
	content := sha256.Sum256([]byte(path))
	if err := k.list.MeasureFile(path, content[:]); err != nil {
		k.t.Fatal(err)
	}
	bundle, err := k.list.Attest(k.t.Context(), evidence.Binding{})
	if err != nil {
		k.t.Fatal(err)
	}
	raw := bundle[0].(*evidence.TPM).IMALog
	list, err := ima.Parse(raw)
	if err != nil {
		k.t.Fatal(err)
	}
	for _, entry := range list.Entries[k.known:] {
		k.module.Extend(k.t, 10, sha256.Sum256(entry.Data))
	}
	k.known = len(list.Entries)
	k.logs["ima/binary_runtime_measurements"] = &fstest.MapFile{Data: raw}
}

// testIMA: of the kernel's list the machine sends what is new, and all of it after a
// restart, and where the service asks for it.
func testIMA(t *testing.T, module *tpmtest.TPM, value [sha256.Size]byte) {
	config := daemon.Config{
		TPM: daemon.TPM{Enrolment: daemon.Enrolment{Roots: []string{write(t, "makers.pem", makers(module))}}},
		Policies: []string{write(t, "policy.yaml", fmt.Appendf(nil, `apiVersion: quotary.dev/v1
kind: Workload
name: machine
identity: {spiffe_id: "spiffe://quotary.internal/machine"}
any_of:
  - tpm: {ak: {sources: [enrolled]}, pcrs: {sha256: {0: any, 4: [%[1]x], 11: [%[1]x], 12: [%[1]x], 13: [%[1]x], 14: [%[1]x]}}, ima: {boot_aggregate: any, files: [%[2]x, %[3]x]}}
`, value, sha256.Sum256([]byte("/usr/bin/first")), sha256.Sum256([]byte("/usr/bin/second"))))},
	}
	service, stop := serve(t, filepath.Join(t.TempDir(), "data"), config)
	defer func() { stop() }()
	logs := fstest.MapFS{}
	m, err := machine.New(machine.Config{TEE: machine.None, TPM: &machine.TPM{Address: module.Address, IMA: true}, Devices: machine.Devices{Logs: logs}})
	if err != nil {
		t.Fatal(err)
	}
	attest := func(when string, judged int) {
		t.Helper()
		if _, err := m.Attest(t.Context(), service, client.AttestOptions{}); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		bundle, err := m.Collect(t.Context(), evidence.Binding{})
		if err != nil {
			t.Fatal(err)
		}
		if got := bundle[0].(*evidence.TPM).IMAOffset; got != uint64(judged) {
			t.Errorf("%s: the next evidence begins behind %d entries, want %d", when, got, judged)
		}
	}
	k := boot(t, module, logs)
	k.read("/usr/bin/first")
	attest("at first", 2) // the aggregate and the file
	attest("again", 2)
	k.read("/usr/bin/second")
	attest("with another file", 3)
	stop()
	service, stop = serve(t, filepath.Join(t.TempDir(), "data"), config) // which has judged nothing
	attest("at a service that lost everything", 3)
	module.Reboot(t)
	measured(t, module)
	k = boot(t, module, logs)
	k.read("/usr/bin/first")
	attest("after a restart", 2)
	k.read("/tmp/intruder")
	if _, err := m.Attest(t.Context(), service, client.AttestOptions{}); !agent.Refused(err) {
		t.Errorf("with a file that nobody knows: %v", err)
	}
}
