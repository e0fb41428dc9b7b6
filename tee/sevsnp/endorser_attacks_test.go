package sevsnp_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-sev-guest/verify/testdata"
	"github.com/google/go-sev-guest/verify/trust"

	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/sevsnp"
)

// TestAdmitRefuses gives one entry at a time beside what would prove it, were it
// authentic.
func TestAdmitRefuses(t *testing.T) {
	v := newVerifier(t, milan().Anchor(), genoa().Anchor())
	m := newMachine(t, milan(), "admit refuses")
	asvk, err := milan().ASVK()
	if err != nil {
		t.Fatal(err)
	}
	askCert := milan().ASK().Certificate
	held := collect(askCert, asvk.Certificate, genoa().ASK().Certificate)
	template := func(change func(*x509.Certificate)) *x509.Certificate {
		c := milan().VCEKTemplate(m.Template.ChipID, m.Template.ReportedTCB)
		change(c)
		return c
	}
	replace := func(c *x509.Certificate, value []byte, arcs ...int) {
		ext := simulator.KDSExtension(value, arcs...)
		at := slices.IndexFunc(c.ExtraExtensions, func(e pkix.Extension) bool { return e.Id.Equal(ext.Id) })
		c.ExtraExtensions[at] = ext
	}
	key := m.Public()
	list := func(by *simulator.Issuer, change func(*x509.RevocationList)) *x509.RevocationList {
		l := &x509.RevocationList{SignatureAlgorithm: x509.SHA384WithRSAPSS, Number: big.NewInt(1), ThisUpdate: start, NextUpdate: start.AddDate(1, 0, 0)}
		change(l)
		der, err := x509.CreateRevocationList(nil, l, by.Certificate, by.Key)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := x509.ParseRevocationList(der)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	_, chain := pem.Decode(trust.AskArkMilanVcekBytes)
	amdRoot, _ := pem.Decode(chain)
	unsigned := func(raw []byte) *x509.Certificate { return parseCertificate(t, flipLast(raw, 1)) }
	nothing := func(*x509.Certificate) {}
	for name, entry := range map[string]any{
		"AMD's root":                        parseCertificate(t, amdRoot.Bytes),
		"simulated root":                    milan().ARK().Certificate,
		"VCEK by a forger":                  issue(t, forger().ASK(), template(nothing), key),
		"VCEK with another signature":       unsigned(m.Certificate.Raw),
		"AMD's VCEK with another signature": unsigned(testdata.VcekBytes),
		"VCEK of the future":                issue(t, milan().ASK(), template(func(c *x509.Certificate) { c.NotBefore = now.Add(time.Second) }), key),
		"VCEK by the root":                  issue(t, milan().ARK(), template(nothing), key),
		"VCEK by the issuer of VLEKs":       issue(t, asvk, template(nothing), key),
		"VCEK of the other line":            issue(t, genoa().ASK(), template(nothing), key),
		"VCEK of a line nobody knows":       issue(t, milan().ASK(), template(func(c *x509.Certificate) { replace(c, []byte("\x16\x04Rome"), 2) }), key),
		"VCEK with a reserved level":        issue(t, milan().ASK(), template(func(c *x509.Certificate) { replace(c, []byte{2, 1, 1}, 3, 4) }), key),
		"VCEK of another structure version": issue(t, milan().ASK(), template(func(c *x509.Certificate) { replace(c, []byte{2, 1, 1}, 1) }), key),
		"VCEK without a chip":               issue(t, milan().ASK(), template(func(c *x509.Certificate) { c.ExtraExtensions = c.ExtraExtensions[:10] }), key),
		"VCEK that is named as AMD's":       issue(t, milan().ASK(), template(func(c *x509.Certificate) { c.Subject.SerialNumber = "" }), key),
		"CA named as a VCEK":                issue(t, milan().ASK(), template(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }), key),
		"VLEK by the issuer of VCEKs":       issue(t, milan().ASK(), milan().VLEKTemplate("CN=simulated.example", m.Template.ReportedTCB), key),
		"ASK by a forger":                   forger().ASK().Certificate,
		"ASK with another signature":        unsigned(askCert.Raw),
		"ASK of the future": issue(t, milan().ARK(), &x509.Certificate{SerialNumber: big.NewInt(9), Subject: askCert.Subject, NotBefore: now.Add(time.Second),
			NotAfter: now.AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, milan().ASK().Key.Public()),
		"issuer of another name": issue(t, milan().ARK(), &x509.Certificate{SerialNumber: big.NewInt(9), Subject: pkix.Name{CommonName: "SEV-Rome"}, NotBefore: start,
			NotAfter: now.AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, milan().ASK().Key.Public()),
		"list of a forger":   list(forger().ARK(), func(*x509.RevocationList) {}),
		"list of the ASK":    list(&simulator.Issuer{Certificate: renamed(milan().ASK().Certificate, milan().ARK().Certificate), Key: milan().ASK().Key}, func(*x509.RevocationList) {}),
		"list of the future": list(milan().ARK(), func(l *x509.RevocationList) { l.ThisUpdate, l.NextUpdate = now.Add(time.Second), now.Add(time.Hour) }),
		"list of changes": list(milan().ARK(), func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}}
		}),
		"list of some certificates": list(milan().ARK(), func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: []byte{0x30, 3, 0x81, 1, 0xff}}}
		}),
	} {
		if admitted := v.Admit(collect(entry), held, now); len(admitted) != 0 {
			t.Errorf("%s: admitted %v", name, provided(admitted))
		}
	}
	if len(v.Admit(collect(issue(t, milan().ASK(), template(nothing), key)), held, now)) != 1 {
		t.Error("what the refused ones were made of is not admitted")
	}
	document := &tee.Endorsements{}
	document.AddDocument(tee.Document{Type: tee.DocumentTCBInfo, Key: "Milan", Raw: []byte("{}")})
	if len(v.Admit(document, held, now)) != 0 {
		t.Error("a document was admitted, and AMD has none")
	}
}

