package sevsnp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-sev-guest/verify/testdata"
	"github.com/google/go-sev-guest/verify/trust"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/sevsnp"
)

// The attacks of this file lie in the certificates.

// keyed is a key that is the test's own, so that it can be certified at will.
type keyed struct{ *ecdsa.PrivateKey }

func newKey(tb testing.TB) keyed {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return keyed{key}
}

// report returns the default report of a machine, signed by the key.
func (k keyed) report(tb testing.TB, vendor *simulator.Vendor, change ...func(*simulator.Report)) *evidence.SNP {
	tb.Helper()
	r := vendor.Report("certified")
	for _, f := range change {
		f(r)
	}
	raw, err := simulator.SignReport(k.PrivateKey, r.Marshal())
	if err != nil {
		tb.Fatal(err)
	}
	return &evidence.SNP{Report: raw}
}

// template is the certificate that belongs to keyed.report.
func template(vendor *simulator.Vendor) *x509.Certificate {
	r := vendor.Report("certified")
	return vendor.VCEKTemplate(r.ChipID, r.ReportedTCB)
}

// certified verifies a report whose key's certificate edit has changed.
func certified(t *testing.T, edit func(cert *x509.Certificate)) tee.Outcome {
	t.Helper()
	key := newKey(t)
	cert := template(milan())
	edit(cert)
	e := authorities(milan(), issue(t, milan().ASK(), cert, key.Public()))
	return trusting().Verify(key.report(t, milan()), e, tee.Params{Now: now})
}

func TestUnchangedCertificateIsGenuine(t *testing.T) {
	wantGenuine(t, certified(t, func(*x509.Certificate) {}))
}

func TestAttack_S01_SelfMadeRoot(t *testing.T) {
	m, err := forger().NewMachine(simulator.MachineOptions{Name: "forged"})
	if err != nil {
		t.Fatal(err)
	}
	report := item(t, m)
	report.Certificates = append(report.Certificates, forger().ARK().Certificate.Raw)
	// Every name is that of the trusted root, whose own issuer is there too.
	e := published(forger())
	milan().Endorsements(e)
	wantRefused(t, trusting().Verify(report, e, tee.Params{Now: now}), evidence.CodeSNPChain)
	// Without any simulated root the names are not known.
	wantRefused(t, newVerifier(t).Verify(report, e, tee.Params{Now: now}), evidence.CodeSNPChain)
}

// TestAttack_S01_SelfMadeAMD copies the names of AMD's own certificates.
func TestAttack_S01_SelfMadeAMD(t *testing.T) {
	askPEM, rest := pem.Decode(trust.AskArkMilanVcekBytes)
	arkPEM, _ := pem.Decode(rest)
	named := func(like []byte, template x509.Certificate) *x509.Certificate {
		template.RawSubject = parseCertificate(t, like).RawSubject
		template.NotBefore, template.NotAfter = start, start.AddDate(5, 0, 0)
		template.SubjectKeyId = parseCertificate(t, like).SubjectKeyId
		return &template
	}
	authority := x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	root := named(arkPEM.Bytes, authority)
	ark := &simulator.Issuer{Certificate: root, Key: forger().ARK().Key}
	ark.Certificate = issue(t, ark, root, ark.Key.Public())
	ask := &simulator.Issuer{Certificate: issue(t, ark, named(askPEM.Bytes, authority), forger().ASK().Key.Public()), Key: forger().ASK().Key}
	key := newKey(t)
	leaf := issue(t, ask, named(testdata.VcekBytes, *template(milan())), key.Public())

	e := &tee.Endorsements{}
	for _, cert := range []*x509.Certificate{ark.Certificate, ask.Certificate, leaf} {
		e.AddCertificate(cert)
	}
	report := key.report(t, milan())
	report.Certificates = [][]byte{leaf.Raw, ask.Certificate.Raw, ark.Certificate.Raw}
	wantRefused(t, newVerifier(t).Verify(report, e, tee.Params{Now: now}), evidence.CodeSNPChain)
	// The same chain holds under its own root: it is the root alone that was missing.
	own := newVerifier(t, tee.Anchor{DER: ark.Certificate.Raw, Origin: evidence.OriginSimulated})
	out := own.Verify(report, e, tee.Params{Now: now})
	wantGenuine(t, out)
	if !out.Claims.Simulated {
		t.Error("evidence under a further root is not marked")
	}
}

