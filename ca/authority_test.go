package ca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier/verifiertest"
	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

func TestFirstStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "ca")
	a := openAt(t, dir, &clock{verifiertest.Now()})
	if !a.Created() {
		t.Error("a new root is not reported as new")
	}
	modes := map[string]fs.FileMode{
		rootKeyFile: 0o600, issuingKeyFile: 0o600, rootCertFile: 0o644, issuingCertFile: 0o644, jwtKeyFile: 0o600, lockFile: 0o600, journalDir: 0o700,
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != len(modes) {
		t.Fatalf("%d files (%v), want %d", len(entries), err, len(modes))
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || info.Mode().Perm() != modes[entry.Name()] {
			t.Errorf("%s has mode %v, want %v", entry.Name(), info.Mode(), modes[entry.Name()])
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v (%v), want 0700", info.Mode(), err)
	}
}

func TestRootProfile(t *testing.T) {
	c := open(t).active().root
	if c.PublicKey.(*ecdsa.PublicKey).Curve != elliptic.P384() || !c.IsCA || c.MaxPathLen != 1 {
		t.Errorf("root: curve, CA or path length: %v %v", c.IsCA, c.MaxPathLen)
	}
	if c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || len(c.ExtKeyUsage) != 0 {
		t.Errorf("root: key usage %b, extended %v", c.KeyUsage, c.ExtKeyUsage)
	}
	if len(c.URIs) != 1 || c.URIs[0].String() != "spiffe://example.org" {
		t.Errorf("root: URIs %v", c.URIs)
	}
	if life := c.NotAfter.Sub(c.NotBefore); life != rootTTL+backdate {
		t.Errorf("root lives %s", life)
	}
}

func TestRestartKeepsKeys(t *testing.T) {
	dir, c := t.TempDir(), &clock{verifiertest.Now()}
	first := openAt(t, dir, c)
	before := readAll(t, dir)
	svid, _ := issue(t, first, verifiertest.Request{})
	c.at = c.at.AddDate(0, 6, 0)
	second := openAt(t, dir, c)
	if second.Created() || !second.active().root.Equal(first.active().root) || !second.active().issuing.Equal(first.active().issuing) {
		t.Error("a restart made a new hierarchy")
	}
	for name, data := range readAll(t, dir) {
		if !bytes.Equal(data, before[name]) {
			t.Errorf("a restart changed %s", name)
		}
	}
	leaf, _ := x509.ParseCertificate(svid.Chain[0])
	if err := leaf.CheckSignatureFrom(second.active().issuing); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// A crash between two files of the first start is completed by the next one.
func TestInterruptedFirstStart(t *testing.T) {
	whole := t.TempDir()
	openAt(t, whole, &clock{verifiertest.Now()})
	order := []string{rootKeyFile, rootCertFile, issuingKeyFile, issuingCertFile}
	for written := range order {
		dir := t.TempDir()
		for _, name := range order[:written] {
			copyFile(t, filepath.Join(whole, name), filepath.Join(dir, name))
		}
		a := openAt(t, dir, &clock{verifiertest.Now()})
		for _, name := range order[:written] {
			if !bytes.Equal(readFile(t, filepath.Join(dir, name)), readFile(t, filepath.Join(whole, name))) {
				t.Errorf("after %d files: %s was replaced", written, name)
			}
		}
		issue(t, a, verifiertest.Request{})
	}
}

// Two processes that start at once end up with one hierarchy.
func TestConcurrentFirstStart(t *testing.T) {
	dir, c := t.TempDir(), &clock{verifiertest.Now()}
	roots := make([]*x509.Certificate, 8)
	var wait sync.WaitGroup
	for i := range roots {
		wait.Go(func() {
			a, err := Open(Config{Dir: dir, TrustDomain: verifiertest.TrustDomain, Now: c.now})
			if err != nil {
				t.Error(err)
				return
			}
			roots[i] = a.active().root
		})
	}
	wait.Wait()
	for _, root := range roots[1:] {
		if root == nil || !root.Equal(roots[0]) {
			t.Fatal("two starts made two roots")
		}
	}
}

// The root's key can be kept elsewhere once there is an issuing CA.
func TestRootKeyOffline(t *testing.T) {
	dir, c := t.TempDir(), &clock{verifiertest.Now()}
	openAt(t, dir, c)
	remove(t, dir, rootKeyFile)
	issue(t, openAt(t, dir, c), verifiertest.Request{})
	if _, err := openSlots(t, dir, c).Prepare(false); evidence.CodeOf(err) != evidence.CodeAuthorityRootAway {
		t.Errorf("an issuing CA below a root whose key is elsewhere: %v", err)
	}
	remove(t, dir, issuingCertFile)
	_, err := Open(Config{Dir: dir, TrustDomain: verifiertest.TrustDomain, Now: c.now})
	refused(t, err, evidence.CodeAuthorityKeyFile)
}

// A folder of before there was a journal gets one, and goes on as it was.
func TestFolderWithoutJournal(t *testing.T) {
	dir, c := t.TempDir(), &clock{verifiertest.Now()}
	first := openAt(t, dir, c)
	if err := os.RemoveAll(filepath.Join(dir, journalDir)); err != nil {
		t.Fatal(err)
	}
	remove(t, dir, lockFile)
	c.at = c.at.AddDate(0, 3, 0)
	second := openAt(t, dir, c)
	if second.Created() || !second.active().root.Equal(first.active().root) || !second.active().issuing.Equal(first.active().issuing) {
		t.Error("the authority is another one")
	}
	if changes := second.Changes(); len(changes) != 1 || changes[0].Step != StepActivate || changes[0].Sequence <= uint64(second.active().root.NotBefore.Unix()) {
		t.Errorf("the journal begins with %+v", changes)
	}
}

func TestTrustDomains(t *testing.T) {
	long := strings.Repeat("a", 63)
	for name, ok := range map[string]bool{
		"example.org": true, "demo": true, "a-b.c1": true,
		"": false, "spiffe://example.org": false, "Example.org": false, "a_b.org": false, "10.0.0.1": false, "127.1": false,
		"a..b": false, "-a": false, "a.": false, "example.org/x": false, long + "a.org": false,
		strings.Repeat(long+".", 4) + "a": false,
	} {
		a, err := Open(Config{Dir: t.TempDir(), TrustDomain: name, Now: verifiertest.Now})
		if ok != (err == nil) {
			t.Errorf("%q: %v", name, err)
		}
		if !ok {
			refused(t, err, evidence.CodeAuthorityTrustDomain)
			continue
		}
		issue(t, a, verifiertest.Request{TrustDomain: name})
	}
}

// damages are states of a folder that Open must refuse.
var damages = map[string]struct {
	code   evidence.Code
	damage func(t *testing.T, dir string)
}{
	"root key of another root":       {evidence.CodeAuthorityCert, swap(rootKeyFile)},
	"root of another key":            {evidence.CodeAuthorityCert, swap(rootCertFile)},
	"issuing key of another CA":      {evidence.CodeAuthorityCert, swap(issuingKeyFile)},
	"issuing CA of another root":     {evidence.CodeAuthorityCert, swap(issuingKeyFile, issuingCertFile)},
	"root in place of issuing CA":    {evidence.CodeAuthorityCert, move(rootCertFile, issuingCertFile)},
	"issuing CA in place of root":    {evidence.CodeAuthorityCert, move(issuingCertFile, rootCertFile)},
	"root key in place of issuing":   {evidence.CodeAuthorityKeyFile, move(rootKeyFile, issuingKeyFile)},
	"no certificate":                 {evidence.CodeAuthorityCert, write(issuingCertFile, "x")},
	"empty certificate":              {evidence.CodeAuthorityCert, write(rootCertFile, "")},
	"empty key":                      {evidence.CodeAuthorityKeyFile, write(issuingKeyFile, "")},
	"huge key":                       {evidence.CodeAuthorityKeyFile, write(issuingKeyFile, strings.Repeat("x", 1<<20))},
	"missing issuing key":            {evidence.CodeAuthorityKeyFile, func(t *testing.T, dir string) { remove(t, dir, issuingKeyFile) }},
	"two certificates in one file":   {evidence.CodeAuthorityCert, appendTo(issuingCertFile, rootCertFile)},
	"issuing certificate is garbage": {evidence.CodeAuthorityCert, write(issuingCertFile, string(pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: []byte{1, 2}})))},
}

