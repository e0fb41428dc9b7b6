package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier/verifiertest"
)

const (
	attestationKeyFile, attestationCertFile = attestationFile + ".key", attestationFile + ".crt"
	simulatedKeyFile, simulatedCertFile     = simulatedFile + ".key", simulatedFile + ".crt"
)

func TestAttestationFirstStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "attestation-ca")
	modes := map[string]fs.FileMode{attestationKeyFile: 0o600, attestationCertFile: 0o644}
	for _, simulated := range []bool{false, true} {
		if simulated {
			modes[simulatedKeyFile], modes[simulatedCertFile] = 0o600, 0o644
		}
		a, err := OpenAttestation(AttestationConfig{Dir: dir, Simulated: simulated, Now: verifiertest.Now})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(a.Anchors()); got != len(modes)/2 || len(a.Keys()) != got {
			t.Errorf("%d anchors and %d keys with simulated %v", got, len(a.Keys()), simulated)
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
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v (%v), want 0700", info.Mode(), err)
	}
}

func TestAttestationCAProfile(t *testing.T) {
	a := openAttestation(t)
	for _, ca := range a.cas() {
		c := ca.cert
		if c.PublicKey.(*ecdsa.PublicKey).Curve != elliptic.P256() || !c.IsCA || c.MaxPathLen != 0 || !c.MaxPathLenZero {
			t.Errorf("curve, CA or path length: %v %v", c.IsCA, c.MaxPathLen)
		}
		if c.KeyUsage != x509.KeyUsageCertSign || len(c.ExtKeyUsage) != 0 || len(c.UnknownExtKeyUsage) != 1 || c.UnknownExtKeyUsage[0].String() != "2.23.133.8.3" {
			t.Errorf("key usage %b, extended %v %v", c.KeyUsage, c.ExtKeyUsage, c.UnknownExtKeyUsage)
		}
		if !strings.Contains(c.Subject.CommonName, "TPM Attestation Keys") || len(c.URIs)+len(c.DNSNames) != 0 {
			t.Errorf("names: %v", c.Subject)
		}
		if marked := strings.Contains(c.Subject.CommonName, "SIMULATED"); marked != (ca.origin == evidence.OriginSimulated) {
			t.Errorf("%v is of origin %s", c.Subject, ca.origin)
		}
		if life := c.NotAfter.Sub(c.NotBefore); life != attestationCATTL+backdate {
			t.Errorf("it lives %s", life)
		}
	}
	anchors := a.Anchors()
	if anchors[0].Origin != evidence.OriginConfigured || anchors[1].Origin != evidence.OriginSimulated || bytes.Equal(anchors[0].DER, anchors[1].DER) {
		t.Errorf("origins %s, %s", anchors[0].Origin, anchors[1].Origin)
	}
	rest := a.PEM()
	for _, anchor := range anchors {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || !bytes.Equal(block.Bytes, anchor.DER) {
			t.Error("PEM is not the anchors")
		}
	}
	if len(rest) != 0 {
		t.Error("PEM has more than the anchors")
	}
}

func TestAttestationRestartKeepsKeys(t *testing.T) {
	dir, c := t.TempDir(), &clock{verifiertest.Now()}
	openAttestationAt(t, dir, c)
	before := readAll(t, dir)
	c.at = c.at.AddDate(5, 0, 0)
	openAttestationAt(t, dir, c)
	for name, data := range readAll(t, dir) {
		if !bytes.Equal(data, before[name]) {
			t.Errorf("a restart changed %s", name)
		}
	}
}

func TestAttestationInterruptedFirstStart(t *testing.T) {
	whole := t.TempDir()
	openAttestationAt(t, whole, &clock{verifiertest.Now()})
	order := []string{attestationKeyFile, attestationCertFile, simulatedKeyFile, simulatedCertFile}
	for written := range order {
		dir := t.TempDir()
		for _, name := range order[:written] {
			copyFile(t, filepath.Join(whole, name), filepath.Join(dir, name))
		}
		a := openAttestationAt(t, dir, &clock{verifiertest.Now()})
		for _, name := range order[:written] {
			if !bytes.Equal(readFile(t, filepath.Join(dir, name)), readFile(t, filepath.Join(whole, name))) {
				t.Errorf("after %d files: %s was replaced", written, name)
			}
		}
		certify(t, a, enrolment{})
	}
}

