package tdx

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
)

// TestAttack_T38_CAProfiles issues PCK CAs that are signed by the root and
// wrong in themselves, with a PCK certificate and CRL by each.
func TestAttack_T38_CAProfiles(t *testing.T) {
	s := newScene(t)
	v := s.vendor
	for name, c := range map[string]struct {
		alter func(*x509.Certificate)
		want  evidence.Code
	}{
		"name constraints": {func(c *x509.Certificate) {
			c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"example.com"}, true
		}, evidence.CodeTDXChainProfile},
		"critical key purpose": {func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true,
				Value: []byte{0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1}}}
		}, evidence.CodeTDXChainProfile},
		"critical, unknown": {func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		}, evidence.CodeTDXChainProfile},
		"no CA":         {func(c *x509.Certificate) { c.IsCA, c.MaxPathLenZero = false, false }, evidence.CodeTDXChainProfile},
		"no CRL usage":  {func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }, evidence.CodeTDXChainProfile},
		"no cert usage": {func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }, evidence.CodeTDXChainProfile},
		"root's name":   {func(c *x509.Certificate) { c.RawSubject = simulated.Subject(simulated.NameRoot) }, evidence.CodeTDXChainProfile},
		"expired":       {func(c *x509.Certificate) { c.NotAfter = clock.Add(-time.Second) }, evidence.CodeTDXCertificateTime},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			template := v.CATemplate(simulated.NamePlatform, 0)
			c.alter(template)
			ca := simulated.Issuer{Certificate: v.Issue(template, v.Root, &v.Platform.Key.PublicKey), Key: v.Platform.Key}
			refusedWith(t, s.chainOf(s.machine.Certificate(), ca.Certificate, v.Root.Certificate), c.want)
		})
	}
}

// TestAttack_T38_PathLength: a root that allows no CA below itself has none.
func TestAttack_T38_PathLength(t *testing.T) {
	s := newScene(t)
	root := s.vendor.Issue(s.vendor.CATemplate(simulated.NameRoot, 0), simulated.Issuer{Key: s.vendor.Root.Key}, &s.vendor.Root.Key.PublicKey)
	if _, err := New(tee.Anchor{DER: root.Raw, Origin: evidence.OriginSimulated}); evidence.CodeOf(err) != evidence.CodeTDXTrustAnchorUnsuited {
		t.Errorf("a root of path length 0: %v", err)
	}
}

// posing is an issuer with a certificate's names and another's key.
func posing(cert *x509.Certificate, key *ecdsa.PrivateKey) simulated.Issuer {
	posed := *cert
	posed.PublicKey = &key.PublicKey
	return simulated.Issuer{Certificate: &posed, Key: key}
}

// TestAttack_T38_LeafAsCA lets a PCK key certify a further PCK certificate, and
// sign collateral under a certificate of its own making.
func TestAttack_T38_LeafAsCA(t *testing.T) {
	s := newScene(t)
	v, pck := s.vendor, simulated.Issuer{Certificate: s.machine.Certificate(), Key: s.machine.PCKKey()}
	for _, name := range []string{simulated.NamePlatform, simulated.NameProcessor} {
		ca := v.Issue(v.CATemplate(name, 0), pck, &pck.Key.PublicKey)
		leaf := v.IssuePCK("made", simulated.DefaultMachine().Platform, simulated.Issuer{Certificate: ca, Key: pck.Key}, &pck.Key.PublicKey)
		refusedWith(t, s.chainOf(leaf, ca, v.Root.Certificate), evidence.CodeTDXChainProfile)

		template := v.CATemplate(name, 0)
		self := v.Issue(template, simulated.Issuer{Key: pck.Key}, &pck.Key.PublicKey) // issued by itself
		refusedWith(t, s.chainOf(leaf, self, v.Root.Certificate), evidence.CodeTDXChainProfile)

		named := v.Issue(template, posing(v.Root.Certificate, pck.Key), &pck.Key.PublicKey) // under the root's name
		refusedWith(t, s.chainOf(leaf, named, v.Root.Certificate), evidence.CodeTDXChainSignature)
	}
	s.collateral.Certificates[3] = v.Issue(v.LeafTemplate(simulated.NameSigning), pck, &pck.Key.PublicKey)
	refusedWith(t, s.genuine(), evidence.CodeTDXSigningChain)
}

