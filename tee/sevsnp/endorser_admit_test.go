package sevsnp_test

import (
	"crypto/x509"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-sev-guest/verify/testdata"
	"github.com/google/go-sev-guest/verify/trust"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/sevsnp"
)

// collect returns endorsements of these certificates and lists.
func collect(entries ...any) *tee.Endorsements {
	e := &tee.Endorsements{}
	for _, entry := range entries {
		switch entry := entry.(type) {
		case *x509.Certificate:
			e.AddCertificate(entry)
		case *x509.RevocationList:
			e.AddCRL(entry)
		}
	}
	return e
}

// provided writes what was admitted as names and dates.
func provided(admitted []tee.Endorsed) (text []string) {
	for _, e := range admitted {
		line := strings.Join(names(e.Provides), ", ") + ": " + e.Issued.Format(time.DateOnly) + " to " + e.Expires.Format(time.DateOnly)
		if e.Simulated {
			line += ", simulated"
		}
		text = append(text, line)
	}
	return text
}

// again puts what was admitted into endorsements.
func again(admitted []tee.Endorsed) *tee.Endorsements {
	e := &tee.Endorsements{}
	for _, one := range admitted {
		one.AddTo(e)
	}
	return e
}

// wantSound holds what was admitted to the contract: one entry for each, exactly
// one kind of contents, found among what was given, names that are well-formed.
func wantSound(tb testing.TB, v *sevsnp.Verifier, found *tee.Endorsements, admitted []tee.Endorsed, now time.Time) {
	tb.Helper()
	if e := again(admitted); e.Len() != len(admitted) {
		tb.Errorf("%d entries for %d endorsements", len(admitted), e.Len())
	}
	certs, lists := found.Certificates(), found.RevocationLists()
	for _, e := range admitted {
		isCert := e.Certificate != nil && slices.Contains(certs, e.Certificate)
		isList := e.CRL != nil && slices.Contains(lists, e.CRL)
		if isCert == isList || e.Document != nil || len(e.Provides) == 0 || e.Issued.After(now) || e.Issued.IsZero() || e.Expires.IsZero() {
			tb.Errorf("admitted %+v", e)
		}
		for _, name := range e.Provides {
			if _, ok := v.Locate(name); !ok && name.Type != "vlek" {
				tb.Errorf("the name %s is not well-formed", name)
			}
		}
	}
}

func TestAdmitSampleOfDependency(t *testing.T) {
	_, e := sample(t)
	addFile(t, e, trust.AskArkMilanVlekBytes)
	addFile(t, e, trust.AskArkGenoaVcekBytes)
	addFile(t, e, trust.AskArkTurinVlekBytes)
	v := newVerifier(t)
	admitted := v.Admit(e, nil, sampleTime)
	wantSound(t, v, e, admitted, sampleTime)
	want := []string{
		"ask Genoa: 2022-10-31 to 2047-10-31",
		"ask Milan: 2020-10-22 to 2045-10-22",
		"asvk Milan: 2022-11-16 to 2047-11-16",
		"asvk Turin: 2023-05-15 to 2048-05-15",
		"vcek Milan/3ac3fe21e13fb0990eb28a802e3fb6a29483a6b0753590c951bdd3b8e53786184ca39e359669a2b76a1936776b564ea464cdce40c05f63c9b610c5068b006b5d" +
			"?blSPL=2&teeSPL=0&snpSPL=5&ucodeSPL=68: 2022-09-24 to 2029-09-24",
	}
	got := provided(admitted)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	report := &evidence.SNP{Report: testdata.AttestationBytes}
	wantGenuine(t, v.Verify(report, again(admitted), tee.Params{Now: sampleTime}))
	claims, err := v.UnverifiedClaims(report)
	if err != nil {
		t.Fatal(err)
	}
	needed := v.Needs(claims)
	if vcek := want[4]; !slices.ContainsFunc(needed, func(n tee.EndorsementName) bool { return strings.HasPrefix(vcek, n.String()+":") }) {
		t.Errorf("the report needs %v, but the certificate provides %s", needed, vcek)
	}
}