func TestAttack_S02_ProductNameOfAnotherLine(t *testing.T) {
	for _, name := range []string{"Genoa", "Genoa-B1", "Turin", "Milano", "milan", "MilanB0"} {
		wantRefused(t, certified(t, func(cert *x509.Certificate) {
			cert.ExtraExtensions[1] = simulator.KDSExtension(append([]byte{22, byte(len(name))}, name...), 2)
		}), evidence.CodeSNPProductAgreement)
	}
	wantGenuine(t, certified(t, func(cert *x509.Certificate) { // a stepping says nothing
		cert.ExtraExtensions[1] = simulator.KDSExtension(append([]byte{22, 8}, "Milan-X9"...), 2)
	}))
}

func TestAttack_S10_VLEKAsVCEK(t *testing.T) {
	m, err := milan().NewMachine(simulator.MachineOptions{Name: "vlek", CSPID: "CN=cloud.example"})
	if err != nil {
		t.Fatal(err)
	}
	report := item(t, m)
	v := trusting()
	out := v.Verify(report, nil, tee.Params{Now: now})
	wantGenuine(t, out)
	c := out.Claims.SEVSNP
	if c.SigningKey != "vlek" || c.CSPID != "CN=cloud.example" || c.ChipID != nil {
		t.Errorf("claims are %+v", c)
	}
	wantStatus(t, out, evidence.CodeSNPChipID, evidence.NotApplicable)

	// The provider's key signs a report that says that the chip's did.
	m.Template.SigningKey = simulator.KeyVCEK
	lie := item(t, m)
	wantRefused(t, v.Verify(lie, nil, tee.Params{Now: now}), evidence.CodeSNPCertificateProfile)
	// With the chip's certificate there too, the signing key's slot decides.
	m.Template.ChipID = milan().Report("both").ChipID
	both := item(t, m)
	both.Certificates = append(both.Certificates, newMachine(t, milan(), "both").Certificate.Raw)
	wantRefused(t, v.Verify(both, authorities(milan()), tee.Params{Now: now}), evidence.CodeSNPSignature)

	// The chip's key signs a report that says that the provider's did.
	chip := newMachine(t, milan(), "chip as provider", func(r *simulator.Report) { r.SigningKey = simulator.KeyVLEK })
	wantRefused(t, v.Verify(item(t, chip), authorities(milan(), chip.Certificate), tee.Params{Now: now}), evidence.CodeSNPCertificateProfile)
}

func TestAttack_S10_IssuerOfTheOtherKind(t *testing.T) {
	asvk, err := milan().ASVK()
	if err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	e := authorities(milan(), asvk.Certificate, issue(t, asvk, template(milan()), key.Public()))
	out := trusting().Verify(key.report(t, milan()), e, tee.Params{Now: now})
	wantRefused(t, out, evidence.CodeSNPProductAgreement, evidence.CodeSNPChain)
}

func TestAttack_S11_ProviderIsClaimed(t *testing.T) {
	m, err := milan().NewMachine(simulator.MachineOptions{Name: "evil", CSPID: "CN=evil.example"})
	if err != nil {
		t.Fatal(err)
	}
	out := trusting().Verify(item(t, m), published(milan()), tee.Params{Now: now})
	wantGenuine(t, out)
	if out.Claims.SEVSNP.CSPID != "CN=evil.example" {
		t.Errorf("provider is %q: a policy could not tell", out.Claims.SEVSNP.CSPID)
	}
}

