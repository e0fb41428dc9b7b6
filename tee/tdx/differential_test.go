package tdx

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-tdx-guest/abi"
	"github.com/google/go-tdx-guest/pcs"
	pb "github.com/google/go-tdx-guest/proto/tdx"
	"github.com/google/go-tdx-guest/testing/testdata"
	"pgregory.net/rapid"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
)

// TestDifferentialPCKExtension compares the SGX extension with what another
// implementation reads in the same certificates.
func TestDifferentialPCKExtension(t *testing.T) {
	q, err := parseQuote(sampleQuote(t))
	if err != nil {
		t.Fatal(err)
	}
	certs, err := parseChain(q.chain)
	if err != nil {
		t.Fatal(err)
	}
	for _, cert := range []*x509.Certificate{certs.leaf, newScene(t).machine.Certificate()} {
		ours, err := parsePCK(cert)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := pcs.PckCertificateExtensions(cert)
		if err != nil {
			t.Fatal(err)
		}
		if hex.EncodeToString(ours.fmspc) != theirs.FMSPC || hex.EncodeToString(ours.pceID) != theirs.PCEID ||
			hex.EncodeToString(ours.ppid) != theirs.PPID || ours.pceSVN != theirs.TCB.PCESvn ||
			string(ours.components[:]) != string(theirs.TCB.CPUSvnComponents) {
			t.Errorf("ours %+v, theirs %+v", ours, theirs)
		}
	}
}

// TestDifferentialQuote compares parsed fields of the real quote.
func TestDifferentialQuote(t *testing.T) {
	raw := sampleQuote(t)
	ours, err := parseQuote(raw)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := abi.QuoteToProto(raw)
	if err != nil {
		t.Fatal(err)
	}
	theirs, ok := parsed.(*pb.QuoteV4)
	if !ok {
		t.Fatalf("a %T", parsed)
	}
	b, signed := theirs.TdQuoteBody, theirs.SignedData
	inner := signed.CertificationData.QeReportCertificationData
	for name, pair := range map[string][2][]byte{
		"vendor":        {ours.vendor, theirs.Header.QeVendorId},
		"TEE_TCB_SVN":   {ours.body.teeTCBSVN(), b.TeeTcbSvn},
		"MRSEAM":        {ours.body.mrSEAM(), b.MrSeam},
		"MRSIGNERSEAM":  {ours.body.mrSignerSEAM(), b.MrSignerSeam},
		"attributes":    {ours.body.attributes(), b.TdAttributes},
		"XFAM":          {ours.body.xfam(), b.Xfam},
		"MRTD":          {ours.body.mrTD(), b.MrTd},
		"MRCONFIGID":    {ours.body.mrConfigID(), b.MrConfigId},
		"MROWNER":       {ours.body.mrOwner(), b.MrOwner},
		"MROWNERCONFIG": {ours.body.mrOwnerConfig(), b.MrOwnerConfig},
		"RTMR0":         {ours.body.rtmr(0), b.Rtmrs[0]},
		"RTMR3":         {ours.body.rtmr(3), b.Rtmrs[3]},
		"REPORTDATA":    {ours.body.reportData(), b.ReportData},
		"signature":     {ours.signature, signed.Signature},
		"key":           {ours.key, signed.EcdsaAttestationKey},
		"QE signer":     {ours.qe.mrSigner(), inner.QeReport.MrSigner},
		"QE signature":  {ours.qeSig, inner.QeReportSignature},
		"QE data":       {ours.auth, inner.QeAuthData.Data},
		"chain":         {ours.chain, inner.PckCertificateChainData.PckCertChain},
	} {
		if !bytes.Equal(pair[0], pair[1]) || len(pair[0]) == 0 {
			t.Errorf("%s: ours %x, theirs %x", name, pair[0], pair[1])
		}
	}
	if uint32(ours.qe.svn()) != inner.QeReport.IsvSvn || uint32(ours.qe.prodID()) != inner.QeReport.IsvProdId {
		t.Error("the QE's versions differ")
	}
}

