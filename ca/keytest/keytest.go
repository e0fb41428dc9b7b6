// Package keytest has one test of every place where private keys can be: files, a TPM,
// a token. Whatever the service signs must be signed there, by the same keys after
// a restart, and leave nothing that a thief of the files could sign with.
//
// Start at [Run].
package keytest

import (
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/keyfile"
	"github.com/quotary/quotary/tokens"
	"github.com/quotary/quotary/verifier"
	"github.com/quotary/quotary/verifier/verifiertest"
)

// Run tests the keys that open opens, as a process does that has just been started.
func Run(t *testing.T, open func(t *testing.T) ca.Keys) {
	for name, test := range map[string]func(*house){
		"issuing": issuing, "succession": succession, "offline root": offlineRoot,
		"attestation keys": attestationKeys, "keys of others": keysOfOthers, "lost keys": lostKeys,
	} {
		t.Run(name, func(t *testing.T) {
			test(&house{T: t, dir: filepath.Join(t.TempDir(), "ca"), open: open, now: time.Now().Truncate(time.Second)})
		})
	}
	t.Run("store", func(t *testing.T) {
		if keys := open(t); keys.New != nil {
			store(t, keys.New, open)
		}
	})
}

// house is a folder with authorities, and the time of everything.
type house struct {
	*testing.T
	dir  string
	open func(*testing.T) ca.Keys
	now  time.Time
}

func (h *house) path(name string) string { return filepath.Join(h.dir, name) }

func (h *house) config() ca.Config {
	return ca.Config{Dir: h.dir, TrustDomain: verifiertest.TrustDomain, Keys: h.open(h.T), Now: func() time.Time { return h.now }}
}

// start opens the authority, as a service that has just been started.
func (h *house) start() *ca.Authority {
	h.Helper()
	return must(ca.Open(h.config()))(h.T)
}

// operator returns the slots for changes.
func (h *house) operator() *ca.Slots {
	h.Helper()
	return must(ca.OpenSlots(h.config(), ca.Operator))(h.T)
}

func (h *house) result(purpose evidence.Purpose) verifier.Result {
	return verifiertest.Accepted(h, verifiertest.Request{At: h.now, Purpose: purpose})
}

// issues has the authority issue everything that it does, and each is verified by what
// relying parties have.
func (h *house) issues(a *ca.Authority) {
	h.Helper()
	svid := must(a.Issue(h.result("")))(h.T)
	leaf := must(x509.ParseCertificate(svid.Chain[0]))(h.T)
	intermediates := x509.NewCertPool()
	intermediates.AddCert(must(x509.ParseCertificate(svid.Chain[1]))(h.T))
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: a.Roots(), Intermediates: intermediates, CurrentTime: h.now}); err != nil {
		h.Error(err)
	}
	lists := must(a.RevocationLists([]ca.Revocation{{Serial: leaf.SerialNumber, Time: h.now}}, 1))(h.T)
	if len(lists.Issuing) != len(a.Status().Slots) {
		h.Errorf("%d lists of issuing CAs", len(lists.Issuing))
	}
	if _, err := a.Responder(); err != nil {
		h.Error(err)
	}
	h.jwtSVID(a)
}

// files says of every private key's file what it has, by its path in the folder.
func (h *house) files() map[string]string {
	h.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(h.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".key" {
			return err
		}
		name, _ := filepath.Rel(h.dir, path)
		info, err := entry.Info()
		if err == nil && info.Mode() != 0o600 {
			h.Errorf("%s has the mode %v", name, info.Mode())
		}
		out[name], err = keyfile.Label(path)
		return err
	})
	if err != nil {
		h.Fatal(err)
	}
	return out
}

// label is what files of keys have.
func label(keys ca.Keys) string {
	if keys.New == nil {
		return ca.InFile
	}
	return keys.New.Label()
}

// issuing is a first start, and another one.
func issuing(h *house) {
	a := h.start()
	h.issues(a)
	h.attestationResults()
	want := label(h.open(h.T))
	for name, got := range h.files() {
		if got != want {
			h.Errorf("%s has a %q, want a %q", name, got, want)
		}
	}
	if slot := a.Status().Slots[0]; slot.Keys != want {
		h.Errorf("the status says that keys are in %q", slot.Keys)
	}
	again := h.start()
	if again.Created() || again.Status().Slots[0].Authority != a.Status().Slots[0].Authority {
		h.Error("a restart has another authority")
	}
	h.issues(again)
}

// succession is an emergency: another authority with a root of its own takes over, and the
// keys of the one before are destroyed.
func succession(h *house) {
	a, slots := h.start(), h.operator()
	must(slots.Prepare(false))(h.T)
	must(slots.Activate(true))(h.T)
	h.refresh(a)
	h.issues(a)
	must(slots.Emergency())(h.T)
	h.refresh(a)
	h.issues(a)
	must(slots.Revoke())(h.T)
	h.refresh(a)
	h.issues(h.start())
	active := a.Status().Slots
	if len(active) != 1 {
		h.Fatalf("%d authorities are left", len(active))
	}
	for name := range h.files() {
		if filepath.Dir(name) != active[0].Authority {
			h.Errorf("%s is still there", name)
		}
	}
}

func (h *house) refresh(a *ca.Authority) {
	h.Helper()
	if err := a.Refresh(func([]ca.Change) error { return nil }); err != nil {
		h.Fatal(err)
	}
}