func TestVLEKIsFoundAmongEndorsements(t *testing.T) {
	m, err := genoa().NewMachine(simulator.MachineOptions{Name: "vlek", CSPID: "CN=cloud.example", WithoutCertificates: true})
	if err != nil {
		t.Fatal(err)
	}
	e := published(genoa())
	wantGenuine(t, trusting().Verify(item(t, m), e, tee.Params{Now: now}))
	wantUndecided(t, trusting().Verify(item(t, m), published(milan()), tee.Params{Now: now}), "vlek")
}

func TestAttack_S36_KeyThatIssues(t *testing.T) {
	outer, inner := newKey(t), newKey(t)
	// A leaf certified by a leaf.
	leaf := issue(t, milan().ASK(), template(milan()), outer.Public())
	second := issue(t, &simulator.Issuer{Certificate: leaf, Key: outer}, template(milan()), inner.Public())
	e := authorities(milan(), second)
	e.AddCertificate(leaf)
	report := inner.report(t, milan())
	report.Certificates = [][]byte{second.Raw, leaf.Raw}
	out := trusting().Verify(report, e, tee.Params{Now: now})
	if out.Genuine() || out.Undecided() {
		t.Fatalf("not refused\n%s", lines(out.Checks))
	}
	// A leaf with the issuer's name.
	named := template(milan())
	named.Subject = milan().ASK().Certificate.Subject
	impostor := issue(t, milan().ASK(), named, outer.Public())
	third := issue(t, &simulator.Issuer{Certificate: impostor, Key: outer}, template(milan()), inner.Public())
	report = inner.report(t, milan())
	report.Certificates = [][]byte{third.Raw, impostor.Raw}
	out = trusting().Verify(report, authorities(milan()), tee.Params{Now: now})
	wantRefused(t, out, evidence.CodeSNPCertificateProfile)
	// A fourth level: an authority below the signing key.
	deeper := authority("SEV-Milan")
	sub := &simulator.Issuer{Certificate: issue(t, milan().ASK(), deeper, forger().ASK().Key.Public()), Key: forger().ASK().Key}
	below := issue(t, sub, template(milan()), inner.Public())
	out = trusting().Verify(inner.report(t, milan()), authorities(milan(), sub.Certificate, below), tee.Params{Now: now})
	wantRefused(t, out, evidence.CodeSNPChain)
	// A root that issues the key itself.
	direct := issue(t, milan().ARK(), template(milan()), inner.Public())
	out = trusting().Verify(inner.report(t, milan()), authorities(milan(), direct), tee.Params{Now: now})
	wantRefused(t, out, evidence.CodeSNPProductAgreement, evidence.CodeSNPChain)
}

// authority is a signing key's certificate before it is issued.
func authority(name string) *x509.Certificate {
	subject := milan().ASK().Certificate.Subject
	subject.CommonName = name
	return &x509.Certificate{
		SerialNumber: big.NewInt(99), Subject: subject, NotBefore: start, NotAfter: start.AddDate(9, 0, 0),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	}
}