func TestAttestationConcurrentFirstStart(t *testing.T) {
	dir, c := t.TempDir(), &clock{verifiertest.Now()}
	published := make([]string, 8)
	var wait sync.WaitGroup
	for i := range published {
		wait.Go(func() {
			a, err := OpenAttestation(AttestationConfig{Dir: dir, Simulated: true, Now: c.now})
			if err != nil {
				t.Error(err)
				return
			}
			published[i] = string(a.PEM())
		})
	}
	wait.Wait()
	for _, other := range published[1:] {
		if other != published[0] {
			t.Fatal("two starts made two CAs")
		}
	}
}

func TestAttestationDamagedFolder(t *testing.T) {
	other := t.TempDir()
	openAttestationAt(t, other, &clock{verifiertest.Now().Add(-time.Hour)})
	otherwise := func(names ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			for _, name := range names {
				remove(t, dir, name)
				copyFile(t, filepath.Join(other, name), filepath.Join(dir, name))
			}
		}
	}
	svid := func(t *testing.T, dir string) {
		hierarchy := otherHierarchy(t)
		for from, to := range map[string]string{issuingKeyFile: attestationKeyFile, issuingCertFile: attestationCertFile} {
			remove(t, dir, to)
			copyFile(t, filepath.Join(hierarchy, from), filepath.Join(dir, to))
		}
	}
	both := func(t *testing.T, dir string) {
		move(attestationKeyFile, simulatedKeyFile)(t, dir)
		move(attestationCertFile, simulatedCertFile)(t, dir)
	}
	shared := func(t *testing.T, dir string) {
		move(attestationKeyFile, simulatedKeyFile)(t, dir)
		remove(t, dir, simulatedCertFile)
	}
	for name, d := range map[string]struct {
		code   evidence.Code
		damage func(t *testing.T, dir string)
	}{
		"key of another CA":          {evidence.CodeAuthorityCert, otherwise(attestationKeyFile)},
		"certificate of another CA":  {evidence.CodeAuthorityCert, otherwise(attestationCertFile)},
		"real in place of simulated": {evidence.CodeAuthorityCert, both},
		"simulated in place of real": {evidence.CodeAuthorityCert, func(t *testing.T, dir string) {
			move(simulatedKeyFile, attestationKeyFile)(t, dir)
			move(simulatedCertFile, attestationCertFile)(t, dir)
		}},
		"one key in both roles":         {evidence.CodeAuthorityKeyShared, shared},
		"issuing CA of SVIDs":           {evidence.CodeAuthorityCert, svid},
		"no certificate":                {evidence.CodeAuthorityCert, write(attestationCertFile, "x")},
		"empty key":                     {evidence.CodeAuthorityKeyFile, write(attestationKeyFile, "")},
		"empty key of the simulated CA": {evidence.CodeAuthorityKeyFile, write(simulatedKeyFile, "")},
		"two certificates":              {evidence.CodeAuthorityCert, appendTo(attestationCertFile, simulatedCertFile)},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			openAttestationAt(t, dir, &clock{verifiertest.Now()})
			d.damage(t, dir)
			_, err := OpenAttestation(AttestationConfig{Dir: dir, Simulated: true, Now: verifiertest.Now})
			refused(t, err, d.code)
		})
	}
	t.Run("missing key", func(t *testing.T) {
		dir := t.TempDir()
		openAttestationAt(t, dir, &clock{verifiertest.Now()})
		remove(t, dir, attestationKeyFile)
		if _, err := OpenAttestation(AttestationConfig{Dir: dir, Now: verifiertest.Now}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	})
}