// offlineRoot has a root, whose key is elsewhere, sign the next issuing CA.
func offlineRoot(h *house) {
	a, slots := h.start(), h.operator()
	elsewhere := filepath.Join(h.TempDir(), "root.key")
	if err := os.Rename(h.path("root.key"), elsewhere); err != nil {
		h.Fatal(err)
	}
	if _, err := slots.Prepare(false); evidence.CodeOf(err) != evidence.CodeAuthorityRootAway {
		h.Errorf("without the root's key: %v", err)
	}
	request := must(slots.Request())(h.T)
	certificate := must(ca.SignIssuing(h.open(h.T), elsewhere, h.path("root.crt"), request, 0, h.now))(h.T)
	if _, _, err := ca.SignRootList(h.open(h.T), elsewhere, h.path("root.crt"), ca.RootList{Life: time.Hour}, h.now); err != nil {
		h.Error(err)
	}
	if _, err := slots.Install([]byte("no certificate"), nil); err == nil {
		h.Error("what is no certificate is installed")
	}
	must(h.operator().Install(certificate, nil))(h.T)
	must(slots.Activate(false))(h.T)
	h.refresh(a)
	h.issues(a)
	h.issues(h.start())
}

// attestationKeys opens the CAs of attestation keys twice.
func attestationKeys(h *house) {
	open := func() *ca.AttestationAuthority {
		return must(ca.OpenAttestation(ca.AttestationConfig{Dir: h.dir, Keys: h.open(h.T), Simulated: true, Now: func() time.Time { return h.now }}))(h.T)
	}
	if one, two := open(), open(); string(one.PEM()) != string(two.PEM()) {
		h.Error("a restart has other CAs")
	}
	if files := h.files(); len(files) != 2 || files["attestation.key"] != label(h.open(h.T)) {
		h.Errorf("files %v", files)
	}
}

// keysOfOthers puts another key in the place of one that a certificate is for, and one key in
// two roles.
func keysOfOthers(h *house) {
	h.start()
	keep := h.path("issuing.key")
	if err := errors.Join(os.Rename(h.path("jwt.key"), h.path("jwt.kept")), os.Link(keep, h.path("jwt.key"))); err != nil {
		h.Fatal(err)
	}
	if _, err := ca.Open(h.config()); evidence.CodeOf(err) != evidence.CodeAuthorityKeyShared {
		h.Errorf("one key in two roles: %v", err)
	}
	if err := os.Rename(h.path("jwt.kept"), h.path("jwt.key")); err != nil {
		h.Fatal(err)
	}
	if err := errors.Join(os.Rename(keep, keep+".kept"), os.Rename(h.path("jwt.key"), keep)); err != nil {
		h.Fatal(err)
	}
	if _, err := ca.Open(h.config()); evidence.CodeOf(err) != evidence.CodeAuthorityCert {
		h.Errorf("a key that the certificate is not for: %v", err)
	}
	if err := os.Chmod(keep, 0o640); err != nil {
		h.Fatal(err)
	}
	if _, err := ca.Open(h.config()); evidence.CodeOf(err) != evidence.CodeAuthorityKeyFile {
		h.Errorf("a key that others can read: %v", err)
	}
}

// lostKeys has the keys be where the configuration does not lead any more: nothing is made anew, and
// an emergency is a way out.
func lostKeys(h *house) {
	keys := h.open(h.T)
	if keys.New == nil {
		return
	}
	lost := h.start().Status().Slots[0].Authority
	config := h.config()
	config.Keys = ca.Keys{}
	if _, err := ca.Open(config); evidence.CodeOf(err) != evidence.CodeAuthorityKeyUnavailable {
		h.Errorf("without the store: %v", err)
	}
	slots := must(ca.OpenSlots(config, ca.Operator))(h.T)
	must(slots.Emergency())(h.T)
	if _, err := slots.Revoke(); evidence.CodeOf(err) != evidence.CodeAuthorityKeyUnavailable {
		h.Errorf("keys that cannot be reached are taken for destroyed: %v", err)
	}
	for _, name := range []string{"root.key", "issuing.key", "jwt.key"} {
		if err := os.Remove(h.path(name)); err != nil {
			h.Error(err)
		}
	}
	a := must(ca.Open(config))(h.T)
	if slot := a.Status().Slots; len(slot) != 1 || slot[0].Authority == lost || slot[0].Keys != ca.InFile {
		h.Errorf("what is left: %+v", slot)
	}
	h.issues(a)
}

// attestationResults signs attestation results as JWT and CWT.
func (h *house) attestationResults() {
	h.Helper()
	private, created, err := h.open(h.T).LoadOrCreate(h.path("token.key"), elliptic.P256())
	if err != nil || !created {
		h.Fatalf("created %v: %v", created, err)
	}
	now := func() time.Time { return h.now }
	key := must(tokens.NewSigningKey(private))(h.T)
	issuer := must(tokens.NewIssuer(tokens.Config{Key: key, Issuer: "https://quotary", Build: "1", Now: now}))(h.T)
	token := must(issuer.Issue(h.result(evidence.PurposeToken), tokens.Options{Audience: "a"}))(h.T)
	v := must(tokens.NewVerifier(tokens.VerifierConfig{Keys: issuer.Keys(), Issuer: "https://quotary", Audience: "a", Now: now}))(h.T)
	if _, err := v.VerifyJWT(token.JWT); err != nil {
		h.Error(err)
	}
	if _, err := v.VerifyCWT(token.CWT); err != nil {
		h.Error(err)
	}
}

// must returns what a function returned that must not fail.
func must[T any](value T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return value
	}
}