func TestDamagedFolder(t *testing.T) {
	for name, d := range damages {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			openAt(t, dir, &clock{verifiertest.Now()})
			d.damage(t, dir)
			_, err := Open(Config{Dir: dir, TrustDomain: verifiertest.TrustDomain, Now: verifiertest.Now})
			if err == nil {
				t.Fatal("a damaged folder was opened")
			}
			refused(t, err, d.code)
		})
	}
}

func TestOtherTrustDomain(t *testing.T) {
	dir := t.TempDir()
	openAt(t, dir, &clock{verifiertest.Now()})
	_, err := Open(Config{Dir: dir, TrustDomain: "other.org", Now: verifiertest.Now})
	refused(t, err, evidence.CodeAuthorityCert)
}

func TestAttack_A16_KeyFileReadableByOthers(t *testing.T) {
	for _, name := range []string{rootKeyFile, issuingKeyFile, jwtKeyFile} {
		for _, mode := range []fs.FileMode{0o644, 0o640, 0o604, 0o660, 0o601} {
			dir := t.TempDir()
			openAt(t, dir, &clock{verifiertest.Now()})
			if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
				t.Fatal(err)
			}
			_, err := Open(Config{Dir: dir, TrustDomain: verifiertest.TrustDomain, Now: verifiertest.Now})
			refused(t, err, evidence.CodeAuthorityKeyFile)
			if err != nil && strings.Contains(err.Error(), "PRIVATE KEY") {
				t.Error("the refusal quotes the file")
			}
		}
	}
}