// TestDifferentialVerdict compares whole verifications of machines, quotes and
// collateral that are right and wrong in many ways, all signed. Every difference is
// explained, and every explanation is met.
func TestDifferentialVerdict(t *testing.T) {
	c := &comparison{}
	machines(t, c)
	editedQuotes(t, c)
	editedChains(t, c)
	editedDocuments(t, c)
	editedLists(t, c)
	realQuotes(t, c)
	for i, d := range disagreements {
		if c.met[i] == 0 {
			t.Errorf("nothing is met by %v %q", d.code, d.got+d.says)
		}
	}
	t.Logf("agreed on %d, %d of them good; explained differences %v", c.agreed, c.accepted, c.met)
	if c.agreed < 300 || c.accepted < 30 {
		t.Errorf("agreed on %d only, %d of them good", c.agreed, c.accepted)
	}
}

// lowerScene is a scene whose TCB info has its digits in lower case.
func lowerScene(t *testing.T, alter ...func(*simulated.MachineOptions)) *scene {
	s := newScene(t, alter...)
	s.setTCBInfo(lower)
	return s
}

func lower(i *simulated.TCBInfo) {
	i.FMSPC, i.PCEID = strings.ToLower(i.FMSPC), strings.ToLower(i.PCEID)
}

// machines compares machines of all versions and levels.
func machines(t *testing.T, c *comparison) {
	for name, alter := range map[string]func(*simulated.MachineOptions){
		"version 4": func(*simulated.MachineOptions) {}, "version 5": func(o *simulated.MachineOptions) { o.Version = 5 },
		"report 1.5":   func(o *simulated.MachineOptions) { o.Version, o.TD15 = 5, true },
		"Processor CA": func(o *simulated.MachineOptions) { o.Processor = true },
		"old QE":       func(o *simulated.MachineOptions) { o.QESVN = 5 }, "older QE": func(o *simulated.MachineOptions) { o.QESVN = 1 },
		"new QE": func(o *simulated.MachineOptions) { o.QESVN = 9 },
		"PCE":    func(o *simulated.MachineOptions) { o.PCESVN = 10 }, "new PCE": func(o *simulated.MachineOptions) { o.PCESVN = 99 },
		"module 0": func(o *simulated.MachineOptions) { o.TEETCBSVN[1] = 0 }, "module 2": func(o *simulated.MachineOptions) { o.TEETCBSVN[1] = 2 },
		"module 3": func(o *simulated.MachineOptions) { o.TEETCBSVN[1] = 3 },
		"debug":    func(o *simulated.MachineOptions) { o.Attributes[0] = 1 },
	} {
		s := lowerScene(t, alter)
		c.judge(t, name, s, s.machine.Quote(reportData))
	}
	for i := range 16 {
		for _, by := range []int{-1, 1} {
			s := lowerScene(t, func(o *simulated.MachineOptions) { o.Components[i] = uint8(max(0, int(o.Components[i])+by)) })
			c.judge(t, fmt.Sprintf("SGX component %d by %d", i, by), s, s.machine.Quote(reportData))
			s = lowerScene(t, func(o *simulated.MachineOptions) { o.TEETCBSVN[i] = uint8(max(0, int(o.TEETCBSVN[i])+by)) })
			c.judge(t, fmt.Sprintf("TDX component %d by %d", i, by), s, s.machine.Quote(reportData))
		}
	}
	s := newScene(t)
	c.judge(t, "digits in upper case", s, s.machine.Quote(reportData))
}

// editedQuotes changes what is signed, and signs it again, or does not.
func editedQuotes(t *testing.T, c *comparison) {
	s := lowerScene(t)
	parts := func(name string, alter func(*simulated.Parts)) {
		p := s.machine.Parts(reportData)
		alter(p)
		c.judge(t, name, s, p.Assemble())
	}
	for i := range headerSize {
		parts(fmt.Sprintf("header byte %d", i), func(p *simulated.Parts) { p.Header[i] ^= 4 })
	}
	for i := 0; i < body10Size; i += 5 {
		parts(fmt.Sprintf("body byte %d", i), func(p *simulated.Parts) { p.Body[i] ^= 1 })
	}
	for i := 0; i < reportSize; i += 3 {
		parts(fmt.Sprintf("QE report byte %d", i), func(p *simulated.Parts) { p.QEReport[i] ^= 1 })
	}
	other := newScene(t, func(o *simulated.MachineOptions) { o.Name = "other" }).machine
	parts("another attestation key", func(p *simulated.Parts) { p.AttestationKey = other.PCKKey() })
	parts("another PCK", func(p *simulated.Parts) { p.PCKKey = other.PCKKey() })
	parts("authentication data", func(p *simulated.Parts) { p.Auth[3]++ })
	for kind := range uint16(9) {
		parts("outer type", func(p *simulated.Parts) { p.OuterType = kind })
		parts("inner type", func(p *simulated.Parts) { p.InnerType = kind })
	}
	quote := s.machine.Quote(reportData)
	c.judge(t, "padding", s, append(bytes.Clone(quote), 0, 0, 0))
	c.judge(t, "tail", s, append(bytes.Clone(quote), "tail"...))
	for _, at := range []int{atSignature, atSignature + 40, atKey, atKey + 63, atQEReport + reportSize, atQEReport + reportSize + 63} {
		mutant := bytes.Clone(quote)
		mutant[at] ^= 1
		c.judge(t, "signature or key", s, mutant)
	}
}