func TestAttack_S36_IssuerThatIsNone(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	big := forger().ASK().Key
	for name, test := range map[string]struct {
		key  *simulator.Issuer
		edit func(*x509.Certificate)
	}{
		"not a CA":          {&simulator.Issuer{Key: big}, func(c *x509.Certificate) { c.IsCA = false }},
		"no certSign":       {&simulator.Issuer{Key: big}, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }},
		"RSA-2048":          {&simulator.Issuer{Key: small}, func(*x509.Certificate) {}},
		"P-384":             {&simulator.Issuer{Key: newKey(t)}, func(*x509.Certificate) {}},
		"PKCS #1 v1.5":      {&simulator.Issuer{Key: big}, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA384WithRSA }},
		"SHA-256":           {&simulator.Issuer{Key: big}, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA256WithRSAPSS }},
		"unknown extension": {&simulator.Issuer{Key: big}, func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3}, Critical: true}} }},
		"another name":      {&simulator.Issuer{Key: big}, func(c *x509.Certificate) { c.Subject.CommonName = "SEV-Genoa" }},
		"the real name":     {&simulator.Issuer{Key: big}, func(c *x509.Certificate) { c.Subject.SerialNumber = "" }},
	} {
		t.Run(name, func(t *testing.T) {
			template1 := authority("SEV-Milan")
			test.edit(template1)
			test.key.Certificate = issue(t, milan().ARK(), template1, test.key.Key.Public())
			key := newKey(t)
			leaf := issue(t, test.key, template(milan()), key.Public())
			e := &tee.Endorsements{}
			e.AddCertificate(test.key.Certificate)
			e.AddCertificate(leaf)
			out := trusting().Verify(key.report(t, milan()), e, tee.Params{Now: now})
			failed := out.Checks.Failed()
			if !slices.ContainsFunc(failed, func(c evidence.Check) bool {
				return c.Code == evidence.CodeSNPChain || c.Code == evidence.CodeSNPCertificateProfile
			}) {
				t.Errorf("not refused for its issuer\n%s", lines(out.Checks))
			}
		})
	}
}

func TestAttack_S37_WeakKeyCertificates(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		public any
		edit   func(*x509.Certificate)
	}{
		"RSA key":            {forger().ASK().Key.Public(), func(*x509.Certificate) {}},
		"P-256 key":          {p256.Public(), func(*x509.Certificate) {}},
		"PKCS #1 v1.5":       {newKey(t).Public(), func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA384WithRSA }},
		"PSS with SHA-256":   {newKey(t).Public(), func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA256WithRSAPSS }},
		"CA":                 {newKey(t).Public(), func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }},
		"usage not signing":  {newKey(t).Public(), func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }},
		"subject of another": {newKey(t).Public(), func(c *x509.Certificate) { c.Subject.CommonName = "SEV-VLEK" }},
	} {
		t.Run(name, func(t *testing.T) {
			cert := template(milan())
			test.edit(cert)
			e := authorities(milan(), issue(t, milan().ASK(), cert, test.public))
			out := trusting().Verify(newKey(t).report(t, milan()), e, tee.Params{Now: now})
			wantRefused(t, out, evidence.CodeSNPCertificateProfile)
		})
	}
}

func TestAttack_S38_Extensions(t *testing.T) {
	chip := milan().Report("certified").ChipID
	extension := func(value []byte, arcs ...int) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			added := simulator.KDSExtension(value, arcs...)
			c.ExtraExtensions = slices.DeleteFunc(c.ExtraExtensions, func(x pkix.Extension) bool { return x.Id.Equal(added.Id) })
			if value != nil {
				c.ExtraExtensions = append(c.ExtraExtensions, added)
			}
		}
	}
	for name, edit := range map[string]func(*x509.Certificate){
		"HWID too short":         extension(chip[:63], 4),
		"HWID of eight bytes":    extension(chip[:8], 4),
		"HWID with another tag":  extension(append([]byte{3, 64}, chip[:]...), 4),
		"both owners":            extension([]byte{22, 1, 'x'}, 5),
		"no owner":               extension(nil, 4),
		"structure version 1":    extension([]byte{2, 1, 1}, 1),
		"no product name":        extension(nil, 2),
		"product name as UTF-8":  extension(append([]byte{12, 5}, "Milan"...), 2),
		"product name too long":  extension(append([]byte{22, 6}, "Milan"...), 2),
		"product name unprinted": extension([]byte{22, 2, 'M', 7}, 2),
		"no SNP level":           extension(nil, 3, 3),
		"no reserved level":      extension(nil, 3, 5),
		"negative level":         extension([]byte{2, 1, 0x98}, 3, 3),
		"long form of a level":   extension([]byte{2, 2, 0, 24}, 3, 3),
		"level above 255":        extension([]byte{2, 2, 1, 24}, 3, 3),
		"level with a tail":      extension([]byte{2, 1, 24, 0}, 3, 3),
		"critical AMD extension": func(c *x509.Certificate) {
			unknown := simulator.KDSExtension([]byte{5, 0}, 77)
			unknown.Critical = true
			c.ExtraExtensions = append(c.ExtraExtensions, unknown)
		},
		"critical extension": func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: []int{1, 2, 3}, Critical: true})
		},
		"too many": func(c *x509.Certificate) {
			for n := range 40 {
				c.ExtraExtensions = append(c.ExtraExtensions, simulator.KDSExtension([]byte{5, 0}, 100, n))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			key := newKey(t)
			cert := template(milan())
			edit(cert)
			report := key.report(t, milan())
			report.Certificates = [][]byte{issue(t, milan().ASK(), cert, key.Public()).Raw}
			out := trusting().Verify(report, authorities(milan()), tee.Params{Now: now})
			wantRefused(t, out, evidence.CodeSNPCertificateProfile)
		})
	}
}

