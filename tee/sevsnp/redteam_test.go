package sevsnp_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
)

// The attacks of this file put more into evidence or endorsements than belongs
// there. Nothing that is added may make a verdict better, and honest evidence
// that carries its own certificates must stay genuine.

// lookalikes are certificates that a forger issues for the chip and TCB of a
// machine, each with another key.
func lookalikes(tb testing.TB, m *simulator.Machine, n int) []*x509.Certificate {
	tb.Helper()
	var certs []*x509.Certificate
	key := newKey(tb)
	for serial := range n {
		cert := forger().VCEKTemplate(m.Template.ChipID, m.Template.ReportedTCB)
		cert.SerialNumber = big.NewInt(int64(serial))
		certs = append(certs, issue(tb, forger().ASK(), cert, key.Public()))
	}
	return certs
}

func TestAttack_S34_FloodHidesNoRevocation(t *testing.T) {
	revoking := list(t, milan().ARK(), 2, start, milan().ASK().Certificate)
	good := list(t, milan().ARK(), 2, start)
	var forged, naming []*x509.RevocationList
	for number := range int64(40) {
		at := start.Add(time.Duration(number) * time.Minute)
		forged = append(forged, list(t, forger().ARK(), 100+number, at))
		naming = append(naming, list(t, forger().ARK(), 100+number, at, milan().ASK().Certificate))
	}
	with := func(lists []*x509.RevocationList, further ...*x509.RevocationList) tee.Outcome {
		m := newMachine(t, milan(), "flood")
		e := authorities(milan(), m.Certificate)
		for _, crl := range append(lists[:len(lists):len(lists)], further...) {
			e.AddCRL(crl)
		}
		return newVerifier(t, milan().Anchor()).Verify(item(t, m), e, tee.Params{Now: now})
	}
	wantRefused(t, with(forged, revoking), evidence.CodeSNPRevocation)
	wantRefused(t, with(naming[:15], revoking), evidence.CodeSNPRevocation)
	// Where even those that name the chain are too many, nothing is concluded.
	wantUnchecked(t, with(naming, good))
	wantUnchecked(t, with(naming, revoking))

	// What was proved before is found in any heap.
	m := newMachine(t, milan(), "flood")
	e := authorities(milan(), m.Certificate)
	e.AddCRL(good)
	v := newVerifier(t, milan().Anchor())
	wantChecked(t, v.Verify(item(t, m), e, tee.Params{Now: now}))
	heap := authorities(milan(), m.Certificate)
	for _, crl := range append(forged, good) {
		heap.AddCRL(crl)
	}
	wantChecked(t, v.Verify(item(t, m), heap, tee.Params{Now: now}))
}

func TestAttack_S35_HistoryOfListsIsNoFlood(t *testing.T) {
	var history []*x509.RevocationList
	for number := range int64(40) {
		history = append(history, list(t, milan().ARK(), number+1, start.Add(time.Duration(number)*time.Minute)))
	}
	wantChecked(t, withLists(t, now, history...))
}

func TestAttack_S34_LookalikesOfTheKey(t *testing.T) {
	m := newMachine(t, milan(), "lookalikes")
	e := authorities(milan(), lookalikes(t, m, 64)...)
	e.AddCertificate(m.Certificate)
	bare := item(t, m)
	sending := item(t, m)
	sending.Certificates = [][]byte{m.Certificate.Raw}

	v := newVerifier(t, milan().Anchor())
	wantUndecided(t, v.Verify(bare, e, tee.Params{Now: now}), "vcek")
	wantGenuine(t, v.Verify(sending, e, tee.Params{Now: now}))
	wantGenuine(t, v.Verify(bare, e, tee.Params{Now: now})) // remembered by now

	forged := item(t, m)
	forged.Report[0x90] ^= 1
	if out := v.Verify(forged, e, tee.Params{Now: now}); out.Genuine() {
		t.Errorf("genuine\n%s", lines(out.Checks))
	}
	// A lookalike beside the genuine one changes nothing, whichever comes first.
	one := lookalikes(t, m, 1)[0]
	for _, certs := range [][]*x509.Certificate{{one, m.Certificate}, {m.Certificate, one}} {
		fresh := newVerifier(t, milan().Anchor())
		wantGenuine(t, fresh.Verify(bare, authorities(milan(), certs...), tee.Params{Now: now}))
		wantRefused(t, fresh.Verify(forged, authorities(milan(), m.Certificate), tee.Params{Now: now}), evidence.CodeSNPSignature)
	}
}

// TestMaskedChipsOfAFleet: where chips are masked, every key of the fleet may be
// the one. A machine that sends its certificate is not lost among them.
func TestAttack_S09_MaskedChipsOfAFleet(t *testing.T) {
	mask := func(r *simulator.Report) { r.ChipID = [64]byte{} }
	e := authorities(milan())
	var machines []*simulator.Machine
	for _, name := range []string{"m0", "m1", "m2", "m3", "m4", "m5"} {
		m := newMachine(t, milan(), name, mask)
		machines = append(machines, m)
		e.AddCertificate(m.Certificate)
	}
	last := machines[len(machines)-1]
	v := newVerifier(t, milan().Anchor())
	wantUndecided(t, v.Verify(item(t, last), e, tee.Params{Now: now}), "vcek")
	sending := item(t, last)
	sending.Certificates = [][]byte{last.Certificate.Raw}
	wantGenuine(t, v.Verify(sending, e, tee.Params{Now: now}))
}

