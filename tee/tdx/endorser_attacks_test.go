package tdx

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/google/go-tdx-guest/testing/testdata"
	"pgregory.net/rapid"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
)

// collect returns endorsements of these certificates, lists and documents.
func collect(entries ...any) *tee.Endorsements {
	e := &tee.Endorsements{}
	for _, entry := range entries {
		switch entry := entry.(type) {
		case *x509.Certificate:
			e.AddCertificate(entry)
		case *x509.RevocationList:
			e.AddCRL(entry)
		case tee.Document:
			e.AddDocument(entry)
		}
	}
	return e
}

// TestAdmitRefuses gives one entry at a time beside what would prove it, were it
// authentic.
func TestAdmitRefuses(t *testing.T) {
	s, forger := newScene(t), other()
	vendor := s.vendor
	held := collect(vendor.Signing.Certificate, vendor.Platform.Certificate, vendor.Processor.Certificate)
	info := func(alter func(*simulated.TCBInfo)) tee.Document {
		i := vendor.TCBInfo()
		alter(&i)
		d := vendor.TCBInfoDocument(i)
		d.Key = "53494d544458"
		return d
	}
	identity := func(alter func(*simulated.QEIdentity)) tee.Document {
		i := vendor.QEIdentity()
		alter(&i)
		d := vendor.QEIdentityDocument(i)
		d.Key = "TD_QE"
		return d
	}
	filed := func(d tee.Document, typ tee.DocumentType, key string) tee.Document {
		d.Type, d.Key = typ, key
		return d
	}
	list := func(by simulated.Issuer, alter func(*x509.RevocationList)) *x509.RevocationList {
		l := listing(1, -time.Hour, time.Hour, nil)
		alter(l)
		return vendor.SignCRL(l, by)
	}
	certificate := func(by simulated.Issuer, template *x509.Certificate, alter func(*x509.Certificate)) *x509.Certificate {
		alter(template)
		return vendor.Issue(template, by, &vendor.NewKey("other").PublicKey)
	}
	nothing := func(*x509.Certificate) {}
	pck := simulated.Issuer{Certificate: s.machine.Certificate(), Key: s.machine.PCKKey()}
	text, err := json.Marshal(vendor.TCBInfo())
	if err != nil {
		t.Fatal(err)
	}
	trailing := vendor.TCBInfoDocument(vendor.TCBInfo())
	trailing.Raw = append(bytes.Clone(trailing.Raw), "{}"...)
	doubled := vendor.TCBInfoDocument(vendor.TCBInfo())
	doubled.Raw = bytes.Replace(doubled.Raw, []byte(`{"tcbInfo":`), []byte(`{"TCBINFO":{},"tcbInfo":`), 1)
	for name, entry := range map[string]any{
		"the root":                               vendor.Root.Certificate,
		"Intel's root":                           newVerifier(t).anchors[0].cert,
		"a PCK certificate":                      s.machine.Certificate(),
		"a forger's signer":                      forger.Signing.Certificate,
		"a forger's CA":                          forger.Platform.Certificate,
		"a signer by the CA":                     certificate(vendor.Platform, vendor.LeafTemplate(simulated.NameSigning), nothing),
		"a signer of the future":                 certificate(vendor.Root, vendor.LeafTemplate(simulated.NameSigning), func(c *x509.Certificate) { c.NotBefore = clock.Add(time.Second) }),
		"a signer that is a CA":                  certificate(vendor.Root, vendor.CATemplate(simulated.NameSigning, 0), nothing),
		"a signer for nothing":                   certificate(vendor.Root, vendor.LeafTemplate(simulated.NameSigning), func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }),
		"a CA that is none":                      certificate(vendor.Root, vendor.LeafTemplate(simulated.NamePlatform), nothing),
		"a CA of another name":                   certificate(vendor.Root, vendor.CATemplate("Intel SGX PCK Other CA", 0), nothing),
		"a CA that the root did not sign":        flippedCertificate(t, vendor.Platform.Certificate),
		"a root list by the forger":              forger.CRL(forger.Root),
		"a root list of the future":              list(vendor.Root, func(l *x509.RevocationList) { l.ThisUpdate = clock.Add(time.Second) }),
		"a partial root list":                    list(vendor.Root, partial),
		"a PCK list by the forger":               forger.CRL(forger.Platform),
		"a PCK list by the root's key":           vendor.CRL(simulated.Issuer{Certificate: vendor.Platform.Certificate, Key: vendor.Root.Key}),
		"a platform list by the processor's":     vendor.CRL(simulated.Issuer{Certificate: vendor.Platform.Certificate, Key: vendor.Processor.Key}),
		"a PCK list by a CA nobody has":          forger.CRL(forger.Processor),
		"a list by a PCK certificate":            list(simulated.Issuer{Certificate: withCRLSign(pck.Certificate), Key: pck.Key}, func(*x509.RevocationList) {}),
		"a TCB info by the forger":               forger.TCBInfoDocument(forger.TCBInfo()),
		"a TCB info by a PCK key":                tee.Document{Type: tee.DocumentTCBInfo, Key: "53494d544458", Raw: simulated.SignDocument("tcbInfo", text, pck.Key)},
		"a TCB info by the CA":                   tee.Document{Type: tee.DocumentTCBInfo, Key: "53494d544458", Raw: simulated.SignDocument("tcbInfo", text, vendor.Platform.Key)},
		"a TCB info of the future":               info(func(i *simulated.TCBInfo) { i.IssueDate = clock.Add(time.Second) }),
		"a TCB info of SGX":                      info(func(i *simulated.TCBInfo) { i.ID = "SGX" }),
		"a TCB info of another version":          info(func(i *simulated.TCBInfo) { i.Version = 4 }),
		"a TCB info of another type":             info(func(i *simulated.TCBInfo) { i.TCBType = 1 }),
		"a TCB info under another's name":        info(func(i *simulated.TCBInfo) { i.FMSPC = "00806F050000" }),
		"a TCB info under no name":               filed(vendor.TCBInfoDocument(vendor.TCBInfo()), tee.DocumentTCBInfo, ""),
		"a TCB info under its name's other case": filed(vendor.TCBInfoDocument(vendor.TCBInfo()), tee.DocumentTCBInfo, "53494D544458"),
		"a TCB info as an identity":              filed(vendor.TCBInfoDocument(vendor.TCBInfo()), tee.DocumentQEIdentity, "TD_QE"),
		"a TCB info with another in front":       trailing,
		"a TCB info with another member":         doubled,
		"an identity by the forger":              forger.QEIdentityDocument(forger.QEIdentity()),
		"an identity of the future":              identity(func(i *simulated.QEIdentity) { i.IssueDate = clock.Add(time.Second) }),
		"SGX's identity":                         identity(func(i *simulated.QEIdentity) { i.ID = "QE" }),
		"SGX's identity under its name":          vendor.QEIdentityDocument(func() simulated.QEIdentity { i := vendor.QEIdentity(); i.ID = "QE"; return i }()),
		"an identity as a TCB info":              filed(vendor.QEIdentityDocument(vendor.QEIdentity()), tee.DocumentTCBInfo, "53494d544458"),
		"a document of a type nobody knows":      filed(vendor.QEIdentityDocument(vendor.QEIdentity()), "root-crl", "intel-sgx-root"),
	} {
		if admitted := admitAll(s.verifier, collect(entry), held, clock); len(admitted) > 0 {
			t.Errorf("%s: admitted %v", name, provided(admitted))
		}
	}
	// What they are mutants of is authentic.
	for name, entry := range map[string]any{
		"a signer": certificate(vendor.Root, vendor.LeafTemplate(simulated.NameSigning), nothing), "a CA": vendor.Platform.Certificate,
		"a root list": list(vendor.Root, func(*x509.RevocationList) {}), "a PCK list": vendor.CRL(vendor.Platform),
		"a TCB info": info(func(*simulated.TCBInfo) {}), "an identity": identity(func(*simulated.QEIdentity) {}),
		"a TCB info of just now": info(func(i *simulated.TCBInfo) { i.IssueDate = clock }),
	} {
		if admitted := admitAll(s.verifier, collect(entry), held, clock); len(admitted) != 1 {
			t.Errorf("%s is not admitted", name)
		}
	}
}