func TestAttack_S38_RepeatedExtension(t *testing.T) {
	key := newKey(t)
	cert := template(milan())
	cert.ExtraExtensions = append(cert.ExtraExtensions, cert.ExtraExtensions[8])
	cert.SignatureAlgorithm = x509.SHA384WithRSAPSS
	der, err := x509.CreateCertificate(nil, cert, milan().ASK().Certificate, key.Public(), milan().ASK().Key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x509.ParseCertificate(der); err == nil {
		t.Fatal("a certificate with a repeated extension parses; the decoder relies on it that none does")
	}
	report := key.report(t, milan())
	report.Certificates = [][]byte{der}
	out := trusting().Verify(report, authorities(milan()), tee.Params{Now: now})
	wantUndecided(t, out, "vcek")
	if check, _ := out.Checks.Get(evidence.CodeSNPKeyCertificate); check.Got != "it is not there; 1 of the certificates that came with the report cannot be read" {
		t.Errorf("got %q", check.Got)
	}
}

func TestAttack_S38_FormsOfTheChipIdentifier(t *testing.T) {
	for name, first := range map[string]byte{"like an OCTET STRING": 0x04, "like an INTEGER": 0x02, "zero": 0} {
		for form, header := range map[string][]byte{"raw": nil, "DER": {4, 64}} {
			t.Run(name+" "+form, func(t *testing.T) {
				chip := milan().Report("certified").ChipID
				chip[0], chip[1] = first, 64
				key := newKey(t)
				cert := milan().VCEKTemplate(chip, milan().Report("certified").ReportedTCB)
				last := len(cert.ExtraExtensions) - 1
				cert.ExtraExtensions[last].Value = append(header, chip[:]...)
				e := published(milan(), issue(t, milan().ASK(), cert, key.Public())) // found among others
				report := key.report(t, milan(), func(r *simulator.Report) { r.ChipID = chip })
				wantGenuine(t, trusting().Verify(report, e, tee.Params{Now: now}))
			})
		}
	}
}

func TestUnknownExtensionIsReported(t *testing.T) {
	out := certified(t, func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, simulator.KDSExtension([]byte{2, 1, 1}, 3, 10))
	})
	wantGenuine(t, out)
	if check, _ := out.Checks.Get(evidence.CodeSNPCertificateProfile); check.Got != "vcek for Milan-B0, with unknown extensions 1.3.6.1.4.1.3704.1.3.10" {
		t.Errorf("got %q", check.Got)
	}
}

