package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier/verifiertest"
)

const listsAt = "http://lists.example.org/v1/crl"

// listing is an authority whose leaves say where lists are.
func listing(t *testing.T) (*Authority, *clock) {
	t.Helper()
	c := &clock{verifiertest.Now()}
	a, err := Open(Config{Dir: t.TempDir(), TrustDomain: verifiertest.TrustDomain, Now: c.now, ListURL: listsAt})
	if err != nil {
		t.Fatal(err)
	}
	return a, c
}

func lists(t *testing.T, a *Authority, sequence int64, serials ...*big.Int) *RevocationLists {
	t.Helper()
	var revoked []Revocation
	for _, serial := range serials {
		revoked = append(revoked, Revocation{serial, a.now()})
	}
	l, err := a.RevocationLists(revoked, sequence)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func parseList(t *testing.T, der []byte, issuer *x509.Certificate) *x509.RevocationList {
	t.Helper()
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := list.CheckSignatureFrom(issuer); err != nil {
		t.Fatal(err)
	}
	return list
}

// Leaves of workloads say where their issuer's list is, if anybody asked for that; the service's
// own certificate does not.
func TestLeavesNameTheListOfTheirIssuer(t *testing.T) {
	a, _ := listing(t)
	_, leaf := issue(t, a, verifiertest.Request{})
	if want := listsAt + "/" + a.Status().Slots[0].Authority; len(leaf.CRLDistributionPoints) != 1 || leaf.CRLDistributionPoints[0] != want {
		t.Errorf("got %q, want %q", leaf.CRLDistributionPoints, want)
	}
	own, err := a.ServerCertificate([]string{"localhost"})
	if err != nil || len(own.Leaf.CRLDistributionPoints) != 0 {
		t.Errorf("the service's own: %v", err)
	}
	_, plain := issue(t, open(t), verifiertest.Request{})
	if len(plain.CRLDistributionPoints) != 0 {
		t.Errorf("unasked: %q", plain.CRLDistributionPoints)
	}
	p := a.sampleProfile(t)
	p.list = "http://elsewhere.example.org"
	_, err = a.active().sign(p)
	refused(t, err, evidence.CodeIssuingLint)
}

func TestListsHaveWhatIsRevoked(t *testing.T) {
	a, c := listing(t)
	_, leaf := issue(t, a, verifiertest.Request{})
	id := a.Status().Slots[0].Authority
	l := lists(t, a, 1, leaf.SerialNumber)
	if l.Active != id || len(l.Issuing) != 1 || len(l.Roots) != 1 {
		t.Fatalf("%+v", l)
	}
	list := parseList(t, l.Issuing[id], a.active().issuing)
	if len(list.RevokedCertificateEntries) != 1 || list.RevokedCertificateEntries[0].SerialNumber.Cmp(leaf.SerialNumber) != 0 {
		t.Errorf("%+v", list.RevokedCertificateEntries)
	}
	if !list.ThisUpdate.Before(c.at) || !list.NextUpdate.Equal(c.at.Add(crlLife)) {
		t.Errorf("from %s to %s", list.ThisUpdate, list.NextUpdate)
	}
	if root := parseList(t, l.Roots[0], a.active().root); len(root.RevokedCertificateEntries) != 0 {
		t.Error("the root revokes issuing CAs")
	}
	// Numbers grow with what is revoked, and with time even if that is lost, and fit 20 octets.
	more := parseList(t, lists(t, a, 2, leaf.SerialNumber).Issuing[id], a.active().issuing)
	c.at = c.at.Add(time.Second)
	later := parseList(t, lists(t, a, 1, leaf.SerialNumber).Issuing[id], a.active().issuing)
	if list.Number.Cmp(more.Number) >= 0 || more.Number.Cmp(later.Number) >= 0 || crlNumber(1<<62, c.at).BitLen() > 159 {
		t.Errorf("%v, %v, %v", list.Number, later.Number, more.Number)
	}
}

// A root whose key is elsewhere has no list, and each authority in the slots has one.
func TestListsOfEveryAuthority(t *testing.T) {
	dir, c := t.TempDir(), &clock{verifiertest.Now()}
	a := openAt(t, dir, c)
	if _, err := openSlots(t, dir, c).Prepare(true); err != nil {
		t.Fatal(err)
	}
	if err := a.Refresh(func([]Change) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, rootKeyFile)); err != nil {
		t.Fatal(err)
	}
	l := lists(t, a, 1)
	if len(l.Issuing) != 2 || len(l.Roots) != 1 {
		t.Fatalf("%d issuing, %d roots", len(l.Issuing), len(l.Roots))
	}
	for _, slot := range a.Status().Slots {
		parseList(t, l.Issuing[slot.Authority], slot.Issuing)
	}
}