// renamed returns a certificate that issues under the other's name.
func renamed(cert, as *x509.Certificate) *x509.Certificate {
	c := *cert
	c.RawSubject, c.Subject, c.KeyUsage, c.SubjectKeyId = as.RawSubject, as.Subject, as.KeyUsage, as.SubjectKeyId
	return &c
}

// flipLast returns a certificate with another signature, one for each n.
func flipLast(raw []byte, n uint32) []byte {
	raw = bytes.Clone(raw)
	tail := raw[len(raw)-4:]
	binary.BigEndian.PutUint32(tail, binary.BigEndian.Uint32(tail)^n)
	return raw
}

// TestAttack_D13_NameOfAnother shows that a certificate answers to what it says,
// whatever was asked for when it came.
func TestAttack_D13_NameOfAnother(t *testing.T) {
	v := newVerifier(t, milan().Anchor())
	asked, other := newMachine(t, milan(), "asked"), newMachine(t, milan(), "other")
	claims, err := v.UnverifiedClaims(item(t, asked))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range v.Admit(collect(other.Certificate, milan().ASK().Certificate), nil, now) {
		for _, need := range v.Needs(claims) {
			if need.Type == "vcek" && slices.Contains(e.Provides, need) {
				t.Errorf("another chip's certificate answers to %s", need)
			}
		}
	}
}

// TestAdmitUnderTwoRoots trusts AMD's Milan and two simulated ones of equal names.
// Each is admitted under the same name, marked for what it is, and none
// says anything on what another root issued, equal serial numbers or not.
func TestAdmitUnderTwoRoots(t *testing.T) {
	v := newVerifier(t, milan().Anchor(), forger().Anchor())
	report, e := sample(t)
	m := newMachine(t, milan(), "two roots")
	revoked := e.Certificates()
	if !slices.ContainsFunc(revoked, func(c *x509.Certificate) bool { return c.SerialNumber.Cmp(milan().ASK().Certificate.SerialNumber) == 0 }) {
		t.Error("the simulated ASK's serial number is not AMD's: the test says less than it could")
	}
	list, err := forger().ARK().CRL(simulator.CRLOptions{Number: 1 << 40, ThisUpdate: sampleTime.AddDate(0, 0, -1), NextUpdate: start.AddDate(1, 0, 0), Revoked: revoked})
	if err != nil {
		t.Fatal(err)
	}
	e.AddCRL(list)
	e.AddCertificate(m.Certificate)
	e.AddCertificate(milan().ASK().Certificate)
	e.AddCertificate(forger().ASK().Certificate)
	admitted := v.Admit(e, nil, now)
	asks := map[bool]int{}
	for _, one := range admitted {
		if one.Provides[0] == (tee.EndorsementName{Type: "ask", ID: "Milan"}) {
			asks[one.Simulated]++
		}
		if one.CRL != nil && !one.Simulated {
			t.Error("the simulated list is not marked")
		}
	}
	if asks[true] != 2 || asks[false] != 1 {
		t.Errorf("admitted %s", strings.Join(provided(admitted), "\n"))
	}
	wantGenuine(t, v.Verify(report, again(admitted), tee.Params{Now: sampleTime}))
	wantGenuine(t, v.Verify(item(t, m), again(admitted), tee.Params{Now: now}))
	if out := v.Verify(report, again(admitted), tee.Params{Now: sampleTime}); out.Claims.Simulated || out.Claims.SEVSNP.RevocationChecked {
		t.Error("AMD's chain rests on a simulated list")
	}
}