// partial makes a list one that does not say who is not revoked.
func partial(l *x509.RevocationList) {
	l.ExtraExtensions = append(l.ExtraExtensions, pkix.Extension{Id: oidIssuingDistributionPoint, Value: []byte{0x30, 0}})
}

// withCRLSign lets a certificate sign a list, as far as the standard library minds.
func withCRLSign(cert *x509.Certificate) *x509.Certificate {
	able := *cert
	able.KeyUsage |= x509.KeyUsageCRLSign
	return &able
}

// flippedCertificate flips the last bit of a certificate's signature.
func flippedCertificate(t *testing.T, cert *x509.Certificate) *x509.Certificate {
	t.Helper()
	raw := bytes.Clone(cert.Raw)
	raw[len(raw)-1] ^= 1
	mutant, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return mutant
}

// TestAdmitFindsIssuers looks for issuers in each place.
func TestAdmitFindsIssuers(t *testing.T) {
	s := newScene(t)
	signer, ca := s.vendor.Signing.Certificate, s.vendor.Platform.Certificate
	info, list := s.collateral.Documents[0], s.collateral.CRLs[1]
	for name, c := range map[string]struct {
		found, held *tee.Endorsements
		want        int
	}{
		"found":                {collect(info, list, signer, ca), nil, 4},
		"held":                 {collect(info, list), collect(signer, ca), 2},
		"held without a proof": {collect(info, list), collect(other().Signing.Certificate, other().Platform.Certificate), 0},
		"both":                 {collect(info, list, signer, ca), collect(signer, ca), 4},
		"nowhere":              {collect(info, list), nil, 0},
		"one":                  {collect(info, list, ca), nil, 2},
		"nothing was found":    {nil, collect(signer, ca, info, list), 0},
		"neither":              {nil, nil, 0},
	} {
		if admitted := admitAll(newVerifier(t, s.vendor.Anchor()), c.found, c.held, clock); len(admitted) != c.want {
			t.Errorf("%s: admitted %v", name, provided(admitted))
		}
	}
}

