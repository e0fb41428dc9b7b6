package tdx

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
)

// chainOf judges a quote that carries these certificates instead of its own.
func (s *scene) chainOf(certs ...*x509.Certificate) tee.Outcome {
	return s.parts(func(p *simulated.Parts) { p.Chain = simulated.EncodeChain(certs...) })
}

// TestAttack_T38_ChainShape permutes, drops and adds certificates and bytes.
func TestAttack_T38_ChainShape(t *testing.T) {
	s := newScene(t)
	leaf, ca, root := s.machine.Certificate(), s.vendor.Platform.Certificate, s.vendor.Root.Certificate
	for name, c := range map[string]struct {
		certs []*x509.Certificate
		want  evidence.Code
	}{
		"reversed":         {[]*x509.Certificate{root, ca, leaf}, evidence.CodeTDXTrustAnchor},
		"root before CA":   {[]*x509.Certificate{leaf, root, ca}, evidence.CodeTDXTrustAnchor},
		"CA first":         {[]*x509.Certificate{ca, leaf, root}, evidence.CodeTDXChainProfile},
		"no CA":            {[]*x509.Certificate{leaf, root, root}, evidence.CodeTDXChainProfile},
		"two":              {[]*x509.Certificate{leaf, ca}, evidence.CodeTDXChainFormat},
		"none":             {nil, evidence.CodeTDXChainFormat},
		"four":             {[]*x509.Certificate{leaf, ca, root, root}, evidence.CodeTDXChainFormat},
		"other CA":         {[]*x509.Certificate{leaf, s.vendor.Processor.Certificate, root}, evidence.CodeTDXChainProfile},
		"signing as leaf":  {[]*x509.Certificate{s.vendor.Signing.Certificate, ca, root}, evidence.CodeTDXChainProfile},
		"leaf instead CA":  {[]*x509.Certificate{leaf, leaf, root}, evidence.CodeTDXChainProfile},
		"leaf at the root": {[]*x509.Certificate{leaf, ca, leaf}, evidence.CodeTDXTrustAnchor},
	} {
		t.Run(name, func(t *testing.T) {
			out := s.chainOf(c.certs...)
			check, _ := out.Checks.Get(c.want)
			if out.Genuine() || out.Undecided() || check.Status != evidence.Fail {
				t.Errorf("failed %v, want %v", out.Checks.Failed(), c.want)
			}
		})
	}
	pem := simulated.EncodeChain(leaf, ca, root)
	for tail, genuine := range map[string]bool{
		"": true, "\x00": true, "\n": true, "\n\x00": true,
		"\x00\x00": false, "x": false, "\x00x": false, " ": false, "-----BEGIN X-----": false,
	} {
		out := s.parts(func(p *simulated.Parts) { p.Chain = append(pem[:len(pem):len(pem)], tail...) })
		if out.Genuine() != genuine {
			t.Errorf("tail %q: genuine %v", tail, out.Genuine())
		}
	}
	out := s.parts(func(p *simulated.Parts) { p.Chain = append([]byte("text\n"), pem...) })
	refusedWith(t, out, evidence.CodeTDXChainFormat)
}

// TestAttack_T39_OwnRoot presents a complete hierarchy with the very same names
// under a root of its own.
func TestAttack_T39_OwnRoot(t *testing.T) {
	s := newScene(t)
	attacker := simulated.NewVendor(simulated.Options{Seed: "attacker", Clock: func() time.Time { return clock }})
	s.machine = attacker.NewMachine(simulated.DefaultMachine())
	refusedWith(t, s.genuine(), evidence.CodeTDXTrustAnchor)
	s.collateral = attacker.Collateral()
	refusedWith(t, s.genuine(), evidence.CodeTDXTrustAnchor)

	genuineRoot := newScene(t)
	out := s.chainOf(s.machine.Certificate(), attacker.Platform.Certificate, genuineRoot.vendor.Root.Certificate)
	refusedWith(t, out, evidence.CodeTDXChainSignature)
}