func TestAttack_S39_OutsideValidity(t *testing.T) {
	m := newMachine(t, milan(), "times")
	e := authorities(milan(), m.Certificate)
	v := trusting()
	for name, test := range map[string]struct {
		at time.Time
		ok bool
	}{
		"no time":           {time.Time{}, false},
		"eight years early": {now.AddDate(-8, 0, 0), false},
		"a second early":    {start.Add(-time.Second), false},
		"first second":      {start, true},
		"last second":       {m.Certificate.NotAfter, true},
		"a second late":     {m.Certificate.NotAfter.Add(time.Second), false},
		"issuer expired":    {milan().ASK().Certificate.NotAfter.Add(time.Second), false},
	} {
		t.Run(name, func(t *testing.T) {
			out := v.Verify(item(t, m), e, tee.Params{Now: test.at})
			if !test.ok {
				wantRefused(t, out, evidence.CodeSNPValidity)
				return
			}
			wantGenuine(t, out)
			if !out.ValidUntil.Equal(m.Certificate.NotAfter) {
				t.Errorf("valid until %v, want %v", out.ValidUntil, m.Certificate.NotAfter)
			}
		})
	}
}

// TestAttack_S39_ShortLivedIssuer lets the issuer expire before the key.
func TestAttack_S39_ShortLivedIssuer(t *testing.T) {
	short := authority("SEV-Milan")
	short.NotAfter = start.AddDate(0, 1, 0)
	ask := &simulator.Issuer{Certificate: issue(t, milan().ARK(), short, forger().ASK().Key.Public()), Key: forger().ASK().Key}
	key := newKey(t)
	e := &tee.Endorsements{}
	e.AddCertificate(ask.Certificate)
	e.AddCertificate(issue(t, ask, template(milan()), key.Public()))
	v := trusting()
	out := v.Verify(key.report(t, milan()), e, tee.Params{Now: now})
	wantGenuine(t, out)
	if !out.ValidUntil.Equal(short.NotAfter) {
		t.Errorf("valid until %v, want the issuer's end, %v", out.ValidUntil, short.NotAfter)
	}
	wantRefused(t, v.Verify(key.report(t, milan()), e, tee.Params{Now: start.AddDate(0, 2, 0)}), evidence.CodeSNPValidity)
}

func TestMissingEndorsements(t *testing.T) {
	m := newMachine(t, milan(), "lonely")
	report := item(t, m)
	v := trusting()
	for name, e := range map[string]*tee.Endorsements{"none": nil, "empty": {}, "authorities": authorities(milan()), "others' keys": published(genoa(), newMachine(t, genoa(), "o1").Certificate, newMachine(t, genoa(), "o2").Certificate)} {
		out := v.Verify(report, e, tee.Params{Now: now})
		wantUndecided(t, out, "vcek")
		wantStatus(t, out, evidence.CodeSNPSignature, evidence.NotPerformed)
		if last := out.Missing[len(out.Missing)-1]; !strings.HasPrefix(last.ID, "Milan/") {
			t.Errorf("%s: missing %q", name, last)
		}
	}
	only := &tee.Endorsements{}
	only.AddCertificate(m.Certificate)
	wantUndecided(t, v.Verify(report, only, tee.Params{Now: now}), "ask")
}

// TestRenewedIssuer lets two issuers of one name and key exist, as AMD has it.
func TestRenewedIssuer(t *testing.T) {
	renewed := authority(milan().ASK().Certificate.Subject.CommonName)
	second := issue(t, milan().ARK(), renewed, milan().ASK().Key.Public())
	m := newMachine(t, milan(), "renewed")
	crl, err := milan().ARK().CRL(simulator.CRLOptions{Number: 5, ThisUpdate: start, NextUpdate: start.AddDate(1, 0, 0), Revoked: []*x509.Certificate{milan().ASK().Certificate}})
	if err != nil {
		t.Fatal(err)
	}
	e := authorities(milan(), m.Certificate)
	e.AddCRL(crl)
	v := trusting()
	wantRefused(t, v.Verify(item(t, m), e, tee.Params{Now: now}), evidence.CodeSNPRevocation)
	e = authorities(milan(), m.Certificate, second)
	e.AddCRL(crl)
	wantGenuine(t, v.Verify(item(t, m), e, tee.Params{Now: now}))
}