// TestAdmitRealRevocationLists reads AMD's own lists.
func TestAdmitRealRevocationLists(t *testing.T) {
	collateral := evidencetest.Find(t, "kds-crls-openpcc")
	e := &tee.Endorsements{}
	addFile(t, e, collateral.Read(t, "test_amd_genoa_crl.pem"))
	addFile(t, e, collateral.Read(t, "test_amd_milan_crl.pem"))
	v := newVerifier(t)
	at := time.Date(2025, 8, 1, 0, 0, 0, 0, time.UTC)
	admitted := v.Admit(e, nil, at)
	wantSound(t, v, e, admitted, at)
	if diff := cmp.Diff([]string{
		"crl vcek/Genoa, crl vlek/Genoa: 2024-10-23 to 2025-11-03",
		"crl vcek/Milan, crl vlek/Milan: 2025-05-06 to 2026-05-12",
	}, provided(admitted)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(admitted) == 2 && (admitted[0].Sequence != 4 || admitted[1].Sequence != 6) {
		t.Errorf("numbers are %d and %d, want 4 and 6", admitted[0].Sequence, admitted[1].Sequence)
	}
	for want, at := range map[int]time.Time{
		0: time.Date(2024, 10, 23, 4, 36, 23, 0, time.UTC), // a second before the first was issued
		1: time.Date(2024, 10, 23, 4, 36, 24, 0, time.UTC),
		2: time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC), // both long expired, which is not for Admit to say
	} {
		if got := v.Admit(e, nil, at); len(got) != want {
			t.Errorf("at %s %d lists are admitted, want %d", at, len(got), want)
		}
	}
}

// TestAdmitRealEndorsements admits every certificate of the collection that AMD
// issued, under the name that the report beside it asks for.
func TestAdmitRealEndorsements(t *testing.T) {
	v := newVerifier(t)
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	keys, matched := 0, 0
	for _, it := range evidencetest.Items(t, "snp", "azure-hcl", "collateral-amd") {
		e := &tee.Endorsements{}
		for _, file := range slices.Sorted(maps.Keys(it.Files)) {
			if strings.HasSuffix(file, ".der") && strings.HasPrefix(file, "v") || strings.HasPrefix(file, "cert_chain") || strings.HasPrefix(file, "test_vcek") || strings.Contains(file, "_as") && it.Kind == "collateral-amd" {
				addFile(t, e, it.Read(t, file))
			}
		}
		admitted := v.Admit(e, nil, at)
		wantSound(t, v, e, admitted, at)
		roots := 0
		for _, cert := range e.Certificates() {
			if strings.HasPrefix(cert.Subject.CommonName, "ARK-") {
				roots++
			}
		}
		forged := 0
		if strings.Contains(it.Name, "wrong-vcek") { // by the issuer's name, but not by its key
			forged = 1
		}
		if len(admitted) != e.Len()-roots-forged {
			t.Errorf("%s: admitted %d of %d certificates: %s", it.Name, len(admitted), e.Len()-roots-forged, provided(admitted))
		}
		var provides []string
		for _, one := range admitted {
			if name := one.Provides[0]; name.Type == "vcek" || name.Type == "vlek" {
				keys++
				provides = append(provides, name.String())
			}
		}
		if it.Kind != "snp" || len(provides) == 0 {
			continue
		}
		claims, err := v.UnverifiedClaims(&evidence.SNP{Report: it.Read(t, "report.bin")})
		if err != nil {
			t.Fatal(err)
		}
		needs := names(v.Needs(roundTrip(t, claims)))
		if slices.ContainsFunc(provides, func(name string) bool { return slices.Contains(needs, name) }) {
			matched++
		} else if len(claims.SEVSNP.ChipID) > 0 {
			t.Errorf("%s: needs %v, and its certificate provides %v", it.Name, needs, provides)
		}
	}
	t.Logf("%d key certificates admitted, %d under the name that their report asks for", keys, matched)
}

// TestAdmitSimulated admits what a vendor publishes, and verifies with nothing
// but that.
func TestAdmitSimulated(t *testing.T) {
	v := newVerifier(t, milan().Anchor(), genoa().Anchor())
	for _, vendor := range []*simulator.Vendor{milan(), genoa()} {
		bare := newMachine(t, vendor, "admit")
		cloud, err := vendor.NewMachine(simulator.MachineOptions{Name: "admit", CSPID: "CN=simulated.example", WithoutCertificates: true})
		if err != nil {
			t.Fatal(err)
		}
		found := published(vendor)
		admitted := v.Admit(found, nil, now)
		wantSound(t, v, found, admitted, now)
		if len(admitted) != found.Len()-1 { // all but the root
			t.Errorf("admitted %d of %d:\n%s", len(admitted), found.Len(), strings.Join(provided(admitted), "\n"))
		}
		before := v.Remembered()
		for _, m := range []*simulator.Machine{bare, cloud} {
			out := v.Verify(item(t, m), again(admitted), tee.Params{Now: now})
			wantGenuine(t, out)
			if !out.Claims.SEVSNP.RevocationChecked {
				t.Error("the list that was admitted did not count")
			}
			needs := v.Needs(roundTrip(t, out.Claims))
			var provides []tee.EndorsementName
			for _, one := range admitted {
				if !one.Simulated {
					t.Errorf("%v is not marked as simulated", one.Provides)
				}
				provides = append(provides, one.Provides...)
			}
			for _, need := range needs {
				if !slices.Contains(provides, need) {
					t.Errorf("%s is needed, and nobody provides it", need)
				}
			}
		}
		if after := v.Remembered(); after != before {
			t.Errorf("verifying proved again what was admitted: %v, then %v", before, after)
		}
	}
}

