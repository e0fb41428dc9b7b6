package tdx

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-tdx-guest/testing/testdata"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
)

// admitAll admits by a service that has everything.
func admitAll(v *Verifier, found, held *tee.Endorsements, now time.Time) []tee.Endorsed {
	return v.PCCS(Standard).Admit(found, held, now)
}

// again puts what was admitted into endorsements.
func again(admitted []tee.Endorsed) *tee.Endorsements {
	e := &tee.Endorsements{}
	for _, one := range admitted {
		one.AddTo(e)
	}
	return e
}

// provided writes what was admitted as names, numbers and dates, in order.
func provided(admitted []tee.Endorsed) (text []string) {
	for _, e := range admitted {
		line := fmt.Sprintf("%s: %d, %s to %s", e.Provides[0], e.Sequence, e.Issued.UTC().Format(time.RFC3339), e.Expires.UTC().Format(time.RFC3339))
		if e.Simulated {
			line += ", simulated"
		}
		text = append(text, line)
	}
	slices.Sort(text)
	return text
}

// signedBelow reports, by the standard library alone, whether a root of v
// vouches for an endorsement: itself, or by a certificate among all.
func signedBelow(v *Verifier, e tee.Endorsed, all *tee.Endorsements) bool {
	for _, a := range v.anchors {
		issuers := []*x509.Certificate{a.cert}
		for _, cert := range all.Certificates() {
			if cert.CheckSignatureFrom(a.cert) == nil {
				issuers = append(issuers, cert)
			}
		}
		for _, by := range issuers {
			switch {
			case e.Certificate != nil && by == a.cert && e.Certificate.CheckSignatureFrom(by) == nil,
				e.CRL != nil && e.CRL.CheckSignatureFrom(by) == nil,
				e.Document != nil && signsDocument(by, e.Document):
				return e.Simulated == (a.origin == evidence.OriginSimulated)
			}
		}
	}
	return false
}

// signsDocument reports whether a certificate's key signed a document.
func signsDocument(by *x509.Certificate, d *tee.Document) bool {
	for _, kind := range documentKinds {
		body, signature, err := splitSigned(d.Raw, kind.member)
		if err != nil || kind.typ != d.Type {
			continue
		}
		raw, err := hex.DecodeString(signature)
		key, ok := by.PublicKey.(*ecdsa.PublicKey)
		digest := sha256.Sum256(body)
		return err == nil && ok && len(raw) == 64 && ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:]))
	}
	return false
}

// wantSound holds what was admitted to the contract: one entry for each, exactly
// one kind of contents, found among what was given, signed below a root, under
// names that are well-formed, and of no later date.
func wantSound(tb testing.TB, v *Verifier, found, held *tee.Endorsements, admitted []tee.Endorsed, now time.Time) {
	tb.Helper()
	if e := again(admitted); e.Len() != len(admitted) {
		tb.Errorf("%d entries for %d endorsements", len(admitted), e.Len())
	}
	certs, lists, documents := found.Certificates(), found.RevocationLists(), found.AllDocuments()
	for _, e := range admitted {
		kinds := 0
		if e.Certificate != nil && slices.Contains(certs, e.Certificate) {
			kinds++
		}
		if e.CRL != nil && slices.Contains(lists, e.CRL) {
			kinds++
		}
		if e.Document != nil && slices.ContainsFunc(documents, func(d tee.Document) bool {
			return d.Type == e.Document.Type && d.Key == e.Document.Key && string(d.Raw) == string(e.Document.Raw)
		}) {
			kinds++
		}
		if kinds != 1 || len(e.Provides) == 0 || e.Issued.After(now) || e.Issued.IsZero() || !e.Expires.After(e.Issued) {
			tb.Errorf("admitted %+v", e)
		}
		if !signedBelow(v, e, found.Over(held)) {
			tb.Errorf("admitted %v, which no root vouches for", e.Provides)
		}
		for i, name := range e.Provides {
			general, key, byKey := strings.Cut(name.ID, "/")
			_, known := parseName(name)
			if e.Certificate == nil && (!known || i > 0) || e.Certificate != nil && (byKey != (i > 0) || byKey && len(key) != 64 || general != e.Provides[0].ID) {
				tb.Errorf("the name %s is not well-formed", name)
			}
		}
	}
}