// editedChains changes the certificates in the quote.
func editedChains(t *testing.T, c *comparison) {
	s := lowerScene(t)
	v, key := s.vendor, &s.machine.PCKKey().PublicKey
	leaf, ca, root := s.machine.Certificate(), v.Platform.Certificate, v.Root.Certificate
	chain := func(name string, certs ...*x509.Certificate) {
		p := s.machine.Parts(reportData)
		p.Chain = simulated.EncodeChain(certs...)
		c.judge(t, name, s, p.Assemble())
	}
	chain("as is", leaf, ca, root)
	chain("reversed", root, ca, leaf)
	chain("short", leaf, ca)
	chain("long", leaf, ca, root, root)
	chain("other CA", leaf, v.Processor.Certificate, root)
	chain("signing", v.Signing.Certificate, ca, root)
	attacker := simulated.NewVendor(simulated.Options{Seed: "attacker"})
	chain("own root", attacker.NewMachine(simulated.DefaultMachine()).Certificate(), attacker.Platform.Certificate, attacker.Root.Certificate)
	platform := simulated.DefaultMachine().Platform
	for name, alter := range map[string]func(*x509.Certificate){
		"name": func(c *x509.Certificate) { c.RawSubject = simulated.Subject("Intel SGX PCK") }, "CA": func(c *x509.Certificate) { c.IsCA = true },
		"usage": func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }, "expired": func(c *x509.Certificate) { c.NotAfter = clock.Add(-1) },
		"future": func(c *x509.Certificate) { c.NotBefore = clock.Add(time.Hour) }, "no extension": func(c *x509.Certificate) { c.ExtraExtensions = nil },
	} {
		template := v.PCKTemplate("x", platform.Elements(platform.TCBElements()))
		alter(template)
		chain("PCK: "+name, v.Issue(template, v.Platform, key), ca, root)
	}
	for i := range 5 {
		all := platform.Elements(platform.TCBElements())
		chain("PCK without a value", v.Issue(v.PCKTemplate("x", append(all[:i:i], all[i+1:]...)), v.Platform, key), ca, root)
	}
}

