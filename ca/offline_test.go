package ca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier/verifiertest"
)

// offline is a rig whose root's key is kept elsewhere.
type offline struct {
	*rig
	rootKey, rootCert string
}

func newOffline(t *testing.T) *offline {
	t.Helper()
	r, elsewhere := newRig(t), t.TempDir()
	o := &offline{r, filepath.Join(elsewhere, rootKeyFile), filepath.Join(elsewhere, rootCertFile)}
	copyFile(t, filepath.Join(r.dir, rootCertFile), o.rootCert)
	if err := os.Rename(filepath.Join(r.dir, rootKeyFile), o.rootKey); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *offline) request() []byte {
	o.Helper()
	request, err := o.slots.Request()
	if err != nil {
		o.Fatal(err)
	}
	return request
}

func (o *offline) sign(request []byte) []byte {
	o.Helper()
	certificate, err := SignIssuing(Keys{}, o.rootKey, o.rootCert, request, 0, o.clock.at)
	if err != nil {
		o.Fatal(err)
	}
	return certificate
}

// The whole way of an issuing CA whose root is kept elsewhere.
func TestOfflineRoot(t *testing.T) {
	o := newOffline(t)
	first := o.active()
	if made, err := o.after(issuingTTL/2 + time.Hour).Authority.Slots().Advance(); evidence.CodeOf(err) != evidence.CodeAuthorityRootAway || len(made) > 0 {
		t.Errorf("the service makes a root that nobody asked for: %v", err)
	}
	request := o.request()
	key := readFile(t, filepath.Join(o.dir, requestDir, issuingKeyFile))
	o.request() // asking twice is the same key
	if !bytes.Equal(key, readFile(t, filepath.Join(o.dir, requestDir, issuingKeyFile))) {
		t.Error("the key changed")
	}
	o.made(o.slots.Install(o.sign(request), nil))
	o.expect("A:active B:prepared")
	if _, err := os.Stat(filepath.Join(o.dir, requestDir)); !os.IsNotExist(err) {
		t.Errorf("the key is still there a second time: %v", err)
	}
	o.made(o.slots.Activate(false))
	if o.active().issuing.Equal(first.issuing) || !o.active().root.Equal(first.root) {
		t.Error("want another issuing CA below the same root")
	}
	if err := o.chainTo(o.leaf()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(o.dir, o.active().id(), rootKeyFile)); !os.IsNotExist(err) {
		t.Errorf("a root's key appeared: %v", err)
	}
	if _, err := o.slots.Install(o.sign(o.request()), nil); evidence.CodeOf(err) != evidence.CodeAuthorityState {
		t.Errorf("both slots are taken: %v", err)
	}
}

// An installed certificate may come with a root of its own.
func TestOfflineRootThatIsNew(t *testing.T) {
	o, other := newOffline(t), otherHierarchy(t)
	certificate, err := SignIssuing(Keys{}, filepath.Join(other, rootKeyFile), filepath.Join(other, rootCertFile), o.request(), 0, o.clock.at)
	if err != nil {
		t.Fatal(err)
	}
	_, err = o.slots.Install(certificate, nil)
	refused(t, err, evidence.CodeAuthorityCert)
	o.made(o.slots.Install(certificate, readFile(t, filepath.Join(other, rootCertFile))))
	if n, _ := o.bundle(); n != 2 {
		t.Errorf("%d roots", n)
	}
}