// TestAttack_T39_NotAnAnchor: without the further anchor the simulated root is
// worth nothing.
func TestAttack_T39_NotAnAnchor(t *testing.T) {
	s := newScene(t)
	s.verifier = newVerifier(t)
	refusedWith(t, s.genuine(), evidence.CodeTDXTrustAnchor)
}

// TestAttack_T39_OwnCollateral: collateral of another hierarchy endorses nothing.
func TestAttack_T39_OwnCollateral(t *testing.T) {
	attacker := simulated.NewVendor(simulated.Options{Seed: "attacker", Clock: func() time.Time { return clock }})
	s := newScene(t)
	s.collateral = attacker.Collateral()
	out := s.genuine()
	refusedWith(t, out, evidence.CodeTDXRootCRL, evidence.CodeTDXPCKCRL, evidence.CodeTDXSigningChain)
	if out.Claims.TDX.TCB != nil {
		t.Error("a TCB was evaluated by it")
	}
	s = newScene(t)
	attackers := attacker.Collateral()
	attackers.Certificates = append(attackers.Certificates, s.collateral.Certificates...)
	attackers.CRLs = append(attackers.CRLs, s.collateral.CRLs...)
	attackers.Documents = append(attackers.Documents, s.collateral.Documents...)
	s.collateral = attackers
	requireGenuine(t, s.genuine()) // and displaces nothing
}

// TestAttack_T40_Revocation revokes each certificate in turn.
func TestAttack_T40_Revocation(t *testing.T) {
	for _, c := range []struct {
		name   string
		crl    int // in the collateral: root, Platform CA, Processor CA
		issuer func(*scene) simulated.Issuer
		cert   func(*scene) *x509.Certificate
		want   evidence.Code
	}{
		{"PCK", 1, func(s *scene) simulated.Issuer { return s.vendor.Platform },
			func(s *scene) *x509.Certificate { return s.machine.Certificate() }, evidence.CodeTDXPCKRevocation},
		{"CA", 0, func(s *scene) simulated.Issuer { return s.vendor.Root },
			func(s *scene) *x509.Certificate { return s.vendor.Platform.Certificate }, evidence.CodeTDXCARevocation},
		{"TCBSigning", 0, func(s *scene) simulated.Issuer { return s.vendor.Root },
			func(s *scene) *x509.Certificate { return s.vendor.Signing.Certificate }, evidence.CodeTDXSigningRevocation},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t)
			requireGenuine(t, s.genuine())
			s.collateral.CRLs[c.crl] = s.vendor.CRL(c.issuer(s), big.NewInt(1), c.cert(s).SerialNumber)
			refusedWith(t, s.genuine(), c.want)
		})
	}
}

// TestAttack_T40_OldCRLBesideNew: of two genuine CRLs in force the newer counts,
// in whatever order they come.
func TestAttack_T40_OldCRLBesideNew(t *testing.T) {
	s := newScene(t)
	newer := s.vendor.SignCRL(&x509.RevocationList{
		Number: big.NewInt(2), ThisUpdate: clock.Add(-time.Minute), NextUpdate: clock.Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: s.machine.Certificate().SerialNumber, RevocationTime: clock}},
	}, s.vendor.Platform)
	old := s.collateral.CRLs
	s.collateral.CRLs = append(old[:len(old):len(old)], newer)
	refusedWith(t, s.genuine(), evidence.CodeTDXPCKRevocation)
	s.collateral.CRLs = append([]*x509.RevocationList{newer}, old...)
	refusedWith(t, s.genuine(), evidence.CodeTDXPCKRevocation)
}

// TestAttack_T41_CRLOfOtherCA presents CRLs of the wrong issuer.
func TestAttack_T41_CRLOfOtherCA(t *testing.T) {
	s := newScene(t)
	platform := s.vendor.Platform
	s.collateral.CRLs[1] = s.vendor.CRL(simulated.Issuer{Certificate: platform.Certificate, Key: s.vendor.Processor.Key})
	refusedWith(t, s.genuine(), evidence.CodeTDXPCKCRL)

	s = newScene(t)
	s.collateral.CRLs = []*x509.RevocationList{s.collateral.CRLs[0], s.collateral.CRLs[2]}
	if out := s.genuine(); !out.Undecided() {
		t.Error("the Processor CA's CRL was taken for the Platform CA's")
	}
}