// TestAdmitSampleOfDependency reads Intel's collateral of June 2023.
func TestAdmitSampleOfDependency(t *testing.T) {
	v, e := newVerifier(t), sampleCollateral(t, testdata.TcbInfoBody)
	admitted := admitAll(v, e, nil, sampleTime)
	wantSound(t, v, e, nil, admitted, sampleTime)
	want := []string{
		"qe-identity TD_QE: 15, 2023-06-08T07:24:59Z to 2023-07-08T07:24:59Z",
		"root-crl intel-sgx-root: 1, 2023-04-03T10:22:51Z to 2024-04-02T10:22:51Z",
		"tcb-info 50806f000000: 15, 2023-06-18T08:42:58Z to 2023-07-18T08:42:58Z",
		"tcb-signing-chain intel-sgx-tcb-signing: 0, 2018-05-21T10:50:10Z to 2025-05-21T10:50:10Z",
	}
	if diff := cmp.Diff(want, provided(admitted)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestAdmitRealCollateral admits each recorded set of Intel's collateral, all of
// it but the root, under the names that the quote beside it asks for, and verifies
// with nothing else.
func TestAdmitRealCollateral(t *testing.T) {
	const ca, former, signer = "pck-ca platform: 0, 2018-05-21T10:50:10Z to 2033-05-21T10:50:10Z",
		"tcb-signing-chain intel-sgx-tcb-signing: 0, 2018-05-21T10:50:10Z to 2025-05-21T10:50:10Z",
		"tcb-signing-chain intel-sgx-tcb-signing: 0, 2025-05-06T09:25:00Z to 2032-05-06T09:25:00Z"
	golden := map[string][]string{
		"v4-00806f-cos113-gcp-with-ccel/2024-12-17": {
			ca, "pck-crl platform: 1, 2024-11-28T13:23:09Z to 2024-12-28T13:23:09Z",
			"qe-identity TD_QE: 17, 2024-12-05T11:46:12Z to 2025-01-04T11:46:12Z",
			"root-crl intel-sgx-root: 1, 2024-03-20T19:19:30Z to 2025-04-03T19:19:30Z",
			"tcb-info 00806f050000: 17, 2024-12-05T12:16:52Z to 2025-01-04T12:16:52Z", former,
		},
		"v4-00806f-gce-openpcc/2026-07-15": {
			ca, "pck-crl platform: 1, 2026-06-30T07:56:21Z to 2026-07-30T07:56:21Z",
			"qe-identity TD_QE: 19, 2026-06-30T08:12:19Z to 2026-07-30T08:12:19Z",
			"root-crl intel-sgx-root: 1, 2026-02-26T13:04:00Z to 2027-02-26T13:04:00Z",
			"tcb-info 00806f050000: 19, 2026-06-30T07:53:47Z to 2026-07-30T07:53:47Z", signer,
		},
		"v5-90c06f-azure-cvm-tools/2026-03-05": {
			ca, "pck-crl platform: 1, 2026-02-18T10:41:15Z to 2026-03-20T10:41:15Z",
			"qe-identity TD_QE: 18, 2026-02-18T10:42:15Z to 2026-03-20T10:42:15Z",
			"root-crl intel-sgx-root: 1, 2025-03-20T11:21:57Z to 2026-04-03T11:21:57Z",
			"tcb-info 90c06f000000: 18, 2026-02-18T10:58:51Z to 2026-03-20T10:58:51Z", signer,
		},
	}
	sets := 0
	for _, item := range evidencetest.Items(t, "tdx", "azure-hcl") {
		raw := realQuote(t, item)
		for _, c := range item.Cases {
			if raw == nil {
				continue
			}
			sets++
			name := item.Name + "/" + c.At.Format(time.DateOnly)
			t.Run(name, func(t *testing.T) {
				v, e := newVerifier(t), loadFiles(t, item.EndorsementFiles(t, c))
				admitted := admitAll(v, e, nil, c.At)
				wantSound(t, v, e, nil, admitted, c.At)
				if len(admitted) != e.Len()-1 {
					t.Errorf("admitted %d of %d", len(admitted), e.Len()-1)
				}
				if diff := cmp.Diff(golden[name], provided(admitted)); golden[name] != nil && diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				checkCase(t, v.Verify(&evidence.TDX{Quote: raw}, again(admitted), tee.Params{Now: c.At}), c)
				claims, err := v.UnverifiedClaims(&evidence.TDX{Quote: raw})
				if err != nil {
					t.Fatal(err)
				}
				needed := names(v.PCCS(Standard).Needs(claims))
				for _, one := range admitted {
					name := one.Provides[0].String()
					if one.Certificate == nil && !slices.Contains(needed, name) {
						t.Errorf("nobody needs %s", name)
					}
					if one.Document != nil && c.EvaluationDataNumber != nil && one.Sequence < uint64(*c.EvaluationDataNumber) {
						t.Errorf("%s has number %d, want %d", name, one.Sequence, *c.EvaluationDataNumber)
					}
				}
			})
		}
	}
	if sets < 15 {
		t.Errorf("only %d sets were admitted", sets)
	}
}

// TestAdmitRecordedAnswers admits recorded answers of Intel's service, bodies with
// their issuers, and of those to requests about SGX nothing but who signed them.
func TestAdmitRecordedAnswers(t *testing.T) {
	item := evidencetest.Find(t, "pcs-responses-2025-05-27-teepot")
	at := time.Date(2025, 5, 28, 0, 0, 0, 0, time.UTC)
	const signer = "tcb-signing-chain intel-sgx-tcb-signing: 0, 2025-05-06T09:25:00Z to 2032-05-06T09:25:00Z"
	golden := map[string][]string{
		"pck_crl_platform.json":      {"pck-ca platform: 0, 2018-05-21T10:50:10Z to 2033-05-21T10:50:10Z", "pck-crl platform: 1, 2025-05-27T19:25:05Z to 2025-06-26T19:25:05Z"},
		"pck_crl_processor.json":     {"pck-ca processor: 0, 2018-05-21T10:50:10Z to 2033-05-21T10:50:10Z", "pck-crl processor: 1, 2025-05-27T18:46:25Z to 2025-06-26T18:46:25Z"},
		"pck_crl_processor_der.json": {"pck-ca processor: 0, 2018-05-21T10:50:10Z to 2033-05-21T10:50:10Z", "pck-crl processor: 1, 2025-05-27T19:23:09Z to 2025-06-26T19:23:09Z"},
		"tdx_qe_identity.json":       {"qe-identity TD_QE: 17, 2025-05-27T19:22:46Z to 2025-06-26T19:22:46Z", signer},
		"tdx_tcb_info.json":          {"tcb-info 00806f050000: 17, 2025-05-27T19:31:43Z to 2025-06-26T19:31:43Z", signer},
		"tdx_tcb_info_eval17.json":   {"tcb-info 00806f050000: 17, 2025-05-27T19:31:44Z to 2025-06-26T19:31:44Z", signer},
		"sgx_qe_identity.json":       {signer},
		"sgx_tcb_info_early.json":    {signer},
		"tdx_tcb_eval_nums.json":     {signer},
	}
	v := newVerifier(t)
	for _, file := range slices.Sorted(maps.Keys(item.Files)) {
		e := &tee.Endorsements{}
		if err := endorsements.Parse(file, item.Read(t, file), e); err != nil && strings.HasPrefix(file, "fmspcs") {
			continue // a list of platforms
		} else if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		admitted := admitAll(v, e, nil, at)
		wantSound(t, v, e, nil, admitted, at)
		want := golden[file]
		if want == nil && strings.HasPrefix(file, "sgx") {
			want = []string{signer}
		}
		if diff := cmp.Diff(want, provided(admitted)); want != nil && diff != "" {
			t.Errorf("%s: (-want +got)\n%s", file, diff)
		}
	}
}

// TestAdmitSimulated admits what a vendor publishes, and verifies with nothing
// but that, without proving it again.
func TestAdmitSimulated(t *testing.T) {
	s := newScene(t)
	found := &tee.Endorsements{}
	s.vendor.Endorsements(found)
	admitted := admitAll(s.verifier, found, nil, s.now)
	wantSound(t, s.verifier, found, nil, admitted, s.now)
	want := []string{
		"pck-ca platform: 0, 2020-01-01T00:00:00Z to 2049-12-31T23:59:59Z, simulated",
		"pck-ca processor: 0, 2020-01-01T00:00:00Z to 2049-12-31T23:59:59Z, simulated",
		"pck-crl platform: 1, 2026-06-01T11:00:00Z to 2026-07-01T11:00:00Z, simulated",
		"pck-crl processor: 1, 2026-06-01T11:00:00Z to 2026-07-01T11:00:00Z, simulated",
		"qe-identity TD_QE: 20, 2026-06-01T11:00:00Z to 2026-07-01T11:00:00Z, simulated",
		"root-crl intel-sgx-root: 1, 2026-06-01T11:00:00Z to 2026-07-01T11:00:00Z, simulated",
		"tcb-info 53494d544458: 20, 2026-06-01T11:00:00Z to 2026-07-01T11:00:00Z, simulated",
		"tcb-signing-chain intel-sgx-tcb-signing: 0, 2020-01-01T00:00:00Z to 2049-12-31T23:59:59Z, simulated",
	}
	if diff := cmp.Diff(want, provided(admitted)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	documents, lists, signers := s.verifier.documents.Len(), s.verifier.crls.Len(), s.verifier.signers.Len()
	for _, alter := range []func(*simulated.MachineOptions){
		func(*simulated.MachineOptions) {},
		func(o *simulated.MachineOptions) { o.Version, o.TD15 = 5, true },
		func(o *simulated.MachineOptions) { o.Processor = true },
	} {
		quote := &evidence.TDX{Quote: newScene(t, alter).machine.Quote(reportData)}
		requireGenuine(t, s.verifier.Verify(quote, again(admitted), tee.Params{Now: s.now}))
	}
	if s.verifier.documents.Len() != documents || s.verifier.crls.Len() != lists || s.verifier.signers.Len() != signers {
		t.Error("verifying proved again what was admitted")
	}
	if got := admitAll(newVerifier(t), found, nil, s.now); len(got) != 0 {
		t.Errorf("without the simulated root, admitted %v", provided(got))
	}
}