// TestAttack_T38_SigningProfiles presents TCB signing certificates that the root
// signed and that are none; the documents are signed by their keys.
func TestAttack_T38_SigningProfiles(t *testing.T) {
	for name, issue := range map[string]func(v *simulated.Vendor) *x509.Certificate{
		"CA": func(v *simulated.Vendor) *x509.Certificate {
			template := v.CATemplate(simulated.NameSigning, 0)
			template.KeyUsage |= x509.KeyUsageDigitalSignature
			return v.Issue(template, v.Root, &v.Signing.Key.PublicKey)
		},
		"no usage": func(v *simulated.Vendor) *x509.Certificate {
			template := v.LeafTemplate(simulated.NameSigning)
			template.KeyUsage = x509.KeyUsageContentCommitment
			return v.Issue(template, v.Root, &v.Signing.Key.PublicKey)
		},
		"critical": func(v *simulated.Vendor) *x509.Certificate {
			template := v.LeafTemplate(simulated.NameSigning)
			template.PermittedDNSDomains, template.PermittedDNSDomainsCritical = []string{"a"}, true
			return v.Issue(template, v.Root, &v.Signing.Key.PublicKey)
		},
		"by itself": func(v *simulated.Vendor) *x509.Certificate {
			return v.Issue(v.LeafTemplate(simulated.NameSigning), simulated.Issuer{Key: v.Signing.Key}, &v.Signing.Key.PublicKey)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.collateral.Certificates[3] = issue(s.vendor)
			refusedWith(t, s.genuine(), evidence.CodeTDXSigningChain)
		})
	}
	// A certificate under another name is not even looked at, whoever signed it.
	s := newScene(t)
	s.collateral.Certificates[3] = s.vendor.Issue(s.vendor.LeafTemplate(simulated.NamePCK), s.vendor.Root, &s.vendor.Signing.Key.PublicKey)
	if out := s.genuine(); out.Genuine() || !out.Undecided() {
		t.Errorf("failed %v", out.Checks.Failed())
	}
}

// TestAttack_T38_OtherCurve: a chain with any key that is not P-256 is refused.
func TestAttack_T38_OtherCurve(t *testing.T) {
	s := newScene(t)
	v := s.vendor
	for _, curve := range []elliptic.Curve{elliptic.P224(), elliptic.P384(), elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		leaf := v.IssuePCK("x", simulated.DefaultMachine().Platform, v.Platform, &key.PublicKey)
		refusedWith(t, s.chainOf(leaf, v.Platform.Certificate, v.Root.Certificate), evidence.CodeTDXChainProfile)
		ca := v.Issue(v.CATemplate(simulated.NamePlatform, 0), v.Root, &key.PublicKey)
		refusedWith(t, s.chainOf(s.machine.Certificate(), ca, v.Root.Certificate), evidence.CodeTDXChainProfile)
	}
}