// TestAdmitByService: each service has what it hands out, and nothing twice.
func TestAdmitByService(t *testing.T) {
	s := newScene(t)
	found := &tee.Endorsements{}
	s.vendor.Endorsements(found)
	for service, want := range map[string]int{"PCS": 7, "early PCS": 7, "root": 1, "PCCS": 8, "early PCCS": 8} {
		admitted := endorsers(s.verifier)[service].Admit(found, nil, clock)
		wantSound(t, s.verifier, found, nil, admitted, clock)
		if len(admitted) != want {
			t.Errorf("%s: admitted %v", service, provided(admitted))
		}
		for _, one := range admitted {
			if path, ok := endorsers(s.verifier)[service].Locate(one.Provides[0]); one.Certificate == nil && !ok {
				t.Errorf("%s has no path for %v: %q", service, one.Provides[0], path)
			}
		}
	}
}

// TestAdmitRevoked shows that what an authentic list names is authentic: refusing
// it is for Verify, which says why.
func TestAdmitRevoked(t *testing.T) {
	s := newScene(t)
	s.collateral.CRLs[0] = s.vendor.CRL(s.vendor.Root, s.vendor.Signing.Certificate.SerialNumber)
	found := &tee.Endorsements{}
	s.collateral.AddTo(found)
	admitted := admitAll(s.verifier, found, nil, clock)
	if len(admitted) != 8 {
		t.Errorf("admitted %v", provided(admitted))
	}
	out := s.verifier.Verify(&evidence.TDX{Quote: s.machine.Quote(reportData)}, again(admitted), tee.Params{Now: clock})
	refusedWith(t, out, evidence.CodeTDXSigningRevocation)
}

// TestAdmitBothVendors: names are alike under a simulated root, and the mark tells
// them apart.
func TestAdmitBothVendors(t *testing.T) {
	s := newScene(t)
	found := &tee.Endorsements{}
	other().Endorsements(found)
	real := sampleCollateral(t, testdata.TcbInfoBody)
	all := found.Over(real)
	v := newVerifier(t, s.vendor.Anchor(), other().Anchor())
	admitted := admitAll(v, all, nil, clock)
	wantSound(t, v, all, nil, admitted, clock)
	marked := 0
	for _, e := range admitted {
		if e.Simulated {
			marked++
		}
	}
	if marked != 8 || len(admitted) != 8+4 { // without its CA, nobody can tell whose the real PCK list is
		t.Errorf("%d of %d are simulated: %v", marked, len(admitted), provided(admitted))
	}
}

