package tpm

import (
	"bytes"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/tee"
)

// certificateOutcome is what Verify says of certificates that come with a quote
// which they have nothing to do with.
func certificateOutcome(t *testing.T, v *Verifier, at time.Time, e *tee.Endorsements, certificates ...[]byte) tee.Outcome {
	t.Helper()
	quote := &evidence.TPM{AKCertificates: certificates}
	out := v.Verify(quote, e, tee.Params{Now: at})
	kept := evidence.Checks{}
	for _, check := range out.Checks {
		if strings.HasPrefix(check.Code.String(), "tpm.ak-certificate-") || check.Code == evidence.CodeTPMAKUntrusted {
			kept = append(kept, check)
		}
	}
	out.Checks = kept
	return out
}

func configured(der []byte) Options {
	return Options{Roots: []tee.Anchor{{DER: der, Origin: evidence.OriginConfigured}}}
}

// TestRealCertificates verifies the chains of two clouds, with the padding that
// is on the certificates.
func TestRealCertificates(t *testing.T) {
	gce := evidencetest.Find(t, "gce-ak-cert-chain-openpcc")
	azure := evidencetest.Find(t, "azure-ak-certs-openpcc")
	gceRoot := pemCertificate(t, gce, "gce_ek_ak_root.pem")
	azureRoot := pemCertificate(t, azure, "azure_tpm_root_2023.pem")
	for _, c := range []struct {
		name               string
		item               evidencetest.Item
		root               []byte
		leaf, intermediate string
		at                 string
		padded             bool
		fails              []evidence.Code
	}{
		{"gce", gce, gceRoot, "test_gce_ak_cert.pem", "test_gce_ak_intermediate_cert.pem", "2026-11-22", false, nil},
		{"gce before its time", gce, gceRoot, "test_gce_ak_cert.pem", "test_gce_ak_intermediate_cert.pem", "2025-05-17", false, []evidence.Code{evidence.CodeTPMAKValidity}},
		{"gce under another root", gce, azureRoot, "test_gce_ak_cert.pem", "test_gce_ak_intermediate_cert.pem", "2026-11-22", false, nil},
		{"azure", azure, azureRoot, "test_azure_ak_certificate_01.pem", "azure_tpm_intermediate_03.pem", "2026-01-01", false, nil},
		{"azure padded", azure, azureRoot, "test_azure_ak_certificate_03.pem", "azure_tpm_intermediate_03.pem", "2026-01-01", true, nil},
		{"azure expired", azure, azureRoot, "test_azure_ak_certificate_03.pem", "azure_tpm_intermediate_03.pem", "2026-11-22", true, []evidence.Code{evidence.CodeTPMAKValidity}},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, err := time.Parse(time.DateOnly, c.at)
			if err != nil {
				t.Fatal(err)
			}
			leaf, intermediate := pemCertificate(t, c.item, c.leaf), pemCertificate(t, c.item, c.intermediate)
			v := newVerifier(t, configured(c.root))
			for range 2 { // the second time from memory
				out := certificateOutcome(t, v, at, nil, leaf, intermediate)
				wantFailed(t, out, c.fails...)
				format, _ := out.Checks.Get(evidence.CodeTPMAKFormat)
				if padded := strings.Contains(format.Got, "of 00 behind the DER"); padded != c.padded {
					t.Errorf("padding: %v", format)
				}
				usage, _ := out.Checks.Get(evidence.CodeTPMAKUsage)
				chain, _ := out.Checks.Get(evidence.CodeTPMAKChain)
				if strings.Contains(c.name, "another root") {
					if len(out.Missing) != 1 || out.Missing[0].Type != "ak-intermediate" || !strings.Contains(out.Missing[0].ID, "EK/AK CA Root") {
						t.Errorf("missing %v", out.Missing)
					}
				} else if usage.Status != evidence.Pass || chain.Status != evidence.Pass || len(out.Missing) != 0 {
					t.Errorf("%v\nmissing %v", out.Checks, out.Missing)
				}
			}
		})
	}
}

