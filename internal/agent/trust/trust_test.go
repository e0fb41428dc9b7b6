package trust_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent/agenttest"
	"github.com/quotary/quotary/internal/agent/trust"
	"github.com/quotary/quotary/internal/server/servertest"
	"github.com/quotary/quotary/tee/teetest"
)

// world is a service, and what operators know it by.
type world struct {
	service *servertest.Service
	root    *x509.Certificate
	digest  [sha256.Size]byte
	pem     string // files
	json    string
	dir     string
}

func newWorld(t *testing.T) world {
	t.Helper()
	w := world{service: servertest.New(t, servertest.Options{}), dir: t.TempDir()}
	block, _ := pem.Decode(w.service.Authority.RootPEM())
	w.digest = sha256.Sum256(block.Bytes)
	var err error
	if w.root, err = x509.ParseCertificate(block.Bytes); err != nil {
		t.Fatal(err)
	}
	bundle, err := w.service.Authority.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	w.pem, w.json = w.write(t, "root.pem", w.service.Authority.RootPEM()), w.write(t, "bundle.json", bundle)
	return w
}

func (w world) write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// attest reports whether the service can be used.
func attest(t *testing.T, known *trust.Trust) error {
	t.Helper()
	c, err := known.Client(t.Context())
	if err != nil {
		return err
	}
	t.Cleanup(c.Close)
	_, err = c.Attest(t.Context(), teetest.Attester{evidence.KindSEVSNP}, agenttest.NewKey(t), client.AttestOptions{})
	return err
}

// bundleOf is a bundle of the service's trust domain.
func bundleOf(sequence uint64, roots ...*x509.Certificate) *spiffebundle.Bundle {
	bundle := spiffebundle.FromX509Authorities(spiffeid.RequireTrustDomainFromString(servertest.TrustDomain), roots)
	bundle.SetSequenceNumber(sequence)
	return bundle
}

// The service is known by a root, a bundle or a digest, and by nothing else.
func TestTrust(t *testing.T) {
	w := newWorld(t)
	foreign := agenttest.NewAuthority(t).Root
	stranger := w.write(t, "stranger.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: foreign.Raw}))
	wrong := sha256.Sum256([]byte("another"))
	for name, test := range map[string]struct {
		config trust.Config
		code   evidence.Code
	}{
		"root":             {trust.Config{BundleFile: w.pem}, evidence.Code{}},
		"bundle":           {trust.Config{BundleFile: w.json}, evidence.Code{}},
		"digest":           {trust.Config{RootSHA256: &w.digest}, evidence.Code{}},
		"the trust domain": {trust.Config{BundleFile: w.json, TrustDomain: servertest.TrustDomain}, evidence.Code{}},
		"another domain":   {trust.Config{BundleFile: w.json, TrustDomain: "other.org"}, evidence.CodeServiceUnreached},
		"another root":     {trust.Config{BundleFile: stranger}, evidence.CodeServiceUnreached},
		"that, renamed":    {trust.Config{BundleFile: stranger, TrustDomain: servertest.TrustDomain}, evidence.CodeServiceUnreached},
		"another digest":   {trust.Config{RootSHA256: &wrong}, evidence.CodeServiceUnreached},
		"nothing":          {trust.Config{}, evidence.CodeConfigMalformed},
		"both":             {trust.Config{BundleFile: w.json, RootSHA256: &w.digest}, evidence.CodeConfigMalformed},
		"an empty file":    {trust.Config{BundleFile: w.write(t, "empty", nil)}, evidence.CodeConfigMalformed},
		"no certificate":   {trust.Config{BundleFile: w.write(t, "noise", []byte("noise"))}, evidence.CodeConfigMalformed},
		"a bundle of none": {trust.Config{BundleFile: w.write(t, "none.json", []byte(`{"keys":[]}`))}, evidence.CodeConfigMalformed},
		"no bundle":        {trust.Config{BundleFile: w.write(t, "no.json", []byte(`{"keys":`))}, evidence.CodeConfigMalformed},
		"no trust domain":  {trust.Config{BundleFile: w.json, TrustDomain: "Other Org"}, evidence.CodeConfigMalformed},
		"a leaf, not a root": {trust.Config{BundleFile: w.write(t, "leaf.pem",
			pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: agenttest.NewAuthority(t).Issue(t, "leaf", 3600e9).Certificate.Leaf.Raw})),
			TrustDomain: servertest.TrustDomain}, evidence.CodeConfigMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			test.config.URL = w.service.URL
			known, err := trust.Open(test.config)
			if err == nil {
				err = attest(t, known)
			}
			if evidence.CodeOf(err) != test.code {
				t.Errorf("%v, want %q", err, test.code)
			}
		})
	}
}