// TestAttack_T41_ProcessorCA: a machine of the Processor CA is judged by that CA's
// CRL, and by no other.
func TestAttack_T41_ProcessorCA(t *testing.T) {
	processor := func(o *simulated.MachineOptions) { o.Processor = true }
	s := newScene(t, processor)
	requireGenuine(t, s.genuine())
	serial := s.machine.Certificate().SerialNumber
	s.collateral.CRLs[1] = s.vendor.CRL(s.vendor.Platform, serial)
	requireGenuine(t, s.genuine()) // the same number of another issuer
	s.collateral.CRLs[2] = s.vendor.CRL(s.vendor.Processor, serial)
	refusedWith(t, s.genuine(), evidence.CodeTDXPCKRevocation)

	s = newScene(t, processor)
	s.collateral.CRLs[0] = s.vendor.CRL(s.vendor.Root, s.vendor.Processor.Certificate.SerialNumber)
	refusedWith(t, s.genuine(), evidence.CodeTDXCARevocation)

	s = newScene(t, processor)
	s.collateral.CRLs = s.collateral.CRLs[:2]
	want := []tee.EndorsementName{{Type: "pck-crl", ID: "processor"}}
	if out := s.genuine(); !out.Undecided() || !slices.Equal(out.Missing, want) {
		t.Errorf("missing %v, failed %v", out.Missing, out.Checks.Failed())
	}
}

// TestAttack_T42_CRLDates presents CRLs that are not in force, or cover a part.
func TestAttack_T42_CRLDates(t *testing.T) {
	hour := time.Hour
	partial := pkix.Extension{Id: oidIssuingDistributionPoint, Critical: true, Value: []byte{0x30, 0}}
	for name, c := range map[string]struct {
		crl  x509.RevocationList
		want evidence.Code
	}{
		"expired": {x509.RevocationList{ThisUpdate: clock.Add(-2 * hour), NextUpdate: clock.Add(-hour)}, evidence.CodeTDXCollateralExpired},
		"future":  {x509.RevocationList{ThisUpdate: clock.Add(hour), NextUpdate: clock.Add(2 * hour)}, evidence.CodeTDXCollateralNotYet},
		"partial": {x509.RevocationList{ThisUpdate: clock.Add(-hour), NextUpdate: clock.Add(hour), ExtraExtensions: []pkix.Extension{partial}}, evidence.CodeTDXPCKCRL},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			c.crl.Number = big.NewInt(7)
			crl := s.vendor.SignCRL(&c.crl, s.vendor.Platform)
			current := s.collateral.CRLs[1]
			s.collateral.CRLs[1] = crl
			refusedWith(t, s.genuine(), c.want)
			s.collateral.CRLs = append(s.collateral.CRLs, current)
			requireGenuine(t, s.genuine()) // it does not displace one in force
		})
	}
}

// TestAttack_T43_PPID: the platform's identity is a claim, for lists of platforms.
func TestAttack_T43_PPID(t *testing.T) {
	a := newScene(t).genuine()
	b := newScene(t, func(o *simulated.MachineOptions) { o.Name = "other" }).genuine()
	requireGenuine(t, a)
	requireGenuine(t, b)
	if a.Claims.TDX.PPID.String() == b.Claims.TDX.PPID.String() || len(a.Claims.TDX.PPID) != 16 {
		t.Error("two platforms have one PPID")
	}
	if a.Claims.TDX.FMSPC.String() != "53494d544458" || a.Claims.TDX.PCEID.String() != "0000" {
		t.Errorf("platform %v %v", a.Claims.TDX.FMSPC, a.Claims.TDX.PCEID)
	}
}

