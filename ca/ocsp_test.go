package ca

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/ocsp"
	"github.com/quotary/quotary/verifier/verifiertest"
)

const responderAt = "http://ocsp.example.org/v1/ocsp"

// responding is an authority whose leaves say where its responder is.
func responding(t *testing.T) (*Authority, *clock, *Responder) {
	t.Helper()
	c := &clock{verifiertest.Now()}
	a, err := Open(Config{Dir: t.TempDir(), TrustDomain: verifiertest.TrustDomain, Now: c.now, ResponderURL: responderAt})
	if err != nil {
		t.Fatal(err)
	}
	return a, c, responder(t, a)
}

func responder(t *testing.T, a *Authority) *Responder {
	t.Helper()
	r, err := a.Responder()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// asked is the request of another implementation, as ours reads it.
func asked(t *testing.T, cert, issuer *x509.Certificate, hash crypto.Hash) *ocsp.Request {
	t.Helper()
	der, err := xocsp.CreateRequest(cert, issuer, &xocsp.RequestOptions{Hash: hash})
	if err != nil {
		t.Fatal(err)
	}
	q, err := ocsp.ParseRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// answered is the answer, as another implementation reads it.
func answered(t *testing.T, r *Responder, q *ocsp.Request, status CertificateStatus, issuer *x509.Certificate) *xocsp.Response {
	t.Helper()
	s, ok := r.Subject(q)
	if !ok {
		t.Fatal("it is of no issuing CA")
	}
	der, err := s.Answer(status)
	if err != nil {
		t.Fatal(err)
	}
	response, err := xocsp.ParseResponse(der, issuer)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// Another implementation reads what is answered, and that a delegate of the issuing CA signed it.
func TestAnswersOfTheResponder(t *testing.T) {
	a, c, r := responding(t)
	_, leaf := issue(t, a, verifiertest.Request{})
	issuing := a.active().issuing
	revoked := c.at.Add(-time.Minute).Truncate(time.Second)
	for name, tc := range map[string]struct {
		status CertificateStatus
		want   int
	}{
		"good":    {CertificateStatus{Known: true}, xocsp.Good},
		"revoked": {CertificateStatus{Known: true, Revoked: revoked}, xocsp.Revoked},
		"unknown": {CertificateStatus{}, xocsp.Unknown},
	} {
		for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
			q := asked(t, leaf, issuing, hash)
			s, ok := r.Subject(q)
			if !ok || !s.Given || s.Serial != serialHex(leaf) {
				t.Fatalf("%s: %+v", name, s)
			}
			got := answered(t, r, q, tc.status, issuing)
			if got.Status != tc.want || got.SerialNumber.Cmp(leaf.SerialNumber) != 0 || got.IssuerHash != hash {
				t.Errorf("%s: %+v", name, got)
			}
			if tc.want == xocsp.Revoked && (!got.RevokedAt.Equal(revoked) || got.RevocationReason != xocsp.Unspecified) {
				t.Errorf("revoked at %s for %d", got.RevokedAt, got.RevocationReason)
			}
			if !got.ThisUpdate.Before(c.at) || !got.NextUpdate.Equal(c.at.Add(ocspLife).Truncate(time.Second)) || !got.ProducedAt.Equal(c.at.Truncate(time.Second)) {
				t.Errorf("from %s to %s, produced at %s", got.ThisUpdate, got.NextUpdate, got.ProducedAt)
			}
			if !bytes.Equal(got.ResponderKeyHash, r.keyHash) || got.Certificate == nil {
				t.Errorf("by %x", got.ResponderKeyHash)
			}
		}
	}
	if leaf.OCSPServer[0] != responderAt || len(leaf.OCSPServer) != 1 {
		t.Errorf("the leaf names %q", leaf.OCSPServer)
	}
	own, err := a.ServerCertificate([]string{"localhost"})
	if err != nil || len(own.Leaf.OCSPServer) != 0 {
		t.Errorf("the service's own: %v", err)
	}
	p := a.sampleProfile(t)
	p.responder = "http://elsewhere.example.org"
	_, err = a.active().sign(p)
	refused(t, err, evidence.CodeIssuingLint)
}

// nonces are an answer's extensions, which the other implementation does not read.
func nonces(t *testing.T, data []byte) (found [][]byte) {
	t.Helper()
	var response struct {
		ID         asn1.RawValue
		ProducedAt time.Time `asn1:"generalized"`
		Responses  asn1.RawValue
		Extensions []pkix.Extension `asn1:"explicit,tag:1,optional"`
	}
	if rest, err := asn1.Unmarshal(data, &response); err != nil || len(rest) > 0 {
		t.Fatal(err)
	}
	for _, e := range response.Extensions {
		var nonce []byte
		if rest, err := asn1.Unmarshal(e.Value, &nonce); err != nil || len(rest) > 0 || !e.Id.Equal(oidOCSPNonce) {
			t.Fatalf("%v: %v", e, err)
		}
		found = append(found, nonce)
	}
	return found
}

func TestAnswersRepeatTheNonce(t *testing.T) {
	a, _, r := responding(t)
	_, leaf := issue(t, a, verifiertest.Request{})
	q := asked(t, leaf, a.active().issuing, crypto.SHA1)
	if got := nonces(t, answered(t, r, q, CertificateStatus{}, a.active().issuing).TBSResponseData); len(got) != 0 {
		t.Errorf("unasked: %x", got)
	}
	q.Nonce = bytes.Repeat([]byte{7}, 128)
	if got := nonces(t, answered(t, r, q, CertificateStatus{}, a.active().issuing).TBSResponseData); len(got) != 1 || !bytes.Equal(got[0], q.Nonce) {
		t.Errorf("%x", got)
	}
}

// The profile of who answers: nothing but that, for hours, below the issuing CA itself.
func TestAttack_A24_ResponderIsConfined(t *testing.T) {
	a, c, r := responding(t)
	h, cert := a.active(), r.delegates[0].cert
	if err := cert.CheckSignatureFrom(h.issuing); err != nil {
		t.Error(err)
	}
	if len(cert.ExtKeyUsage) != 1 || cert.ExtKeyUsage[0] != x509.ExtKeyUsageOCSPSigning || cert.IsCA || len(cert.URIs)+len(cert.DNSNames) != 0 {
		t.Errorf("%+v", cert)
	}
	if life := cert.NotAfter.Sub(c.at); life > responderTTL {
		t.Errorf("it lasts %s", life)
	}
	if err := a.chainTo(cert); err == nil {
		t.Error("it passes for a workload")
	}
	noCheck := false
	for _, e := range cert.Extensions {
		noCheck = noCheck || e.Id.Equal(oidOCSPNoCheck) && bytes.Equal(e.Value, []byte{5, 0})
	}
	if !noCheck {
		t.Error("clients would ask whether it is revoked")
	}
	if err := h.lint(cert); err == nil {
		t.Error("it passes for a leaf of a workload")
	}
	_, leaf := issue(t, a, verifiertest.Request{})
	if err := h.lintResponder(leaf); err == nil {
		t.Error("a workload's leaf passes for a responder's")
	}
	if r.key.Equal(h.key) || responder(t, a).key.Equal(r.key) {
		t.Error("the key is not its own")
	}
}

func TestAttack_A22_ResponderThatBreaksTheProfileIsNotCertified(t *testing.T) {
	a, c, r := responding(t)
	h := a.active()
	good := func() *responderProfile {
		return &responderProfile{h.newSerial(), r.delegates[0].cert.RawSubjectPublicKeyInfo, c.at.Add(-time.Minute).Truncate(time.Second), c.at.Add(time.Hour).Truncate(time.Second)}
	}
	if _, err := h.signResponder(good()); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*responderProfile){
		"a serial number of no CA": func(p *responderProfile) { p.serial = big.NewInt(1) },
		"a day":                    func(p *responderProfile) { p.notAfter = p.notAfter.Add(24 * time.Hour) },
		"longer than the CA":       func(p *responderProfile) { p.notAfter = h.issuing.NotAfter.Add(time.Second) },
		"the CA's key":             func(p *responderProfile) { p.spki = h.issuing.RawSubjectPublicKeyInfo },
		"no key":                   func(p *responderProfile) { p.spki = sequence() },
	} {
		p := good()
		change(p)
		_, err := h.signResponder(p)
		if evidence.CodeOf(err) != evidence.CodeIssuingLint {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A leaf that another CA issued, a CA that is not there, or a serial number that somebody made up:
// nobody gets to hear that it is good.
func TestAttack_A26_NotIssuedHereIsNotGood(t *testing.T) {
	a, _, r := responding(t)
	issuing := a.active().issuing
	_, leaf := issue(t, a, verifiertest.Request{})
	b := open(t)
	_, foreign := issue(t, b, verifiertest.Request{})
	if s, ok := r.Subject(asked(t, foreign, issuing, crypto.SHA256)); !ok || s.Given {
		t.Error("another CA's serial number passes for one of this")
	}
	if _, ok := r.Subject(asked(t, leaf, b.active().issuing, crypto.SHA256)); ok {
		t.Error("it speaks for another CA")
	}
	for name, change := range map[string]func(*ocsp.Request){
		"another name":      func(q *ocsp.Request) { q.NameHash[0] ^= 1 },
		"another key":       func(q *ocsp.Request) { q.KeyHash[0] ^= 1 },
		"hashes swapped":    func(q *ocsp.Request) { q.NameHash, q.KeyHash = q.KeyHash, q.NameHash },
		"another algorithm": func(q *ocsp.Request) { q.Hash = 0 },
	} {
		q := asked(t, leaf, issuing, crypto.SHA1)
		q.NameHash, q.KeyHash = bytes.Clone(q.NameHash), bytes.Clone(q.KeyHash)
		change(q)
		if _, ok := r.Subject(q); ok {
			t.Errorf("%s: it is taken for this CA", name)
		}
	}
	for _, made := range []*big.Int{big.NewInt(1), newSerial(), new(big.Int).Add(leaf.SerialNumber, big.NewInt(1)), new(big.Int).Lsh(big.NewInt(1), 159)} {
		if a.active().gave(made) {
			t.Errorf("%x passes for a serial number", made)
		}
	}
}

// Every authority in the slots is answered for: the next, the active one and the one before.
func TestResponderOfEveryAuthority(t *testing.T) {
	r := newRig(t)
	_, before := issue(t, r.Authority, verifiertest.Request{})
	old := r.active()
	r.made(r.slots.Prepare(true))
	if got := len(responder(t, r.Authority).delegates); got != 2 {
		t.Fatalf("%d delegates", got)
	}
	r.made(r.slots.Activate(true))
	r.made(r.slots.Taint())
	now := responder(t, r.Authority)
	_, after := issue(t, r.Authority, verifiertest.Request{})
	for _, tc := range []struct {
		leaf   *x509.Certificate
		issuer *hierarchy
		given  bool
	}{{before, old, true}, {after, r.active(), true}, {before, r.active(), false}, {after, old, false}} {
		s, ok := now.Subject(asked(t, tc.leaf, tc.issuer.issuing, crypto.SHA1))
		if !ok || s.Given != tc.given {
			t.Errorf("given %v, want %v", s.Given, tc.given)
		}
	}
	answered(t, now, asked(t, before, old.issuing, crypto.SHA1), CertificateStatus{Known: true}, old.issuing)
	r.made(r.slots.Revoke())
	if _, ok := responder(t, r.Authority).Subject(asked(t, before, old.issuing, crypto.SHA1)); ok {
		t.Error("it speaks for an authority whose keys are gone")
	}
}

// Answers end with the responder's certificate, and after it there are none.
func TestResponderThatIsNotRenewed(t *testing.T) {
	a, c, r := responding(t)
	_, leaf := issue(t, a, verifiertest.Request{})
	q := asked(t, leaf, a.active().issuing, crypto.SHA1)
	end := r.delegates[0].cert.NotAfter
	c.at = end.Add(-time.Minute)
	if got := answered(t, r, q, CertificateStatus{Known: true}, a.active().issuing); !got.NextUpdate.Equal(end) {
		t.Errorf("it holds until %s, the certificate until %s", got.NextUpdate, end)
	}
	for _, at := range []time.Time{end, r.delegates[0].cert.NotBefore.Add(-time.Second)} {
		c.at = at
		s, _ := r.Subject(q)
		_, err := s.Answer(CertificateStatus{Known: true})
		refused(t, err, evidence.CodeIssuingValidity)
	}
	c.at = a.active().issuing.NotAfter // an authority that ended keeps nobody from being answered
	if got := len(responder(t, a).delegates); got != 0 {
		t.Errorf("%d delegates", got)
	}
}

func TestUnsignedAnswers(t *testing.T) {
	for name, tc := range map[string]struct{ got, want []byte }{
		"malformed":    {OCSPMalformed, xocsp.MalformedRequestErrorResponse},
		"unauthorized": {OCSPUnauthorized, xocsp.UnauthorizedErrorResponse},
	} {
		if !bytes.Equal(tc.got, tc.want) {
			t.Errorf("%s: %x", name, tc.got)
		}
	}
}