// TestAttack_T39_MixedHierarchies mixes certificates of Intel's real hierarchy,
// of a simulated one and of one with Intel's own organisation in its names.
func TestAttack_T39_MixedHierarchies(t *testing.T) {
	s := newScene(t)
	real, err := intelAnchor()
	if err != nil {
		t.Fatal(err)
	}
	v := s.vendor
	ca := v.CATemplate(simulated.NamePlatform, 0)
	ca.RawSubject = real.platform // Intel's own name, under the simulated root
	intelNamed := v.Issue(ca, v.Root, &v.Platform.Key.PublicKey)
	pck := v.PCKTemplate("x", simulated.DefaultMachine().Platform.Elements(simulated.DefaultMachine().TCBElements()))
	pck.RawSubject = real.pck
	leaf := v.Issue(pck, simulated.Issuer{Certificate: intelNamed, Key: v.Platform.Key}, &s.machine.PCKKey().PublicKey)

	refusedWith(t, s.chainOf(leaf, intelNamed, v.Root.Certificate), evidence.CodeTDXChainProfile)
	refusedWith(t, s.chainOf(leaf, intelNamed, real.cert), evidence.CodeTDXChainProfile) // names another issuer than Intel's root
	refusedWith(t, s.chainOf(s.machine.Certificate(), v.Platform.Certificate, real.cert), evidence.CodeTDXChainProfile)
	forged := v.Issue(ca, posing(real.cert, v.Root.Key), &v.Platform.Key.PublicKey)
	refusedWith(t, s.chainOf(leaf, forged, real.cert), evidence.CodeTDXChainSignature)
}

// TestAttack_T15_Borders judges exactly at the ends of each validity, and next to them.
func TestAttack_T15_Borders(t *testing.T) {
	at := clock.Add(time.Hour)
	crl := func(s *scene, from, to time.Time) {
		s.collateral.CRLs[1] = s.vendor.SignCRL(&x509.RevocationList{Number: big.NewInt(1), ThisUpdate: from, NextUpdate: to}, s.vendor.Platform)
	}
	info := func(s *scene, from, to time.Time) {
		s.setTCBInfo(func(i *simulated.TCBInfo) { i.IssueDate, i.NextUpdate = from, to })
	}
	signing := func(s *scene, from, to time.Time) {
		template := s.vendor.LeafTemplate(simulated.NameSigning)
		template.NotBefore, template.NotAfter = from, to
		s.collateral.Certificates[3] = s.vendor.Issue(template, s.vendor.Root, &s.vendor.Signing.Key.PublicKey)
	}
	for name, set := range map[string]func(s *scene, from, to time.Time){"CRL": crl, "TCB info": info, "TCB signing": signing} {
		for offset, genuine := range map[time.Duration]bool{
			0: true, -1: false, -time.Second: false, 1: true, time.Second: true, // around the start
			time.Hour: true, time.Hour + 1: false, time.Hour - 1: true, time.Hour + time.Second: false, // around the end
		} {
			s := newScene(t)
			set(s, at, at.Add(time.Hour))
			s.now = at.Add(offset)
			if out := s.genuine(); out.Genuine() != genuine {
				t.Errorf("%s, %v behind its start: genuine %v, failed %v", name, offset, out.Genuine(), out.Checks.Failed())
			}
		}
	}
	s := newScene(t)
	s.now = time.Time{}
	if out := s.genuine(); out.Genuine() || out.Undecided() {
		t.Error("genuine at no time at all")
	}
}

// TestAttack_T12_ForeignDocuments files documents of one type under the other,
// and a QE identity's body under a TCB info's name, signed.
func TestAttack_T12_ForeignDocuments(t *testing.T) {
	s := newScene(t)
	info, identity := s.collateral.Documents[0], s.collateral.Documents[1]
	for name, raw := range map[string][]byte{
		"QE identity": identity.Raw,
		"QE identity's body": func() []byte {
			body, _ := json.Marshal(s.vendor.QEIdentity())
			return simulated.SignDocument("tcbInfo", body, s.vendor.Signing.Key)
		}(),
		"list":   simulated.SignDocument("tcbInfo", []byte("[]"), s.vendor.Signing.Key),
		"null":   simulated.SignDocument("tcbInfo", []byte("null"), s.vendor.Signing.Key),
		"text":   simulated.SignDocument("tcbInfo", []byte(`"x"`), s.vendor.Signing.Key),
		"empty":  simulated.SignDocument("tcbInfo", []byte("{}"), s.vendor.Signing.Key),
		"nobody": {},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.collateral.Documents[0] = tee.Document{Type: info.Type, Key: info.Key, Raw: raw}
			refusedWith(t, s.genuine(), evidence.CodeTDXTCBInfoFormat)
		})
	}
}
