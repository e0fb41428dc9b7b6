//go:build boot

package boottest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/boottest"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

// service is a real service that enrols the TPMs of one maker.
type service struct {
	*daemon.Daemon
	addr     net.Addr
	data     string // the folder with its ledger
	policies string // the folder, which is read when reload is called
	stop     func() // once, and the ledger is nobody's
}

// serve starts a service. No policy is in force yet: what machines must be depends on the
// service's root, which is in their initial RAM disk.
func serve(t *testing.T, ca *tpmtest.CA) *service {
	t.Helper()
	dir := t.TempDir()
	s := &service{data: filepath.Join(dir, "data"), policies: filepath.Join(dir, "policies")}
	if err := os.Mkdir(s.policies, 0o700); err != nil {
		t.Fatal(err)
	}
	var makers bytes.Buffer
	for _, cert := range ca.Certificates(t) {
		pem.Encode(&makers, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}) // to memory: it does not fail
	}
	roots := filepath.Join(dir, "makers.pem")
	if err := os.WriteFile(roots, makers.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	s.Daemon, err = daemon.Open(t.Context(), daemon.Options{
		Data: s.data, Version: "test", Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Config: daemon.Config{
			TLSNames: []string{boottest.ServiceHost}, Policies: []string{s.policies},
			Vendors: daemon.Vendors{Offline: true}, TPM: daemon.TPM{Enrolment: daemon.Enrolment{Roots: []string{roots}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

// recorded stops the service, and checks by its ledger that each machine sent the kernel's
// measurement list whole at first, and for the renewal what was new.
func (s *service) recorded(t *testing.T, machines []*boottest.Report) {
	t.Helper()
	s.stop()
	ledger, err := store.Open(t.Context(), daemon.LedgerPath(s.data))
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	for _, told := range machines {
		var lists []*evidence.IMAClaims
		for _, outcome := range told.Outcomes {
			if outcome.Granted() {
				lists = append(lists, listOf(t, ledger, outcome.AttestationID))
			}
		}
		if first, renewal := lists[0], lists[1]; first.Offset != 0 || first.Entries == 0 || renewal.Offset != first.Entries {
			t.Errorf("the measurement lists are %+v and %+v", first, renewal)
		}
	}
}

// listOf is what the ledger has of the measurement list that came with an attestation.
func listOf(t *testing.T, ledger *store.Store, attestation string) *evidence.IMAClaims {
	t.Helper()
	issued, _, err := ledger.Issuances(t.Context(), store.IssuanceFilter{AttestationID: attestation, Claims: true, Limit: 1})
	if err != nil || len(issued) != 1 {
		t.Fatalf("%s is not in the ledger: %v", attestation, err)
	}
	var claims []evidence.Claims
	if err := json.Unmarshal(issued[0].Claims, &claims); err != nil {
		t.Fatal(err)
	}
	if len(claims) != 1 || claims[0].TPM == nil || claims[0].TPM.IMA == nil {
		t.Fatalf("%s has no measurement list: %+v", attestation, claims)
	}
	return claims[0].TPM.IMA
}

// measure computes reference values from an image as operators do.
func (a *artefacts) measure(t *testing.T, name, image string, flags ...string) []byte {
	t.Helper()
	command := exec.Command(filepath.Join(a.dir, "quotary"), append([]string{"measure", "pcr", "--uki", image, "--reference", name}, flags...)...)
	var said bytes.Buffer
	command.Stderr = &said
	document, err := command.Output()
	if err != nil {
		t.Fatalf("quotary measure: %v\n%s", err, said.String())
	}
	return document
}

// files are reference values of the files that the kernel measures.
func (a *artefacts) files() []byte {
	document := []byte("apiVersion: quotary.dev/v1\nkind: ReferenceValues\nname: good-files\ntechnology: tpm\n" +
		"provenance: {source: the test, created_by: the test, created_at: 2026-11-20T10:00:00Z}\nnot_after: 2126-11-20T10:00:00Z\nvalues:\n  ima:\n    files:\n")
	for _, file := range a.measured() {
		document = fmt.Appendf(document, "      - %x\n", sha256.Sum256(file))
	}
	return document
}

// enforce puts the policy in force, with these documents of reference values.
func (s *service) enforce(t *testing.T, references ...[]byte) {
	t.Helper()
	for name, text := range map[string][]byte{"references.yaml": bytes.Join(references, []byte("---\n")), "policy.yaml": read(t, "testdata/policy.yaml")} {
		if err := os.WriteFile(filepath.Join(s.policies, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
}