// TestRealIntermediates shows the places from which an intermediate may come.
func TestRealIntermediates(t *testing.T) {
	gce := evidencetest.Find(t, "gce-ak-cert-chain-openpcc")
	root, leaf, intermediate := pemCertificate(t, gce, "gce_ek_ak_root.pem"), pemCertificate(t, gce, "test_gce_ak_cert.pem"), pemCertificate(t, gce, "test_gce_ak_intermediate_cert.pem")
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	parsed, err := x509.ParseCertificate(intermediate)
	if err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, configured(root))
	var e tee.Endorsements
	e.AddCertificate(parsed)
	missing := func(out tee.Outcome) bool { return len(out.Missing) == 1 && len(out.Checks.Failed()) == 0 }
	if out := certificateOutcome(t, v, at, nil, leaf); !missing(out) {
		t.Errorf("without its intermediate: %v", out.Checks)
	}
	if out := certificateOutcome(t, v, at, &e, leaf); missing(out) {
		t.Errorf("with the intermediate as endorsement: %v", out.Checks)
	}
	if out := certificateOutcome(t, v, at, nil, leaf); !missing(out) {
		t.Errorf("a remembered chain made up for a missing intermediate: %v", out.Checks)
	}
	options := configured(root)
	options.Intermediates = [][]byte{intermediate}
	if out := certificateOutcome(t, newVerifier(t, options), at, nil, leaf); missing(out) {
		t.Errorf("with the intermediate configured: %v", out.Checks)
	}
}

// TestRealQuoteUnderCertificate verifies the one real quote whose key has a
// certificate, padded as it was read from the TPM.
func TestRealQuoteUnderCertificate(t *testing.T) {
	vm := evidencetest.Find(t, "tdx-90c06f-flashbots-1764662251")
	azure := evidencetest.Find(t, "azure-ak-certs-openpcc")
	pcrs, err := evidence.ParsePCRs(vm.Read(t, "pcrs_sha256.json"), "sha256")
	if err != nil {
		t.Fatal(err)
	}
	quote := &evidence.TPM{
		Attest: vm.Read(t, "tpm_quote.msg"), Signature: wrapRSASSA(vm.Read(t, "tpm_quote.sig")), PCRs: pcrs,
		AKCertificates: [][]byte{pemCertificate(t, vm, "ak_cert.pem"), pemCertificate(t, azure, "azure_tpm_intermediate_03.pem")},
	}
	v := newVerifier(t, configured(pemCertificate(t, azure, "azure_tpm_root_2023.pem")))
	at := time.Date(2026, 3, 5, 13, 0, 0, 0, time.UTC)
	for range 2 {
		out := v.Verify(quote, nil, tee.Params{Now: at})
		wantFailed(t, out)
		claims := out.Claims.TPM
		if !out.Genuine() || claims.AKSource != "certificate" || claims.AKRestricted != nil || len(claims.PCRs) != 24 || out.Claims.Simulated {
			t.Errorf("%v\n%+v", out.Checks, claims)
		}
		if want := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC); !out.ValidUntil.Equal(want) {
			t.Errorf("valid until %v, want %v", out.ValidUntil, want)
		}
	}
	other := *quote
	other.AKCertificates = [][]byte{pemCertificate(t, azure, "test_azure_ak_certificate_03.pem"), quote.AKCertificates[1]}
	wantFailed(t, v.Verify(&other, nil, tee.Params{Now: at}), evidence.CodeTPMSignature)
}

func TestPadding(t *testing.T) {
	der := simulated(t).machine.Certificate.Raw
	for _, c := range []struct {
		name    string
		behind  []byte
		padding string
		ok      bool
	}{
		{"none", nil, "", true},
		{"zeros", make([]byte, 100), "100 bytes of 00 behind the DER", true},
		{"ones", bytes.Repeat([]byte{0xff}, 7), "7 bytes of ff behind the DER", true},
		{"mixed", []byte{0, 0xff}, "", false},
		{"other", []byte{0x30, 0x30}, "", false},
		{"invalid UTF-8", []byte{0xff, 0xfe}, "", false},
		{"another certificate", der, "", false},
	} {
		cert, err := parseCertificate(append(bytes.Clone(der), c.behind...))
		if (err == nil) != c.ok || cert.padding != c.padding {
			t.Errorf("%s: %q, %v", c.name, cert.padding, err)
		}
	}
}