func TestAttack_A16_KeyFileIsALink(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	openAt(t, dir, &clock{verifiertest.Now()})
	path := filepath.Join(dir, issuingKeyFile)
	if err := os.Rename(path, filepath.Join(elsewhere, "key")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(elsewhere, "key"), path); err != nil {
		t.Fatal(err)
	}
	_, err := Open(Config{Dir: dir, TrustDomain: verifiertest.TrustDomain, Now: verifiertest.Now})
	refused(t, err, evidence.CodeAuthorityKeyFile)
}

func TestAttack_A17_CAThatIsExpiredOrNearlySo(t *testing.T) {
	for name, after := range map[string]time.Duration{
		"before it begins":     -time.Hour,
		"a day before its end": issuingTTL - 24*time.Hour,
		"at its end":           issuingTTL,
		"long after":           2 * rootTTL,
	} {
		dir := t.TempDir()
		openAt(t, dir, &clock{verifiertest.Now()})
		_, err := Open(Config{Dir: dir, TrustDomain: verifiertest.TrustDomain, Now: (&clock{verifiertest.Now().Add(after)}).now})
		if evidence.CodeOf(err) != evidence.CodeAuthorityExpired {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A service that runs until its issuing CA ends stops issuing instead of
// issuing what nobody accepts.
func TestAttack_A17_IssuingCAEndsWhileRunning(t *testing.T) {
	c := &clock{verifiertest.Now()}
	a := openAt(t, t.TempDir(), c)
	c.at = a.active().issuing.NotAfter.Add(-30 * time.Minute)
	svid, err := a.Issue(verifiertest.Accepted(t, verifiertest.Request{At: c.at}))
	if err != nil || !svid.NotAfter.Equal(a.active().issuing.NotAfter) {
		t.Fatalf("half an hour before the end: %v", err)
	}
	for _, at := range []time.Time{a.active().issuing.NotAfter.Add(-minTTL / 2), a.active().issuing.NotAfter, a.active().issuing.NotAfter.Add(time.Hour), a.active().issuing.NotBefore.Add(-time.Second)} {
		c.at = at
		_, err := a.Issue(verifiertest.Accepted(t, verifiertest.Request{At: at}))
		refused(t, err, evidence.CodeIssuingValidity)
	}
}

func TestAttack_A24_IssuingCAIsConstrained(t *testing.T) {
	a := open(t)
	c := a.active().issuing
	if !c.MaxPathLenZero || c.MaxPathLen != 0 || !hasBothUsages(c) || !c.PermittedDNSDomainsCritical {
		t.Errorf("path length %d, usages %v, critical %v", c.MaxPathLen, c.ExtKeyUsage, c.PermittedDNSDomainsCritical)
	}
	if len(c.PermittedURIDomains) != 1 || c.PermittedURIDomains[0] != "example.org" {
		t.Errorf("permitted URI domains: %v", c.PermittedURIDomains)
	}
	foreign := a.forge(t, func(t *x509.Certificate) { t.URIs = []*url.URL{mustURL("spiffe://other.org/x")} })
	sub := a.forge(t, func(t *x509.Certificate) { t.URIs = []*url.URL{mustURL("spiffe://sub.example.org/x")} })
	own := a.forge(t, func(*x509.Certificate) {})
	for _, leaf := range []*x509.Certificate{foreign, sub} {
		if err := a.chainTo(leaf); err == nil {
			t.Errorf("a stolen issuing CA can certify %v", leaf.URIs)
		}
	}
	if err := a.chainTo(a.forgeBelow(t)...); err == nil {
		t.Error("a stolen issuing CA can certify another CA")
	}
	if err := a.chainTo(own); err != nil {
		t.Errorf("what it may certify: %v", err)
	}
}

func TestBundle(t *testing.T) {
	a := open(t)
	data, err := a.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := spiffebundle.Parse(spiffeid.RequireTrustDomainFromString("example.org"), data)
	if err != nil {
		t.Fatal(err)
	}
	if got := bundle.X509Authorities(); len(got) != 1 || !got[0].Equal(a.active().root) {
		t.Errorf("the bundle has %d authorities", len(got))
	}
	if hint, ok := bundle.RefreshHint(); !ok || hint != 5*time.Minute {
		t.Errorf("refresh hint %v", hint)
	}
	if n, ok := bundle.SequenceNumber(); !ok || n != uint64(verifiertest.Now().Unix()) {
		t.Errorf("sequence %d", n)
	}
	for _, want := range []string{`"use":"x509-svid"`, `"x5c":[`, `"spiffe_sequence":`, `"spiffe_refresh_hint":300`} {
		if !strings.Contains(strings.ReplaceAll(string(data), " ", ""), want) {
			t.Errorf("the bundle lacks %s", want)
		}
	}
	var set struct {
		Keys []struct{ Use, KID string }
	}
	if err := json.Unmarshal(data, &set); err != nil || len(set.Keys) != 2 {
		t.Fatalf("%d entries (%v)", len(set.Keys), err)
	}
	for _, key := range set.Keys {
		if (key.Use == "jwt-svid") != (key.KID != "") {
			t.Errorf("an entry for %s has the kid %q", key.Use, key.KID)
		}
	}
	block, rest := pem.Decode(a.RootPEM())
	if block == nil || len(rest) != 0 || !bytes.Equal(block.Bytes, a.active().root.Raw) {
		t.Error("RootPEM is not the root")
	}
}

func TestAttack_K23_OneKeyInTwoRoles(t *testing.T) {
	dir, c := t.TempDir(), &clock{verifiertest.Now()}
	a := openAt(t, dir, c)
	for _, shared := range []any{a.active().issuing.PublicKey, a.active().root.PublicKey, a.JWTKey().Public()} {
		_, err := Open(Config{Dir: dir, TrustDomain: verifiertest.TrustDomain, Now: c.now, Reserved: []crypto.PublicKey{shared}})
		refused(t, err, evidence.CodeAuthorityKeyShared)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	openAt(t, dir, c, &key.PublicKey)
	copyFile(t, filepath.Join(dir, issuingKeyFile), filepath.Join(dir, jwtKeyFile))
	_, err = Open(Config{Dir: dir, TrustDomain: verifiertest.TrustDomain, Now: c.now})
	refused(t, err, evidence.CodeAuthorityKeyShared)
}