// TestAdmitRevoked shows that what an authentic list names is authentic: refusing
// it is for Verify, which says why.
func TestAdmitRevoked(t *testing.T) {
	v := newVerifier(t, milan().Anchor())
	m := newMachine(t, milan(), "admit revoked")
	list, err := milan().ARK().CRL(simulator.CRLOptions{Number: 7, ThisUpdate: start, NextUpdate: start.AddDate(1, 0, 0), Revoked: []*x509.Certificate{milan().ASK().Certificate}})
	if err != nil {
		t.Fatal(err)
	}
	admitted := v.Admit(collect(m.Certificate, milan().ASK().Certificate, list), nil, now)
	if len(admitted) != 3 || admitted[2].Sequence != 7 {
		t.Fatalf("admitted %v", provided(admitted))
	}
	wantRefused(t, v.Verify(item(t, m), again(admitted), tee.Params{Now: now}), evidence.CodeSNPRevocation)
}

// TestAdmitFindsIssuers looks for a key's issuer in each place.
func TestAdmitFindsIssuers(t *testing.T) {
	m := newMachine(t, milan(), "admit issuers")
	askCert := milan().ASK().Certificate
	for name, c := range map[string]struct {
		found, held *tee.Endorsements
		want        int
	}{
		"found":             {collect(m.Certificate, askCert), nil, 2},
		"held":              {collect(m.Certificate), collect(askCert), 1},
		"both":              {collect(m.Certificate, askCert), collect(askCert), 2},
		"nowhere":           {collect(m.Certificate), collect(genoa().ASK().Certificate), 0},
		"nothing was found": {nil, collect(askCert, m.Certificate), 0},
		"neither":           {nil, nil, 0},
	} {
		admitted := newVerifier(t, milan().Anchor()).Admit(c.found, c.held, now)
		if len(admitted) != c.want {
			t.Errorf("%s: admitted %v", name, provided(admitted))
		}
	}
	if admitted := newVerifier(t).Admit(collect(parseCertificate(t, testdata.VcekBytes)), nil, sampleTime); len(admitted) != 1 {
		t.Error("the issuer that this build carries was not found")
	}
}

// FuzzAdmit shows that no byte of what AMD signed can be changed: what is admitted
// of arbitrary bytes is exactly what AMD issued.
func FuzzAdmit(f *testing.F) {
	_, issued := sample(f)
	addFile(f, issued, trust.AskArkMilanVlekBytes)
	addFile(f, issued, trust.AskArkTurinVcekBytes)
	if evidencetest.Present() {
		collateral := evidencetest.Find(f, "kds-crls-openpcc")
		addFile(f, issued, collateral.Read(f, "test_amd_genoa_crl.pem"))
		addFile(f, issued, evidencetest.Find(f, "turin-vcek-only-virtee").Read(f, "vcek.der"))
	}
	for _, cert := range issued.Certificates() {
		f.Add(cert.Raw)
	}
	for _, list := range issued.RevocationLists() {
		f.Add(list.Raw)
	}
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	v := newVerifier(f)
	f.Fuzz(func(t *testing.T, der []byte) {
		found := &tee.Endorsements{}
		if cert, err := x509.ParseCertificate(der); err == nil {
			found.AddCertificate(cert)
		} else if list, err := x509.ParseRevocationList(der); err == nil {
			found.AddCRL(list)
		}
		admitted := v.Admit(found, nil, at)
		wantSound(t, v, found, admitted, at)
		if all := again(admitted).Over(issued); len(union(all)) != len(union(issued)) {
			t.Errorf("admitted %v, which AMD did not issue", provided(admitted))
		}
	})
}

// union lists certificates and lists, each once.
func union(e *tee.Endorsements) (all [][]byte) {
	for _, cert := range e.Certificates() {
		all = append(all, cert.Raw)
	}
	for _, list := range e.RevocationLists() {
		all = append(all, list.Raw)
	}
	return all
}
