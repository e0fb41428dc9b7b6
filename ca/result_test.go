package ca

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier"
	"github.com/quotary/quotary/verifier/verifiertest"
)

// carrying is an authority whose certificates carry result.
func carrying(t *testing.T, result []byte, err error) *Authority {
	t.Helper()
	c := &clock{verifiertest.Now()}
	a, openErr := Open(Config{
		Dir: t.TempDir(), TrustDomain: verifiertest.TrustDomain, Now: c.now,
		AttestationResult: func(r verifier.Result) ([]byte, error) {
			if !r.Accepted() {
				t.Error("a result is wanted of what was not accepted")
			}
			return result, err
		},
	})
	if openErr != nil {
		t.Fatal(openErr)
	}
	return a
}

// The extension is encoded as draft-ietf-rats-msg-wrap §5 has it for CBOR, is not
// critical, and is in workloads' certificates alone.
func TestCertificateCarriesAnAttestationResult(t *testing.T) {
	record := []byte("\x83\x73application/eat+cwt\x41\x00\x08")
	a := carrying(t, record, nil)
	_, leaf := issue(t, a, verifiertest.Request{})
	want := pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 35}, Value: append([]byte{4, byte(len(record))}, record...)}
	found := 0
	for _, e := range leaf.Extensions {
		if e.Id.Equal(want.Id) && !e.Critical && bytes.Equal(e.Value, want.Value) {
			found++
		}
	}
	if found != 1 || len(leaf.Extensions) != 7 {
		t.Errorf("%d such extensions, of %d", found, len(leaf.Extensions))
	}
	if err := a.chainTo(leaf); err != nil {
		t.Error(err)
	}
	service, err := a.ServerCertificate([]string{"localhost"})
	if err != nil || carried(service.Leaf) != nil {
		t.Errorf("the service's own certificate carries one, or none is made: %v", err)
	}
	_, leaf = issue(t, carrying(t, bytes.Repeat([]byte{1}, maxAttestationResult), nil), verifiertest.Request{})
	if len(carried(leaf)) != maxAttestationResult+4 {
		t.Errorf("%d bytes", len(carried(leaf)))
	}
}

// What cannot be carried, or was not asked for, is not.
func TestAttack_A23_AttestationResultsOnlyWhereAskedFor(t *testing.T) {
	failed := errors.New("no")
	result := verifiertest.Accepted(t, verifiertest.Request{})
	if _, err := carrying(t, nil, failed).Issue(result); !errors.Is(err, failed) {
		t.Errorf("a certificate without the result that it is to carry: %v", err)
	}
	for _, bad := range [][]byte{nil, {}, make([]byte, maxAttestationResult+1)} {
		_, err := carrying(t, bad, nil).Issue(result)
		refused(t, err, evidence.CodeIssuingLint)
	}
	a, with := open(t), carrying(t, []byte{1}, nil)
	p := a.sampleProfile(t)
	p.result = []byte{1}
	if _, err := a.active().sign(p); evidence.CodeOf(err) != evidence.CodeIssuingLint || !strings.Contains(err.Error(), "extensions") {
		t.Errorf("a result that nobody asked for is signed: %v", err)
	}
	p = with.sampleProfile(t)
	template := p.template()
	template.ExtraExtensions = []pkix.Extension{{Id: oidCMW, Value: []byte{4, 1, 2}}}
	other := create(t, template, with.active().issuing, p.public(), with.active().key)
	if err := with.active().judge(p, other.Raw); evidence.CodeOf(err) != evidence.CodeIssuingLint {
		t.Errorf("another result than what was decided: %v", err)
	}
	template.ExtraExtensions[0].Critical = true
	if err := with.active().lint(create(t, template, with.active().issuing, p.public(), with.active().key)); evidence.CodeOf(err) != evidence.CodeIssuingLint {
		t.Errorf("a critical one: %v", err)
	}
	if _, err := x509.ParseCertificate(other.Raw); err != nil {
		t.Fatal(err)
	}
}