func TestNewRefusesAnchors(t *testing.T) {
	selfSigned := func(edit func(*x509.Certificate)) []byte {
		c := authority("ARK-Milan")
		c.KeyUsage |= x509.KeyUsageCRLSign
		edit(c)
		return issue(t, &simulator.Issuer{Certificate: c, Key: forger().ARK().Key}, c, forger().ARK().Key.Public()).Raw
	}
	corrupt := slices.Clone(milan().Anchor().DER)
	corrupt[len(corrupt)-1] ^= 1
	simulated := func(der []byte) tee.Anchor { return tee.Anchor{DER: der, Origin: evidence.OriginSimulated} }
	for name, anchor := range map[string]tee.Anchor{
		"marked as pinned":     {DER: milan().Anchor().DER, Origin: evidence.OriginPinned},
		"marked as configured": {DER: milan().Anchor().DER, Origin: evidence.OriginConfigured},
		"unmarked":             {DER: milan().Anchor().DER},
		"no certificate":       simulated([]byte("root")),
		"too large":            simulated(make([]byte, evidence.MaxCertificate+1)),
		"an issuer":            simulated(milan().ASK().Certificate.Raw),
		"corrupt":              simulated(corrupt),
		"Venice":               simulated(selfSigned(func(c *x509.Certificate) { c.Subject.CommonName = "ARK-Venice" })),
		"another name":         simulated(selfSigned(func(c *x509.Certificate) { c.Subject.CommonName = "ARK-Milan simulated" })),
		"not a CA":             simulated(selfSigned(func(c *x509.Certificate) { c.IsCA = false })),
	} {
		if _, err := sevsnp.New(anchor); evidence.CodeOf(err) != evidence.CodeSNPAnchor {
			t.Errorf("%s: %v", name, err)
		}
	}
	if root := milan().ARK().Certificate; !sevsnp.IsRoot(root) || sevsnp.IsRoot(milan().ASK().Certificate) {
		t.Error("IsRoot does not tell a root from an issuer")
	}
}

func TestOtherEvidenceIsRefused(t *testing.T) {
	v := newVerifier(t)
	for _, it := range []evidence.Item{nil, (*evidence.SNP)(nil), &evidence.TDX{}, &evidence.TPM{}} {
		wantRefused(t, v.Verify(it, nil, tee.Params{Now: now}), evidence.CodeKindUnsupported)
		if _, err := v.UnverifiedClaims(it); evidence.CodeOf(err) != evidence.CodeKindUnsupported {
			t.Errorf("%T: %v", it, err)
		}
	}
}

func TestTooManyCertificates(t *testing.T) {
	m := newMachine(t, milan(), "flood")
	report := item(t, m)
	report.Certificates = make([][]byte, evidence.MaxCertificates+1)
	wantRefused(t, trusting().Verify(report, published(milan()), tee.Params{Now: now}), evidence.CodeEvidenceTooLarge)
	report.Certificates = [][]byte{make([]byte, evidence.MaxCertificate+1)}
	wantRefused(t, trusting().Verify(report, published(milan()), tee.Params{Now: now}), evidence.CodeEvidenceTooLarge)
}

// TestRubbishDoesNotHideTheKey sends further certificates along with the right one.
func TestRubbishDoesNotHideTheKey(t *testing.T) {
	m := newMachine(t, milan(), "rubbish")
	fake := issue(t, forger().ASK(), milan().VCEKTemplate(m.Template.ChipID, m.Template.ReportedTCB), newKey(t).Public())
	report := item(t, m)
	report.Certificates = [][]byte{nil, []byte("rubbish"), fake.Raw, m.Certificate.Raw, m.Certificate.Raw, forger().ASK().Certificate.Raw, milan().ASK().Certificate.Raw}
	wantGenuine(t, trusting().Verify(report, nil, tee.Params{Now: now}))
}