// What the service publishes replaces what the operator gave, also after a restart, and
// is not replaced by what is older. With other trust configured it counts no more.
func TestTrustIsRenewedAndKept(t *testing.T) {
	w := newWorld(t)
	next := agenttest.NewAuthority(t).Root
	keep := filepath.Join(w.dir, "kept.json")
	config := trust.Config{URL: w.service.URL, RootSHA256: &w.digest, Keep: keep}
	open := func(c trust.Config) *trust.Trust {
		t.Helper()
		known, err := trust.Open(c)
		if err != nil {
			t.Fatal(err)
		}
		return known
	}
	first := open(config)
	if _, err := first.Client(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(keep); err == nil {
		t.Error("a root that was only fetched is kept")
	}
	fresh, err := first.Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	published := fresh.Bundle
	if len(published.X509Authorities()) != 1 || !published.X509Authorities()[0].Equal(w.root) {
		t.Fatalf("published %v, %v", published, err)
	}
	if info, err := os.Stat(keep); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the kept file: %v, %v", info, err)
	}
	first.Learn(bundleOf(1<<40, next)) // the service's root is replaced
	if err := attest(t, first); evidence.CodeOf(err) != evidence.CodeServiceUnreached {
		t.Errorf("with a root that the service is not under: %v", err)
	}
	first.Learn(published)                                 // an older one
	first.Learn(bundleOf(1 << 41))                         // none at all
	first.Learn(agenttest.NewAuthority(t).Bundle(1 << 42)) // another trust domain's
	if err := attest(t, first); evidence.CodeOf(err) != evidence.CodeServiceUnreached {
		t.Errorf("an older bundle counts: %v", err)
	}
	if err := attest(t, open(config)); evidence.CodeOf(err) != evidence.CodeServiceUnreached {
		t.Errorf("after a restart the kept bundle does not count: %v", err)
	}
	if err := attest(t, open(trust.Config{URL: w.service.URL, BundleFile: w.pem, Keep: keep})); err != nil {
		t.Errorf("with other trust configured the kept bundle counts: %v", err)
	}
	first.Learn(bundleOf(1<<43, next, w.root))
	if err := attest(t, open(config)); err != nil {
		t.Errorf("restarted with both roots: %v", err)
	}
}

// A kept file that somebody else put there, that others can write to, or that is damaged, is not
// used: whoever writes it would say which service the agent believes.
func TestAttack_A28_PlantedTrust(t *testing.T) {
	w := newWorld(t)
	keep := filepath.Join(w.dir, "kept.json")
	config := trust.Config{URL: w.service.URL, BundleFile: w.json, Keep: keep}
	first, err := trust.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	first.Learn(bundleOf(1<<40, agenttest.NewAuthority(t).Root))
	good, err := os.ReadFile(keep)
	if err != nil {
		t.Fatal(err)
	}
	if known, err := trust.Open(config); err != nil || attest(t, known) == nil {
		t.Fatalf("the kept bundle does not count: %v", err) // or what follows would prove nothing
	}
	for name, damage := range map[string]func() error{
		"writable by others": func() error { return os.Chmod(keep, 0o622) },
		"another user's": func() error {
			if os.Geteuid() != 0 {
				return os.Chmod(keep, 0o622) // nobody else can give a file away
			}
			return os.Chown(keep, 65534, 65534)
		},
		"cut off": func() error { return os.WriteFile(keep, good[:len(good)/2], 0o600) },
		"unknown key": func() error {
			return os.WriteFile(keep, []byte(strings.Replace(string(good), "{", `{"more":1,`, 1)), 0o600)
		},
		"another domain": func() error {
			return os.WriteFile(keep, []byte(strings.Replace(string(good), `"`+servertest.TrustDomain+`"`, `"other.org"`, 1)), 0o600)
		},
		"too large": func() error { return os.WriteFile(keep, make([]byte, 2<<20), 0o600) },
		"a link":    func() error { return os.Symlink(w.json, keep) },
	} {
		if err := os.Remove(keep); err != nil {
			t.Fatal(err)
		}
		if name != "a link" {
			if err := os.WriteFile(keep, good, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		known, err := trust.Open(config)
		if err == nil {
			err = attest(t, known)
		}
		if err != nil {
			t.Error(fmt.Errorf("%s: %w", name, err))
		}
	}
}

// A bundle names the roots that the service is about to withdraw.
func TestTaintedRoots(t *testing.T) {
	w := newWorld(t)
	known, err := trust.Open(trust.Config{URL: w.service.URL, BundleFile: w.pem})
	if err != nil {
		t.Fatal(err)
	}
	refresh := func() []evidence.Digest {
		t.Helper()
		published, err := known.Refresh(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return published.Tainted
	}
	if told := refresh(); len(told) != 0 {
		t.Errorf("told of %v", told)
	}
	if _, err := w.service.Authority.Slots().Emergency(); err != nil {
		t.Fatal(err)
	}
	if err := w.service.Authority.Refresh(func([]ca.Change) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if told := refresh(); len(told) != 1 || told[0] != w.digest {
		t.Errorf("told of %v, want %x", told, w.digest)
	}
	if err := attest(t, known); err != nil {
		t.Errorf("attesting under the new root: %v", err)
	}
}