// TestAdmitTwoRootsOfOneName has two roots that nothing but the key tells apart.
func TestAdmitTwoRootsOfOneName(t *testing.T) {
	s := newScene(t)
	found := &tee.Endorsements{}
	s.vendor.Endorsements(found)
	other().Endorsements(found)
	for _, anchors := range [][]tee.Anchor{{s.vendor.Anchor(), other().Anchor()}, {other().Anchor(), s.vendor.Anchor()}} {
		v := newVerifier(t, anchors...)
		admitted := admitAll(v, found, nil, clock)
		wantSound(t, v, found, nil, admitted, clock)
		if len(admitted) != 16 {
			t.Errorf("admitted %v", provided(admitted))
		}
		requireGenuine(t, v.Verify(&evidence.TDX{Quote: s.machine.Quote(reportData)}, again(admitted), tee.Params{Now: clock}))
	}
}

// TestAttack_T11_SGXIdentityBesideTD: the identity of the other enclave displaces none.
func TestAttack_T11_SGXIdentityBesideTD(t *testing.T) {
	s := newScene(t)
	id := s.vendor.QEIdentity()
	id.ID, id.TCBEvaluationDataNumber = "QE", 99
	wrong := s.vendor.QEIdentityDocument(id)
	wrong.Key = "TD_QE"
	found := &tee.Endorsements{}
	found.AddDocument(wrong)
	s.collateral.AddTo(found)
	for _, e := range admitAll(s.verifier, found, nil, clock) {
		if e.Provides[0] == qeIdentityName() && e.Sequence != 20 {
			t.Errorf("admitted %v", provided([]tee.Endorsed{e}))
		}
	}
}

// TestAttack_T16_NumberOfTheSignedBody: what a floor is raised by is what was signed.
func TestAttack_T16_NumberOfTheSignedBody(t *testing.T) {
	s := newScene(t)
	d := s.collateral.Documents[0]
	forgedNumber := bytes.Replace(d.Raw, []byte(`"tcbEvaluationDataNumber":20`), []byte(`"tcbEvaluationDataNumber":99`), 1)
	if bytes.Equal(forgedNumber, d.Raw) {
		t.Fatal("the document has changed its form")
	}
	found := collect(s.vendor.Signing.Certificate, tee.Document{Type: d.Type, Key: d.Key, Raw: forgedNumber}, d)
	admitted := admitAll(s.verifier, found, nil, clock)
	if len(admitted) != 2 || admitted[1].Sequence != 20 {
		t.Errorf("admitted %v", provided(admitted))
	}
}

// TestAttack_D09_HeapOfLookalikes hides what is authentic in a heap that is not. It
// costs a bounded number of signature checks, whatever its size, and what was
// held already proves what comes.
func TestAttack_D09_HeapOfLookalikes(t *testing.T) {
	s := newScene(t)
	key := s.vendor.NewKey("lookalike")
	var entries []any
	for i := range 3000 {
		forged := s.vendor.TCBInfoDocument(s.vendor.TCBInfo())
		forged.Raw = append(bytes.Clone(forged.Raw), bytes.Repeat([]byte(" "), i+1)...)
		forged.Raw = bytes.Replace(forged.Raw, []byte(`"version":3`), []byte(`"version":9`), 1)
		entries = append(entries, forged)
	}
	template := s.vendor.LeafTemplate(simulated.NameSigning)
	for i := range 40 {
		template.SerialNumber = big.NewInt(int64(i + 1))
		entries = append(entries, s.vendor.Issue(template, other().Root, &key.PublicKey))
	}
	before := s.verifier.signers.Len()
	held := collect(s.vendor.Signing.Certificate)
	admitted := admitAll(s.verifier, collect(entries...), held, clock)
	if len(admitted) > 0 || s.verifier.signers.Len() > before+1 || s.verifier.documents.Len() > 0 {
		t.Errorf("admitted %v", provided(admitted))
	}
	// The honest answer alone is admitted by what is held.
	if admitted := admitAll(s.verifier, collect(s.collateral.Documents[0]), held, clock); len(admitted) != 1 {
		t.Error("an honest answer is not admitted")
	}
	// A few that are none of Intel's hide nothing.
	found := collect(append(slices.Clone(entries[:20]), s.collateral.Documents[0], s.collateral.Documents[1])...)
	if admitted := admitAll(s.verifier, found, held, clock); len(admitted) != 2 {
		t.Errorf("admitted %v", provided(admitted))
	}
}