// editedDocuments changes collateral, and signs it again, or does not.
func editedDocuments(t *testing.T, c *comparison) {
	info := func(name string, alter func(*simulated.TCBInfo)) {
		s := newScene(t)
		s.setTCBInfo(func(i *simulated.TCBInfo) { lower(i); alter(i) })
		c.judge(t, "TCB info: "+name, s, s.machine.Quote(reportData))
	}
	identity := func(name string, alter func(*simulated.QEIdentity)) {
		s := lowerScene(t)
		s.setQEIdentity(alter)
		c.judge(t, "QE identity: "+name, s, s.machine.Quote(reportData))
	}
	for _, name := range platformStatuses {
		info(name, func(i *simulated.TCBInfo) { i.TCBLevels[0].TCBStatus = name })
		info("module "+name, func(i *simulated.TCBInfo) { i.TDXModuleIdentities[1].TCBLevels[0].TCBStatus = name })
		identity(name, func(q *simulated.QEIdentity) { q.TCBLevels[0].TCBStatus = name })
	}
	for name, alter := range map[string]func(*simulated.TCBInfo){
		"id": func(i *simulated.TCBInfo) { i.ID = "SGX" }, "version": func(i *simulated.TCBInfo) { i.Version = 2 }, "type": func(i *simulated.TCBInfo) { i.TCBType = 1 },
		"FMSPC": func(i *simulated.TCBInfo) { i.FMSPC = "00806f050000" }, "PCEID": func(i *simulated.TCBInfo) { i.PCEID = "0001" },
		"expired": func(i *simulated.TCBInfo) { i.NextUpdate = clock.Add(-1) }, "future": func(i *simulated.TCBInfo) { i.IssueDate = clock.Add(time.Hour) },
		"no identities": func(i *simulated.TCBInfo) { i.TDXModuleIdentities = nil }, "no levels": func(i *simulated.TCBInfo) { i.TCBLevels = []simulated.Level{} },
		"levels reversed":       func(i *simulated.TCBInfo) { slices.Reverse(i.TCBLevels) },
		"levels alike":          func(i *simulated.TCBInfo) { i.TCBLevels[1].TCB = i.TCBLevels[0].TCB },
		"module signer":         func(i *simulated.TCBInfo) { i.TDXModule.MRSigner = strings.Repeat("1", 96) },
		"signer of its version": func(i *simulated.TCBInfo) { i.TDXModuleIdentities[1].MRSigner = strings.Repeat("1", 96) },
		"signer of another":     func(i *simulated.TCBInfo) { i.TDXModuleIdentities[0].MRSigner = strings.Repeat("1", 96) },
	} {
		info(name, alter)
	}
	for name, alter := range map[string]func(*simulated.QEIdentity){
		"id": func(q *simulated.QEIdentity) { q.ID = "QE" }, "version": func(q *simulated.QEIdentity) { q.Version = 1 },
		"expired": func(q *simulated.QEIdentity) { q.NextUpdate = clock.Add(-1) }, "future": func(q *simulated.QEIdentity) { q.IssueDate = clock.Add(time.Hour) },
		"signer": func(q *simulated.QEIdentity) { q.MRSigner = strings.Repeat("1", 64) }, "product": func(q *simulated.QEIdentity) { q.ISVProdID = 9 },
		"attributes": func(q *simulated.QEIdentity) { q.Attributes = strings.Repeat("0", 32) }, "mask": func(q *simulated.QEIdentity) { q.AttributesMask = strings.Repeat("F", 32) },
		"MISCSELECT": func(q *simulated.QEIdentity) { q.MiscSelect = "01000000" }, "no levels": func(q *simulated.QEIdentity) { q.TCBLevels = []simulated.SVNLevel{} },
		"levels reversed": func(q *simulated.QEIdentity) { slices.Reverse(q.TCBLevels) }, "levels alike": func(q *simulated.QEIdentity) { q.TCBLevels[1].TCB = q.TCBLevels[0].TCB },
	} {
		identity(name, alter)
	}
	for i, old := range []string{`"pcesvn":11`, `"isvprodid":2`} {
		s := lowerScene(t)
		s.collateral.Documents[i].Raw = bytes.Replace(s.collateral.Documents[i].Raw, []byte(old), []byte(old[:len(old)-1]+"0"), 1)
		c.judge(t, "not signed again", s, s.machine.Quote(reportData))
	}
}

