package daemon_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/tokens"
)

// slots returns the authorities of a data directory as quotaryd ca has them.
func slots(t *testing.T, data string) *ca.Slots {
	t.Helper()
	s, err := daemon.OpenSlots(data, daemon.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// verifies reports whether an identity verifies under roots.
func verifies(id *client.Identity, roots *x509.CertPool) bool {
	intermediates := x509.NewCertPool()
	for _, der := range id.Certificate.Certificate[1:] {
		if cert, err := x509.ParseCertificate(der); err == nil {
			intermediates.AddCert(cert)
		}
	}
	_, err := id.Certificate.Leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err == nil
}

// An operator replaces a stolen authority while machines attest: nobody who attests
// is refused, everybody who did verifies, and when it is revoked no leaf of it does.
func TestAttack_K22_AuthorityIsReplacedWhileMachinesAttest(t *testing.T) {
	s := simulate(t)
	data := filepath.Join(t.TempDir(), "data")
	r := start(t, data, daemon.Config{
		Policies: []string{s.policy(t, "allow_simulated: true")}, Endorsements: []string{s.endorsements},
		Simulated: daemon.Simulated{Accept: true, Roots: s.roots}, Vendors: daemon.Vendors{Offline: true},
		Authority: daemon.Authority{AttestationResults: true},
	})
	machine := s.machines[evidence.KindTDX]
	old := x509.NewCertPool()
	old.AppendCertsFromPEM(r.RootPEM())
	attest := func(roots *x509.CertPool) (*client.Identity, error) {
		c, err := client.New(client.Config{URL: r.url, TrustDomain: "quotary.internal", Roots: roots})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return c.Attest(t.Context(), machine, key, client.AttestOptions{})
	}
	before, err := attest(old)
	if err != nil {
		t.Fatal(err)
	}
	var load sync.WaitGroup
	for range 2 {
		load.Go(func() {
			for range 6 {
				if id, err := attest(old); err != nil || !verifies(id, id.Roots) {
					t.Errorf("during the change: %v", err)
				}
			}
		})
	}
	if _, err := slots(t, data).Emergency(); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	load.Wait()
	after, err := attest(old) // who knows the old root alone still finds the service
	if err != nil {
		t.Fatal(err)
	}
	if verifies(after, old) || !verifies(after, after.Roots) || !verifies(before, after.Roots) {
		t.Error("the new identity is to be of the new root, and both are to be in the bundle")
	}
	if _, err := slots(t, data).Revoke(); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	last, err := attest(after.Roots)
	if err != nil {
		t.Fatal(err)
	}
	if verifies(before, last.Roots) || !verifies(after, last.Roots) {
		t.Error("the stolen root is to be gone, and the new one to stay")
	}
	if _, err := attest(old); evidence.CodeOf(err) != evidence.CodeServiceUnreached {
		t.Errorf("the service still shows a certificate of the stolen root: %v", err)
	}
	carries(t, last, r.jwks(t, last.Roots))
	if got := told(t, data); got != "service activate, operator prepare, operator activate, operator taint, operator revoke" {
		t.Errorf("the audit trail has %s", got)
	}
}

// jwks fetches the key set of attestation results.
func (r *running) jwks(t *testing.T, roots *x509.CertPool) tokens.KeySet {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/.well-known/jwks.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := tokens.ParseKeySet(data)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// carries expects the certificate of an identity to carry the attestation result
// that it rests on.
func carries(t *testing.T, id *client.Identity, keys tokens.KeySet) {
	t.Helper()
	v, err := tokens.NewVerifier(tokens.VerifierConfig{
		Keys: keys, Issuer: "spiffe://quotary.internal/quotary", Audience: "quotary.internal", AcceptSimulated: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := v.VerifyCertificate(id.Certificate.Leaf)
	if err != nil {
		t.Fatal(err)
	}
	if claims.Appraisal.ID != id.AttestationID || claims.Subject != id.SPIFFEID || claims.Submodules["tdx"].Policies[0] != id.PolicyDigest {
		t.Errorf("%+v", claims)
	}
}

// told is who did what to authorities, by the audit trail.
func told(t *testing.T, data string) string {
	t.Helper()
	ledger, err := store.Open(t.Context(), daemon.LedgerPath(data))
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	events, err := ledger.Events(t.Context(), store.EventFilter{Action: "authority", OldestFirst: true, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range events {
		var c ca.Change
		if err := json.Unmarshal(e.Detail, &c); err != nil || e.Outcome != store.Done || string(c.By) != e.Actor {
			t.Errorf("%s: %s (%v)", e.Actor, e.Detail, err)
		}
		out = append(out, e.Actor+" "+string(c.Step))
	}
	return strings.Join(out, ", ")
}

// By their age alone authorities succeed each other, also while the service is off.
// What happened meanwhile is in the audit trail once.
func TestAuthoritiesByAge(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	first := start(t, data, daemon.Config{})
	first.stop()
	at := time.Now()
	open := func(after time.Duration, c daemon.Config) *daemon.Daemon {
		t.Helper()
		at = at.Add(after)
		d, err := daemon.Open(t.Context(), daemon.Options{Data: data, Config: c, Version: "test", Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return at }})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	const day = 24 * time.Hour
	expect := func(states ...ca.State) {
		t.Helper()
		status, err := slots(t, data).Status()
		if err != nil || len(status.Slots) != len(states) {
			t.Fatalf("%d authorities (%v)", len(status.Slots), err)
		}
		for i, slot := range status.Slots {
			if slot.State != states[i] {
				t.Errorf("slot %s is %s, want %s", slot.Name, slot.State, states[i])
			}
		}
	}
	manual := daemon.Config{Authority: daemon.Authority{Rotation: "manual"}}
	open(400*day, manual).Close()
	expect(ca.Active)
	d := open(0, daemon.Config{})
	expect(ca.Active, ca.Prepared)
	at = at.Add(230 * day) // while it runs
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(ca.Old, ca.Active)
	d.Close()
	open(2*day, daemon.Config{}).Close()
	expect(ca.Active)
	if got := told(t, data); got != "service activate, service prepare, service activate, service revoke" {
		t.Errorf("the audit trail has %s", got)
	}
}

// A change that cannot be recorded is not in force.
func TestAuthorityThatCannotBeRecordedIsNotInForce(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	d, err := open(t, data, daemon.Config{})
	if err != nil {
		t.Fatal(err)
	}
	root := string(d.RootPEM())
	if _, err := slots(t, data).Emergency(); err != nil {
		t.Fatal(err)
	}
	if _, err := slots(t, data).Revoke(); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil { // the ledger with it
		t.Fatal(err)
	}
	if err := d.Reload(t.Context()); err == nil {
		t.Error("a reload without a ledger")
	}
	if string(d.RootPEM()) != root {
		t.Error("an authority is in force that is not on record")
	}
}