// TestAttack_T44_T45_PCKExtension issues PCK certificates whose SGX extension
// lacks, repeats or distorts something.
func TestAttack_T44_T45_PCKExtension(t *testing.T) {
	type elements = []simulated.Element
	without := func(i int) func(elements, elements) (elements, elements) {
		return func(all, tcb elements) (elements, elements) { return append(all[:i:i], all[i+1:]...), tcb }
	}
	set := func(i int, v any) func(elements, elements) (elements, elements) {
		return func(all, tcb elements) (elements, elements) { all[i].Value = v; return all, tcb }
	}
	setTCB := func(i int, v any) func(elements, elements) (elements, elements) {
		return func(all, tcb elements) (elements, elements) { tcb[i].Value = v; return all, tcb }
	}
	for name, alter := range map[string]func(all, tcb elements) (elements, elements){
		"T44_NoPPID":      without(0),
		"T44_NoTCB":       without(1),
		"T44_NoPCEID":     without(2),
		"T44_NoFMSPC":     without(3),
		"T44_NoType":      without(4),
		"T44_ShortFMSPC":  set(3, []byte{1, 2, 3}),
		"T44_FMSPCNumber": set(3, 7),
		"T44_UnknownType": set(4, asn1.Enumerated(9)),
		"T45_Component":   setTCB(0, 256),
		"T45_Negative":    setTCB(0, -1),
		"T45_PCESVN":      setTCB(16, 1<<16),
		"T45_CPUSVN":      setTCB(17, []byte{1}),
		"T45_Text":        setTCB(3, []byte{9}),
		"T45_Missing":     func(all, tcb elements) (elements, elements) { return all, tcb[1:] },
		"T45_Repeated": func(all, tcb elements) (elements, elements) {
			high := tcb[0]
			high.Value = 255
			return all, append(tcb, high)
		},
		"T45_RepeatedInstead": func(all, tcb elements) (elements, elements) { tcb[1].ID = tcb[0].ID; return all, tcb },
		"T45_RepeatedOuter":   func(all, tcb elements) (elements, elements) { return append(all, all[3]), tcb },
		"T45_Foreign": func(all, tcb elements) (elements, elements) {
			tcb[0].ID = asn1.ObjectIdentifier{1, 2, 3}
			return all, tcb
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			platform := simulated.DefaultMachine().Platform
			tcb := platform.TCBElements()
			all, tcb := alter(platform.Elements(nil), tcb)
			for i := range all {
				if all[i].ID[len(all[i].ID)-1] == arcTCB {
					all[i].Value = tcb
				}
			}
			leaf := s.vendor.Issue(s.vendor.PCKTemplate("x", all), s.vendor.Platform, &s.machine.PCKKey().PublicKey)
			refusedWith(t, s.chainOf(leaf, s.vendor.Platform.Certificate, s.vendor.Root.Certificate), evidence.CodeTDXPCKExtensions)
		})
	}
}

// TestAttack_T45_TwoExtensions: the SGX extension itself is there twice, or not
// at all.
func TestAttack_T45_TwoExtensions(t *testing.T) {
	s := newScene(t)
	platform := simulated.DefaultMachine().Platform
	template := s.vendor.PCKTemplate("x", platform.Elements(platform.TCBElements()))
	template.ExtraExtensions = nil
	leaf := s.vendor.Issue(template, s.vendor.Platform, &s.machine.PCKKey().PublicKey)
	refusedWith(t, s.chainOf(leaf, s.vendor.Platform.Certificate, s.vendor.Root.Certificate), evidence.CodeTDXPCKExtensions)

	twice := *s.machine.Certificate()
	for _, ext := range twice.Extensions {
		if ext.Id.Equal(oidSGX) {
			twice.Extensions = append(twice.Extensions, ext)
		}
	}
	if _, err := parsePCK(&twice); evidence.CodeOf(err) != evidence.CodeTDXPCKExtensions {
		t.Errorf("two extensions: %v", err)
	}
}

// TestAttack_T46_SelfMadePlatforms: certificates of unknown platforms that no
// trusted CA signed cause no look-up and leave nothing behind.
func TestAttack_T46_SelfMadePlatforms(t *testing.T) {
	s := newScene(t)
	attacker := simulated.NewVendor(simulated.Options{Seed: "attacker"})
	for i := range 20 {
		opts := simulated.DefaultMachine()
		opts.Name, opts.FMSPC = string(rune('a'+i)), [6]byte{byte(i)}
		s.machine = attacker.NewMachine(opts)
		out := s.genuine()
		refusedWith(t, out, evidence.CodeTDXTrustAnchor)
		if len(out.Missing) > 0 {
			t.Fatalf("asks for %v", out.Missing)
		}
	}
	if s.verifier.keys.Len()+s.verifier.chains.Len() > 0 {
		t.Error("something was remembered")
	}
}