func TestListURLs(t *testing.T) {
	for _, good := range []string{"", "http://a.example.org/v1/crl", "https://a.example.org:8443/v1/crl"} {
		if err := CheckListURL(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"a", "ldap://a/b", "http://", "http://a/", "http://a?b", "http://a?", "http://a#b", "http://a#", "http://u@a/b", "http://a/b c", "http://a/é", "http://a/" + strings.Repeat("a", 256),
	} {
		if err := CheckListURL(bad); evidence.CodeOf(err) != evidence.CodeConfigMalformed {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// An independent verifier refuses a revoked leaf, and accepts another: checking the leaf alone,
// and every certificate of the chain.
func TestOpenSSLGoesByTheLists(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl here")
	}
	dir := t.TempDir()
	a, err := Open(Config{Dir: filepath.Join(dir, "ca"), TrustDomain: verifiertest.TrustDomain, ListURL: listsAt})
	if err != nil {
		t.Fatal(err)
	}
	h, now := a.active(), time.Now()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	leaf := func(name string) (*x509.Certificate, string) {
		id, err := h.workloadID("spiffe://" + verifiertest.TrustDomain + "/web")
		if err != nil {
			t.Fatal(err)
		}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := h.sign(&profile{
			serial: h.newSerial(), id: id, spki: spki, notBefore: now.Add(-time.Minute).Truncate(time.Second), notAfter: now.Add(time.Hour).Truncate(time.Second), list: h.listURL(),
		})
		if err != nil {
			t.Fatal(err)
		}
		return cert, write(name, pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: cert.Raw}))
	}
	_, good := leaf("good.pem")
	revoked, bad := leaf("bad.pem")
	root, issuing := write("root.pem", encodePEM(h.root.Raw)), write("issuing.pem", encodePEM(h.issuing.Raw))
	list := write("list.pem", lists(t, a, 1, revoked.SerialNumber).PEM())
	for _, check := range []string{"-crl_check", "-crl_check_all"} {
		verify := func(path string) (string, error) {
			out, err := exec.Command(openssl, "verify", check, "-CAfile", root, "-untrusted", issuing, "-CRLfile", list, path).CombinedOutput()
			return string(out), err
		}
		if out, err := verify(good); err != nil {
			t.Errorf("%s: a good leaf: %s", check, out)
		}
		if out, err := verify(bad); err == nil || !strings.Contains(out, "certificate revoked") {
			t.Errorf("%s: a revoked leaf: %v: %s", check, err, out)
		}
	}
}

// A certificate takes no more than 50 bytes of a list, so that the longest has 5 MB.
func TestAttack_A19_LongestList(t *testing.T) {
	a, _ := listing(t)
	const many = 10_000 // a tenth
	revoked := make([]Revocation, many)
	for i := range revoked {
		revoked[i] = Revocation{newSerial(), a.now()}
	}
	l, err := a.RevocationLists(revoked, many)
	if err != nil {
		t.Fatal(err)
	}
	if size := len(l.Issuing[l.Active]); size > 500<<10 {
		t.Errorf("%d bytes", size)
	}
}