// Whatever a CA's certificate says beyond the profile, it is not opened.
func TestAttestationCAOfAnotherProfile(t *testing.T) {
	for name, change := range map[string]func(*x509.Certificate){
		"longer path":        func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 1, false },
		"any path":           func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = -1, false },
		"no CA":              func(c *x509.Certificate) { c.IsCA = false; c.MaxPathLenZero = false; c.MaxPathLen = -1 },
		"CRLs as well":       func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCRLSign },
		"signatures as well": func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageDigitalSignature },
		"servers as well":    func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} },
		"any purpose":        func(c *x509.Certificate) { c.UnknownExtKeyUsage = nil },
		"a name":             func(c *x509.Certificate) { c.DNSNames = []string{"a.example.org"} },
		"another subject":    func(c *x509.Certificate) { c.Subject.CommonName = "x" },
		"the simulated one":  func(c *x509.Certificate) { c.Subject.CommonName = simulatedAttestationName },
		"another key's name": func(c *x509.Certificate) { c.Subject.SerialNumber = "0011223344556677" },
		"another identifier": func(c *x509.Certificate) { c.SubjectKeyId = []byte{1} },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			ca := openAttestationAt(t, dir, &clock{verifiertest.Now()}).real
			template := attestationTemplate(attestationName, ca.key.Public(), verifiertest.Now())
			change(template)
			cert := create(t, template, template, ca.key.Public(), ca.key)
			if err := os.WriteFile(filepath.Join(dir, attestationCertFile), encodePEM(cert.Raw), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := OpenAttestation(AttestationConfig{Dir: dir, Now: verifiertest.Now})
			refused(t, err, evidence.CodeAuthorityCert)
		})
	}
}

func TestAttack_A16_AttestationKeyFileReadableByOthers(t *testing.T) {
	for _, name := range []string{attestationKeyFile, simulatedKeyFile} {
		for _, mode := range []fs.FileMode{0o644, 0o640, 0o604, 0o660, 0o601} {
			dir := t.TempDir()
			openAttestationAt(t, dir, &clock{verifiertest.Now()})
			if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
				t.Fatal(err)
			}
			_, err := OpenAttestation(AttestationConfig{Dir: dir, Simulated: true, Now: verifiertest.Now})
			refused(t, err, evidence.CodeAuthorityKeyFile)
		}
	}
}