// TestCertificateProfiles issues certificates that are signed right and wrong
// in themselves.
func TestCertificateProfiles(t *testing.T) {
	s := newScene(t)
	v, key := s.vendor, &s.machine.PCKKey().PublicKey
	platform := simulated.DefaultMachine().Platform
	for name, c := range map[string]struct {
		alter func(*x509.Certificate)
		want  evidence.Code
	}{
		"name":     {func(c *x509.Certificate) { c.RawSubject = simulated.Subject("Intel SGX PCK Certificat") }, evidence.CodeTDXChainProfile},
		"CA":       {func(c *x509.Certificate) { c.IsCA = true }, evidence.CodeTDXChainProfile},
		"no usage": {func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }, evidence.CodeTDXChainProfile},
		"critical": {func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}})
		}, evidence.CodeTDXChainProfile},
		"expired": {func(c *x509.Certificate) { c.NotAfter = clock.Add(-time.Second) }, evidence.CodeTDXCertificateTime},
		"future":  {func(c *x509.Certificate) { c.NotBefore = clock.Add(time.Second) }, evidence.CodeTDXCertificateTime},
	} {
		t.Run(name, func(t *testing.T) {
			template := v.PCKTemplate("x", platform.Elements(platform.TCBElements()))
			c.alter(template)
			leaf := v.Issue(template, v.Platform, key)
			refusedWith(t, s.chainOf(leaf, v.Platform.Certificate, v.Root.Certificate), c.want)
		})
	}
	t.Run("expired TCB signing", func(t *testing.T) {
		s := newScene(t)
		template := v.LeafTemplate(simulated.NameSigning)
		template.NotAfter = clock.Add(-time.Second)
		s.collateral.Certificates[3] = v.Issue(template, v.Root, &v.Signing.Key.PublicKey)
		refusedWith(t, s.genuine(), evidence.CodeTDXCertificateTime)
		s.collateral.Certificates = append(s.collateral.Certificates, v.Signing.Certificate)
		requireGenuine(t, s.genuine())
	})
	t.Run("TCB signing by a PCK CA", func(t *testing.T) {
		s := newScene(t)
		s.collateral.Certificates[3] = v.Issue(v.LeafTemplate(simulated.NameSigning), v.Platform, &v.Signing.Key.PublicKey)
		refusedWith(t, s.genuine(), evidence.CodeTDXSigningChain)
	})
}

// TestBitFlippedChain flips every byte of the PEM chain in a quote, the copy of
// the root included: each flip is refused.
func TestBitFlippedChain(t *testing.T) {
	s := newScene(t)
	chain := simulated.EncodeChain(s.machine.Certificate(), s.vendor.Platform.Certificate, s.vendor.Root.Certificate)
	for i := range chain {
		mutant := append([]byte(nil), chain...)
		mutant[i] ^= 0x02
		out := s.parts(func(p *simulated.Parts) { p.Chain = mutant })
		if out.Genuine() {
			t.Fatalf("byte %d flipped: accepted", i)
		}
	}
}

// TestReissuedRoot: a root that was issued again under the same key and name is
// that root, if the key really signed it.
func TestReissuedRoot(t *testing.T) {
	s := newScene(t)
	v := s.vendor
	reissue := func(issuer simulated.Issuer) tee.Outcome {
		template := v.CATemplate(simulated.NameRoot, 1)
		template.NotAfter = template.NotAfter.AddDate(1, 0, 0)
		root := v.Issue(template, issuer, &v.Root.Key.PublicKey)
		return s.parts(func(p *simulated.Parts) {
			p.Chain = simulated.EncodeChain(s.machine.Certificate(), v.Platform.Certificate, root)
		})
	}
	requireGenuine(t, reissue(v.Root))
	refusedWith(t, reissue(simulated.Issuer{Key: v.Platform.Key}), evidence.CodeTDXTrustAnchor)
}