func TestAttack_A24_InstalledCAIsHeldToTheProfile(t *testing.T) {
	o := newOffline(t)
	good := o.sign(o.request())
	rootKey, err := x509.ParsePKCS8PrivateKey(pemBlock(readFile(t, o.rootKey)))
	if err != nil {
		t.Fatal(err)
	}
	issuing := must(x509.ParseCertificate(pemBlock(good)))
	signed := func(change func(*x509.Certificate)) []byte {
		template := o.active().issuingTemplate(issuing.PublicKey.(*ecdsa.PublicKey), o.active().root, o.clock.at)
		change(template)
		return encodePEM(must(x509.CreateCertificate(rand.Reader, template, o.active().root, issuing.PublicKey, rootKey.(crypto.Signer))))
	}
	foreign := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	forAnother := o.active().issuingTemplate(&foreign.PublicKey, o.active().root, o.clock.at)
	selfSigned := o.active().issuingTemplate(issuing.PublicKey.(*ecdsa.PublicKey), o.active().root, o.clock.at)
	impostor := *o.active().root
	impostor.PublicKey = &foreign.PublicKey
	for name, tc := range map[string]struct {
		certificate []byte
		code        evidence.Code
	}{
		"nothing":                 {nil, evidence.CodeAuthorityCert},
		"the request":             {o.request(), evidence.CodeAuthorityCert},
		"the root":                {encodePEM(o.active().root.Raw), evidence.CodeAuthorityCert},
		"the active CA's":         {encodePEM(o.active().issuing.Raw), evidence.CodeAuthorityCert},
		"two":                     {append(bytes.Clone(good), good...), evidence.CodeAuthorityCert},
		"for another key":         {encodePEM(must(x509.CreateCertificate(rand.Reader, forAnother, o.active().root, &foreign.PublicKey, rootKey.(crypto.Signer)))), evidence.CodeAuthorityCert},
		"signed by somebody else": {encodePEM(must(x509.CreateCertificate(rand.Reader, selfSigned, &impostor, issuing.PublicKey, foreign))), evidence.CodeAuthorityCert},
		"a leaf":                  {signed(func(c *x509.Certificate) { c.IsCA, c.MaxPathLenZero = false, false }), evidence.CodeAuthorityCert},
		"another trust domain":    {signed(func(c *x509.Certificate) { c.URIs[0] = mustURL("spiffe://other.org") }), evidence.CodeAuthorityCert},
		"not constrained":         {signed(func(c *x509.Certificate) { c.PermittedURIDomains, c.ExcludedURIDomains = nil, nil }), evidence.CodeAuthorityCert},
		"constrained to more":     {signed(func(c *x509.Certificate) { c.PermittedURIDomains = append(c.PermittedURIDomains, "other.org") }), evidence.CodeAuthorityCert},
		"with CAs below":          {signed(func(c *x509.Certificate) { c.MaxPathLenZero, c.MaxPathLen = false, 1 }), evidence.CodeAuthorityCert},
		"for anything":            {signed(func(c *x509.Certificate) { c.ExtKeyUsage = nil }), evidence.CodeAuthorityCert},
		"outliving its root":      {signed(func(c *x509.Certificate) { c.NotAfter = o.active().root.NotAfter.Add(time.Hour) }), evidence.CodeAuthorityCert},
		"expired": {signed(func(c *x509.Certificate) {
			c.NotAfter = o.clock.at.Add(-time.Hour)
			c.NotBefore = c.NotAfter.Add(-issuingTTL)
		}), evidence.CodeAuthorityExpired},
		"too short-lived": {signed(func(c *x509.Certificate) { c.NotAfter = o.clock.at.Add(5 * 24 * time.Hour) }), evidence.CodeAuthorityLife},
	} {
		made, err := o.slots.Install(tc.certificate, nil)
		if evidence.CodeOf(err) != tc.code || len(made) > 0 {
			t.Errorf("%s: %v", name, err)
		}
		o.expect("A:active")
	}
	o.made(o.slots.Install(good, nil)) // what was refused changed nothing
	_, err = o.slots.Install(good, nil)
	refused(t, err, evidence.CodeAuthorityState)
}

func TestSigningRefuses(t *testing.T) {
	o, other := newOffline(t), otherHierarchy(t)
	request := o.request()
	big := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	p384 := pem.EncodeToMemory(&pem.Block{Type: pemRequest, Bytes: must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, big))})
	broken := bytes.Clone(pemBlock(request))
	broken[len(broken)-1] ^= 1
	for name, tc := range map[string]struct {
		key, cert string
		request   []byte
		life      time.Duration
		at        time.Duration
		code      evidence.Code
	}{
		"no request":            {o.rootKey, o.rootCert, nil, 0, 0, evidence.CodeKeyMalformed},
		"a certificate":         {o.rootKey, o.rootCert, readFile(t, o.rootCert), 0, 0, evidence.CodeKeyMalformed},
		"another curve":         {o.rootKey, o.rootCert, p384, 0, 0, evidence.CodeKeyUnsupported},
		"not by its own key":    {o.rootKey, o.rootCert, pem.EncodeToMemory(&pem.Block{Type: pemRequest, Bytes: broken}), 0, 0, evidence.CodeKeyUnsupported},
		"the key of another":    {filepath.Join(other, rootKeyFile), o.rootCert, request, 0, 0, evidence.CodeAuthorityCert},
		"the root of another":   {o.rootKey, filepath.Join(other, rootCertFile), request, 0, 0, evidence.CodeAuthorityCert},
		"an issuing CA as root": {filepath.Join(o.dir, issuingKeyFile), filepath.Join(o.dir, issuingCertFile), request, 0, 0, evidence.CodeAuthorityKeyFile},
		"a life too long":       {o.rootKey, o.rootCert, request, maxLife + 1, 0, evidence.CodeAuthorityLife},
		"a root at its end":     {o.rootKey, o.rootCert, request, 0, rootTTL, evidence.CodeAuthorityExpired},
	} {
		_, err := SignIssuing(Keys{}, tc.key, tc.cert, tc.request, tc.life, o.clock.at.Add(tc.at))
		if evidence.CodeOf(err) != tc.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSlotsNeedAnAuthority(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenSlots(Config{Dir: dir, TrustDomain: verifiertest.TrustDomain}, Operator); !os.IsNotExist(err) {
		t.Errorf("%v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Error("something was made")
	}
}

func pemBlock(data []byte) []byte {
	block, _ := pem.Decode(data)
	return block.Bytes
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