func TestAttack_A17_AttestationCAThatIsExpiredOrNearlySo(t *testing.T) {
	for name, after := range map[string]time.Duration{
		"before it begins": -time.Hour, "a day before its end": attestationCATTL - 24*time.Hour,
		"at its end": attestationCATTL, "long after": 2 * attestationCATTL,
	} {
		dir := t.TempDir()
		openAttestationAt(t, dir, &clock{verifiertest.Now()})
		_, err := OpenAttestation(AttestationConfig{Dir: dir, Now: (&clock{verifiertest.Now().Add(after)}).now})
		if evidence.CodeOf(err) != evidence.CodeAuthorityExpired {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAttack_A17_AttestationCAEndsWhileRunning(t *testing.T) {
	c := &clock{verifiertest.Now()}
	a := openAttestationAt(t, t.TempDir(), c)
	ca := a.real.cert
	c.at = ca.NotAfter.Add(-30 * time.Minute)
	if issued, _ := certify(t, a, enrolment{at: c.at}); !issued.NotAfter.Equal(ca.NotAfter) {
		t.Errorf("half an hour before the end: until %s", issued.NotAfter)
	}
	for _, at := range []time.Time{ca.NotAfter.Add(-minTTL / 2), ca.NotAfter, ca.NotAfter.Add(time.Hour), ca.NotBefore.Add(-time.Second)} {
		c.at = at
		_, err := a.Issue(enrolment{at: at}.enrolled(t))
		refused(t, err, evidence.CodeIssuingValidity)
	}
}

func TestAttestationLifeIsBounded(t *testing.T) {
	for life, ok := range map[time.Duration]bool{
		0: true, minTTL: true, maxAttestationTTL: true, time.Hour: true,
		-1: false, minTTL - 1: false, maxAttestationTTL + 1: false,
	} {
		_, err := OpenAttestation(AttestationConfig{Dir: t.TempDir(), Life: life, Now: verifiertest.Now})
		if ok != (err == nil) || !ok && evidence.CodeOf(err) != evidence.CodeConfigMalformed {
			t.Errorf("%s: %v", life, err)
		}
	}
}

// Neither hierarchy vouches for anything of the other, nor for anything beyond
// its purpose, even if its key is stolen.
func TestAttack_A24_AttestationCAIsConfined(t *testing.T) {
	a, authority := openAttestation(t), open(t)
	chains := func(leaf, root *x509.Certificate, between []*x509.Certificate, usage x509.ExtKeyUsage) error {
		roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
		roots.AddCert(root)
		for _, cert := range between {
			intermediates.AddCert(cert)
		}
		leaf.UnhandledCriticalExtensions = nil // the names, which the standard library does not know
		_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: a.now(), KeyUsages: []x509.ExtKeyUsage{usage}})
		return err
	}
	_, own := certify(t, a, enrolment{})
	_, svid := issue(t, authority, verifiertest.Request{})
	forged := a.real.forge(t, a, func(c *x509.Certificate) {
		c.UnknownExtKeyUsage, c.ExtKeyUsage = nil, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	})
	if err := chains(own, a.real.cert, nil, x509.ExtKeyUsageAny); err != nil {
		t.Errorf("what it may certify: %v", err)
	}
	if err := chains(own, a.simulated.cert, nil, x509.ExtKeyUsageAny); err == nil {
		t.Error("a real key's certificate chains to the simulated CA")
	}
	if err := chains(own, authority.active().root, []*x509.Certificate{authority.active().issuing, a.real.cert}, x509.ExtKeyUsageAny); err == nil {
		t.Error("an attestation key's certificate chains to the root of SVIDs")
	}
	if err := chains(svid, a.real.cert, []*x509.Certificate{authority.active().issuing, authority.active().root}, x509.ExtKeyUsageAny); err == nil {
		t.Error("an SVID chains to the CA of attestation keys")
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		if err := chains(forged, a.real.cert, nil, usage); err == nil {
			t.Error("a stolen CA of attestation keys can certify servers and clients")
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	middle := create(t, attestationTemplate("forged", &key.PublicKey, a.now()), a.real.cert, &key.PublicKey, a.real.key)
	p := a.real.sample(t, a)
	if err := chains(create(t, p.template(), middle, p.public(), key), a.real.cert, []*x509.Certificate{middle}, x509.ExtKeyUsageAny); err == nil {
		t.Error("a stolen CA of attestation keys can certify another CA")
	}
}

// The CAs' keys are reserved by the authority that certifies workloads.
func TestAttack_A06_AttestationCAIsNoWorkload(t *testing.T) {
	a := openAttestation(t)
	authority := openAt(t, t.TempDir(), &clock{verifiertest.Now()}, a.Keys()...)
	for _, public := range a.Keys() {
		key, err := evidence.NewKey(public)
		if err != nil {
			t.Fatal(err)
		}
		_, err = authority.Issue(verifiertest.Accepted(t, verifiertest.Request{Key: key}))
		refused(t, err, evidence.CodeIssuingKey)
	}
	for _, ca := range a.cas() {
		spki := ca.cert.RawSubjectPublicKeyInfo
		for _, claims := range []func(*evidence.EnrolmentClaims){nil, simulatedTPM} {
			_, err := a.Issue(enrolment{spki: spki, claims: claims}.enrolled(t))
			refused(t, err, evidence.CodeIssuingKey)
		}
	}
	if sum := sha256.Sum256(a.Anchors()[0].DER); sum == sha256.Sum256(authority.active().root.Raw) {
		t.Error("the root of SVIDs is the CA of attestation keys")
	}
}