// TestAdmitProperty: whatever is mixed, everything that is admitted is signed
// below a root, and everything that is signed below a root and issued is admitted.
func TestAdmitProperty(t *testing.T) {
	s := newScene(t)
	honest, early, forger, old := s.vendor.Collateral(), stale(40).Collateral(), other().Collateral(), stale(-40).Collateral()
	pool := func(c simulated.Collateral) (all []any) {
		for _, cert := range c.Certificates[1:] {
			all = append(all, cert)
		}
		for _, list := range c.CRLs {
			all = append(all, list)
		}
		for _, d := range c.Documents {
			all = append(all, d)
		}
		return all
	}
	authentic := append(pool(honest), pool(old)[3:]...)
	others := append(append(pool(forger), pool(early)[3:]...), s.machine.Certificate(), s.vendor.Root.Certificate)
	rapid.Check(t, func(t *rapid.T) {
		of := func(all []any, label string) (some []any) {
			for _, at := range rapid.SliceOfN(rapid.IntRange(0, len(all)-1), 0, len(all)).Draw(t, label) {
				some = append(some, all[at])
			}
			return some
		}
		good, bad := of(authentic, "authentic"), of(others, "others")
		found := collect(append(bad, good...)...)
		held := collect(s.vendor.Signing.Certificate, s.vendor.Platform.Certificate, s.vendor.Processor.Certificate)
		v, err := New(s.vendor.Anchor())
		if err != nil {
			t.Fatal(err)
		}
		admitted := admitAll(v, found, held, clock)
		if want := collect(good...).Len(); len(admitted) != want {
			t.Fatalf("admitted %v, want %d", provided(admitted), want)
		}
		for _, e := range admitted {
			if !signedBelow(v, e, held) {
				t.Fatalf("admitted %v", e.Provides)
			}
		}
	})
}

// FuzzAdmit shows that no byte of what Intel signed can be changed: what is admitted
// of arbitrary bytes is exactly what Intel issued.
func FuzzAdmit(f *testing.F) {
	issued := sampleCollateral(f, testdata.TcbInfoBody)
	if evidencetest.Present() {
		item := evidencetest.Find(f, "v5-90c06f-azure-cvm-tools")
		issued = loadFiles(f, item.EndorsementFiles(f, item.Cases[0])).Over(issued)
	}
	for _, cert := range issued.Certificates() {
		f.Add(cert.Raw)
	}
	for _, list := range issued.RevocationLists() {
		f.Add(list.Raw)
	}
	for _, d := range issued.AllDocuments() {
		f.Add(d.Raw)
	}
	at := time.Date(2026, 3, 5, 10, 0, 0, 0, time.UTC)
	v := newVerifier(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		found := &tee.Endorsements{}
		if endorsements.Parse("fuzz", data, found) != nil {
			return
		}
		admitted := admitAll(v, found, issued, at)
		wantSound(t, v, found, issued, admitted, at)
		for _, e := range admitted {
			if !isAmong(e, issued) {
				t.Errorf("admitted %v, which Intel did not issue", e.Provides)
			}
		}
	})
}

// isAmong compares what was signed; white space around it is no part of a document.
func isAmong(e tee.Endorsed, issued *tee.Endorsements) bool {
	switch {
	case e.Certificate != nil:
		return slices.ContainsFunc(issued.Certificates(), e.Certificate.Equal)
	case e.CRL != nil:
		return slices.ContainsFunc(issued.RevocationLists(), func(l *x509.RevocationList) bool { return bytes.Equal(l.Raw, e.CRL.Raw) })
	}
	return slices.ContainsFunc(issued.AllDocuments(), func(d tee.Document) bool {
		kind := documentKinds[d.Type]
		theirs, _, _ := splitSigned(d.Raw, kind.member)
		ours, _, _ := splitSigned(e.Document.Raw, kind.member)
		return d.Type == e.Document.Type && bytes.Equal(theirs, ours)
	})
}