func TestAttack_S39_ExpiredDuplicatesOfTheKey(t *testing.T) {
	m := newMachine(t, milan(), "duplicates")
	e := authorities(milan())
	for n := range 3 {
		cert := milan().VCEKTemplate(m.Template.ChipID, m.Template.ReportedTCB)
		cert.NotBefore, cert.NotAfter = start.AddDate(-2, 0, n), start.AddDate(-1, 0, n)
		e.AddCertificate(issue(t, milan().ASK(), cert, m.Public()))
	}
	wantRefused(t, trusting().Verify(item(t, m), e, tee.Params{Now: now}), evidence.CodeSNPValidity)
	e.AddCertificate(m.Certificate)
	wantGenuine(t, trusting().Verify(item(t, m), e, tee.Params{Now: now}))
}

func TestAttack_S34_IssuersOfTheSameName(t *testing.T) {
	m := newMachine(t, milan(), "issuers")
	var forged []*x509.Certificate
	for serial := range int64(8) {
		cert := authority("SEV-Milan")
		cert.SerialNumber, cert.RawSubject = big.NewInt(serial), milan().ASK().Certificate.RawSubject
		forged = append(forged, issue(t, forger().ARK(), cert, forger().ASK().Key.Public()))
	}
	for _, certs := range [][]*x509.Certificate{append(forged[:3:3], milan().ASK().Certificate), append([]*x509.Certificate{milan().ASK().Certificate}, forged...)} {
		e := &tee.Endorsements{}
		e.AddCertificate(m.Certificate)
		for _, cert := range certs {
			e.AddCertificate(cert)
		}
		wantGenuine(t, newVerifier(t, milan().Anchor()).Verify(item(t, m), e, tee.Params{Now: now}))
	}
	// One that was proved, or that comes with the report, is not hidden by a heap.
	e := &tee.Endorsements{}
	for _, cert := range append(forged, milan().ASK().Certificate, m.Certificate) {
		e.AddCertificate(cert)
	}
	v := newVerifier(t, milan().Anchor())
	wantGenuineWith := func(certificates ...[]byte) {
		t.Helper()
		sending := item(t, m)
		sending.Certificates = certificates
		wantGenuine(t, v.Verify(sending, e, tee.Params{Now: now}))
	}
	wantUndecided(t, v.Verify(item(t, m), e, tee.Params{Now: now}), "ask")
	wantGenuineWith(milan().ASK().Certificate.Raw)
	wantGenuineWith()
}

// A sender who adds issuers of his own does not turn a refusal into a doubt.
func TestAttack_S01_SentIssuersRaiseNoDoubt(t *testing.T) {
	m := newMachine(t, milan(), "own issuers")
	it := item(t, m)
	for serial := range int64(6) {
		cert := authority("SEV-Milan")
		cert.SerialNumber, cert.RawSubject = big.NewInt(serial), milan().ASK().Certificate.RawSubject
		it.Certificates = append(it.Certificates, issue(t, forger().ARK(), cert, forger().ASK().Key.Public()).Raw)
	}
	for _, cert := range lookalikes(t, m, 2) {
		it.Certificates = append(it.Certificates, cert.Raw)
	}
	out := newVerifier(t, milan().Anchor()).Verify(it, authorities(milan()), tee.Params{Now: now})
	wantRefused(t, out, evidence.CodeSNPChain, evidence.CodeSNPSignature)
}

// Whoever owns a chip, or knows one, can have the vendor issue a certificate for
// each of very many levels. They neither hide the one that counts nor cost a decoding each.
func TestAttack_S34_ManyLevelsOfOneChip(t *testing.T) {
	m := newMachine(t, milan(), "levels")
	key, err := rsa.GenerateKey(rand.Reader, 1024) // who signed them is never looked at
	if err != nil {
		t.Fatal(err)
	}
	issuer := &x509.Certificate{RawSubject: milan().ASK().Certificate.RawSubject, PublicKey: &key.PublicKey}
	e := authorities(milan())
	for n := range 1100 {
		level := m.Template.ReportedTCB
		level.Bootloader, level.TEE = uint8(100+n%100), uint8(n/100)
		template := milan().VCEKTemplate(m.Template.ChipID, level)
		template.SignatureAlgorithm = x509.SHA384WithRSAPSS
		der, err := x509.CreateCertificate(rand.Reader, template, issuer, m.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		e.AddCertificate(cert)
	}
	v := newVerifier(t, milan().Anchor())
	wantUndecided(t, v.Verify(item(t, m), e, tee.Params{Now: now, Pooled: true}), "vcek")
	e.AddCertificate(m.Certificate)
	wantGenuine(t, v.Verify(item(t, m), e, tee.Params{Now: now, Pooled: true}))
}