// TestAttack_D06_HeapOfForgeries bounds what a heap of lookalikes costs: behind as
// many failures as are borne nothing more of it is tried.
func TestAttack_D06_HeapOfForgeries(t *testing.T) {
	m := newMachine(t, milan(), "heap")
	askCert := milan().ASK().Certificate
	for _, forgeries := range []int{sevsnp.MaxForgeries - 1, sevsnp.MaxForgeries} {
		heap := &tee.Endorsements{}
		for n := range forgeries {
			heap.AddCertificate(parseCertificate(t, flipLast(m.Certificate.Raw, uint32(n+1))))
		}
		heap.AddCertificate(m.Certificate)
		v := newVerifier(t, milan().Anchor())
		admitted := v.Admit(heap, collect(askCert), now)
		if got, want := len(admitted) == 1, forgeries < sevsnp.MaxForgeries; got != want {
			t.Errorf("with %d forgeries the honest certificate is admitted: %v", forgeries, got)
		}
		if len(v.Admit(collect(m.Certificate), collect(askCert), now)) != 1 {
			t.Error("a heap has spoilt the next")
		}
	}
}

// TestAttack_D06_HeapOfLookalikeIssuers shows that no heap hides an issuer that is held.
func TestAttack_D06_HeapOfLookalikeIssuers(t *testing.T) {
	m := newMachine(t, milan(), "issuers")
	askCert := milan().ASK().Certificate
	heap := collect(m.Certificate)
	for n := range sevsnp.MaxForgeries - 1 {
		heap.AddCertificate(parseCertificate(t, flipLast(askCert.Raw, uint32(n+1))))
	}
	admitted := newVerifier(t, milan().Anchor()).Admit(heap, collect(askCert), now)
	if len(admitted) != 1 || admitted[0].Certificate != m.Certificate {
		t.Errorf("admitted %v", provided(admitted))
	}
}

// TestAdmitFleet admits more honest certificates than forgeries are borne.
func TestAdmitFleet(t *testing.T) {
	m := newMachine(t, milan(), "fleet")
	fleet := collect(milan().ASK().Certificate)
	for n := range sevsnp.MaxForgeries + 8 {
		tcb := m.Template.ReportedTCB
		tcb.Microcode = uint8(n)
		fleet.AddCertificate(issue(t, milan().ASK(), milan().VCEKTemplate(m.Template.ChipID, tcb), m.Public()))
	}
	v := newVerifier(t, milan().Anchor())
	admitted := v.Admit(fleet, nil, now)
	wantSound(t, v, fleet, admitted, now)
	if len(admitted) != fleet.Len() {
		t.Errorf("admitted %d of %d", len(admitted), fleet.Len())
	}
}

// TestAdmitIsPropertyOfVerify mixes what is authentic with what is not: whatever
// is admitted proves itself to a verifier that has nothing else, whatever is not
// clears no report.
func TestAdmitIsPropertyOfVerify(t *testing.T) {
	mine, theirs := newMachine(t, milan(), "property"), newMachine(t, forger(), "property")
	theirs.Template.ChipID = mine.Template.ChipID
	heap := published(milan())
	forger().Endorsements(heap)
	heap.AddCertificate(theirs.Certificate)
	v := newVerifier(t, milan().Anchor())
	admitted := v.Admit(heap, nil, now)
	wantSound(t, v, heap, admitted, now)
	if diff := len(v.Admit(again(admitted), nil, now)) - len(admitted); diff != 0 {
		t.Errorf("admitting again what was admitted gives %d more", diff)
	}
	fresh := newVerifier(t, milan().Anchor())
	wantGenuine(t, fresh.Verify(item(t, mine), again(admitted), tee.Params{Now: now}))
	if out := fresh.Verify(item(t, theirs), again(admitted), tee.Params{Now: now}); out.Genuine() {
		t.Error("the forger's report is genuine")
	}
	for _, one := range admitted {
		if one.Certificate != nil && one.Certificate.Equal(theirs.Certificate) {
			t.Error("the forger's certificate was admitted")
		}
	}
}