// editedLists changes CRLs and the signing certificate.
func editedLists(t *testing.T, c *comparison) {
	for name, alter := range map[string]func(*scene){
		"nothing": func(*scene) {}, "a year later": func(s *scene) { s.now = s.now.AddDate(1, 0, 0) },
		"PCK revoked": func(s *scene) {
			s.collateral.CRLs[1] = s.vendor.CRL(s.vendor.Platform, s.machine.Certificate().SerialNumber)
		},
		"CA revoked": func(s *scene) {
			s.collateral.CRLs[0] = s.vendor.CRL(s.vendor.Root, s.vendor.Platform.Certificate.SerialNumber)
		},
		"signing revoked": func(s *scene) {
			s.collateral.CRLs[0] = s.vendor.CRL(s.vendor.Root, s.vendor.Signing.Certificate.SerialNumber)
		},
		"another revoked": func(s *scene) { s.collateral.CRLs[1] = s.vendor.CRL(s.vendor.Platform, big.NewInt(7)) },
		"by another key": func(s *scene) {
			s.collateral.CRLs[1] = s.vendor.CRL(simulated.Issuer{Certificate: s.vendor.Platform.Certificate, Key: s.vendor.Processor.Key})
		},
		"expired": func(s *scene) {
			s.collateral.CRLs[1] = s.vendor.SignCRL(listing(3, -2*time.Hour, -time.Hour, nil), s.vendor.Platform)
		},
		"future": func(s *scene) {
			s.collateral.CRLs[1] = s.vendor.SignCRL(listing(3, time.Hour, 2*time.Hour, nil), s.vendor.Platform)
		},
		"critical": func(s *scene) {
			template := listing(9, -time.Hour, time.Hour, nil)
			template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
			s.collateral.CRLs[1] = s.vendor.SignCRL(template, s.vendor.Platform)
		},
		"no PCK CRL": func(s *scene) { s.collateral.CRLs = s.collateral.CRLs[:1] }, "no root CRL": func(s *scene) { s.collateral.CRLs = s.collateral.CRLs[1:] },
		"no TCB info": func(s *scene) { s.collateral.Documents = s.collateral.Documents[1:] },
		"signing expired": func(s *scene) {
			template := s.vendor.LeafTemplate(simulated.NameSigning)
			template.NotAfter = clock.Add(-time.Hour)
			s.collateral.Certificates[3] = s.vendor.Issue(template, s.vendor.Root, &s.vendor.Signing.Key.PublicKey)
		},
		"signing of no use": func(s *scene) {
			template := s.vendor.LeafTemplate(simulated.NameSigning)
			template.KeyUsage = x509.KeyUsageKeyAgreement
			s.collateral.Certificates[3] = s.vendor.Issue(template, s.vendor.Root, &s.vendor.Signing.Key.PublicKey)
		},
	} {
		s := lowerScene(t)
		alter(s)
		c.judge(t, name, s, s.machine.Quote(reportData))
	}
}

// realQuotes compares the public sample, and every real quote of the collection
// where it is here.
func realQuotes(t *testing.T, c *comparison) {
	v := newVerifier(t)
	judge := func(name string, quote []byte, e *tee.Endorsements, at time.Time) {
		out := v.Verify(&evidence.TDX{Quote: quote}, e, tee.Params{Now: at})
		c.count(t, name, out, oracle(quote, newStub(v.anchors[0], e), at, v.anchors[0].cert))
	}
	judge("sample", sampleQuote(t), sampleCollateral(t, testdata.TcbInfoBody), sampleTime)
	if !evidencetest.Present() {
		return
	}
	for _, item := range evidencetest.Items(t, "tdx", "azure-hcl") {
		if raw := realQuote(t, item); raw != nil {
			for _, of := range item.Cases {
				judge(item.Name, raw, loadFiles(t, item.EndorsementFiles(t, of)), of.At)
				judge(item.Name+", late", raw, loadFiles(t, item.EndorsementFiles(t, of)), of.At.AddDate(1, 0, 0))
			}
		}
	}
}

// TestDifferentialTCB compares evaluations of generated platforms and documents,
// with levels listed from the highest down.
func TestDifferentialTCB(t *testing.T) {
	s := newScene(t)
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, partStatuses)
		w.info.TCBLevels = highestFirst(w.info.TCBLevels)
		byVersion := func(a, b simulated.SVNLevel) int { return b.TCB.ISVSVN - a.TCB.ISVSVN }
		for i := range w.info.TDXModuleIdentities {
			slices.SortFunc(w.info.TDXModuleIdentities[i].TCBLevels, byVersion)
		}
		slices.SortFunc(w.identity.TCBLevels, byVersion)
		lower(&w.info)
		opts := simulated.DefaultMachine()
		opts.Components, opts.PCESVN, opts.TEETCBSVN, opts.QESVN = w.platform.Components, w.platform.PCESVN, w.launch, w.qeSVN
		quote := s.vendor.NewMachine(opts).Quote(reportData)
		s.collateral = s.vendor.Collateral()
		s.collateral.Documents = []tee.Document{s.vendor.TCBInfoDocument(w.info), s.vendor.QEIdentityDocument(w.identity)}
		e := &tee.Endorsements{}
		s.collateral.AddTo(e)
		theirs := oracle(quote, newStub(s.verifier.anchorOf(s.vendor.Root.Certificate), e), clock, s.vendor.Root.Certificate)
		if out := s.verify(quote); !out.Genuine() || (out.Claims.TDX.TCB.Status == "UpToDate") != (theirs == nil) {
			t.Fatalf("ours: failed %v, TCB %+v; theirs: %v", out.Checks.Failed(), out.Claims.TDX.TCB, theirs)
		}
	})
}
