package tpm

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/tee"
)

// realNow is after the collection's certificates were made.
var realNow = tee.Params{Now: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)}

// TestRealEnrolments judges keys and certificates that a TPM made which is not ours.
func TestRealEnrolments(t *testing.T) {
	for _, c := range []struct{ item, certificate, wrong string }{
		{"swtpm-rsa-public", "ek_cert_0x01c00002.der", "ek_cert_0x01c00016.der"},
		{"swtpm-ecc-public", "ek_cert_0x01c00016.der", "ek_cert_0x01c00002.der"},
	} {
		t.Run(c.item, func(t *testing.T) {
			item := evidencetest.Find(t, c.item)
			unwrap := func(name string) []byte { return must[[]byte](t)(evidence.UnwrapTPMPublic(item.Read(t, name))) }
			ca := func(name string) []byte {
				block, _ := pem.Decode(item.Read(t, name))
				return block.Bytes
			}
			o := EnrollerOptions{
				Roots:         []tee.Anchor{{DER: ca("ek_root_ca.pem"), Origin: evidence.OriginConfigured}},
				Intermediates: [][]byte{ca("ek_issuer_ca.pem")},
			}
			n := newEnroller(t, o)
			request := evidence.Enrolment{EKCertificates: [][]byte{item.Read(t, c.certificate)}, EKPublic: unwrap("ek_pub.tpm2b"), AKPublic: unwrap("ak_pub.tpm2b")}
			for _, area := range [][]byte{request.EKPublic, nil} {
				request := request
				request.EKPublic = area
				out := n.Judge(request, nil, realNow)
				if !out.Good() || !bytes.Equal(out.Claims.AKName, item.Read(t, "ak.name")) || !bytes.Equal(out.EKPublic, unwrap("ek_pub.tpm2b")) {
					t.Fatalf("claims %+v:\n%v", out.Claims, out.Checks)
				}
				if out.Claims.Manufacturer != "id:00001014" || out.Claims.Model != "swtpm" || out.Claims.Version != "id:20191023" {
					t.Errorf("claims %+v", out.Claims)
				}
				credential := must[tee.Credential](t)(n.Challenge(rand.Reader, out, make([]byte, 32)))
				// The tool's file has a magic number and a version in front of the same two structures.
				if made := item.Read(t, "credential_blob.bin"); len(credential.Blob)+len(credential.Secret) != len(made)-8 {
					t.Errorf("%d and %d bytes, the tool made %d", len(credential.Blob), len(credential.Secret), len(made)-8)
				}
			}
			judge := func(alter func(*evidence.Enrolment), p tee.Params, codes ...evidence.Code) {
				t.Helper()
				request := request
				alter(&request)
				wantFailed(t, tee.Outcome{Checks: n.Judge(request, nil, p).Checks}, codes...)
			}
			judge(func(r *evidence.Enrolment) { r.AKPublic = unwrap("unrestricted_pub.tpm2b") }, realNow, evidence.CodeTPMAKAttributes, evidence.CodeTPMAKScheme)
			judge(func(r *evidence.Enrolment) { r.AKPublic = r.EKPublic }, realNow, evidence.CodeTPMAKAttributes, evidence.CodeTPMAKScheme, evidence.CodeTPMAKKey)
			judge(func(r *evidence.Enrolment) { r.EKCertificates = [][]byte{item.Read(t, c.wrong)} }, realNow, evidence.CodeTPMEKPublic)
			judge(func(*evidence.Enrolment) {}, tee.Params{Now: realNow.Now.AddDate(-1, 0, 0)}, evidence.CodeTPMEKValidity)
		})
	}
}

// TestRealEnrolments_Boots judges the certificates of machines that really booted. Their
// CA is not part of the collection, so that their keys count only as listed ones.
func TestRealEnrolments_Boots(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(evidencetest.Dir(t), "boot", "*.json"))
	if err != nil || len(files) == 0 {
		t.Skip("the collection has no boots")
	}
	for _, file := range files {
		var boot struct{ EKCert, AKPub []byte }
		if err := json.Unmarshal(must[[]byte](t)(os.ReadFile(file)), &boot); err != nil {
			t.Fatal(err)
		}
		if boot.EKCert == nil {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			request := evidence.Enrolment{EKCertificates: [][]byte{boot.EKCert}, AKPublic: must[[]byte](t)(evidence.UnwrapTPMPublic(boot.AKPub))}
			cert := must[*ekCertificate](t)(parseEKCertificate(boot.EKCert))
			if cert.identity.model != "swtpm" {
				t.Errorf("%+v", cert.identity)
			}
			if out := newEnroller(t, listing(t, cert.key)).Judge(request, nil, realNow); !out.Good() || out.Claims.EKSource != "listed" {
				t.Errorf("listed:\n%v", out.Checks)
			}
			out := newEnroller(t, simulated(t).underRoot()).Judge(request, nil, realNow)
			if out.Good() || len(out.Missing) != 1 || len(out.Checks.Failed()) > 0 {
				t.Errorf("missing %v:\n%v", out.Missing, out.Checks)
			}
		})
	}
}

// A provider's certificates of endorsement keys without extended key usage count under its
// own root alone; the collection has only one of an attestation key under it.
func TestAttack_P08_EndorsementKeyOfAnInstance(t *testing.T) {
	item := evidencetest.Find(t, "gce-ak-cert-chain-openpcc")
	der := func(name string) []byte {
		block, _ := pem.Decode(item.Read(t, name))
		return block.Bytes
	}
	leaf := must[*x509.Certificate](t)(x509.ParseCertificate(der("test_gce_ak_cert.pem")))
	request := evidence.Enrolment{EKCertificates: [][]byte{leaf.Raw, der("test_gce_ak_intermediate_cert.pem")}, AKPublic: simulated(t).machine.Public}
	o := EnrollerOptions{Roots: []tee.Anchor{{DER: der("gce_ek_ak_root.pem"), Origin: evidence.OriginConfigured}}}
	out := newEnroller(t, o).Judge(request, nil, tee.Params{Now: leaf.NotBefore})
	wantFailed(t, tee.Outcome{Checks: out.Checks}, evidence.CodeTPMEKUsage) // a key for signatures
}

// Instance information stands for the extended key usage under the provider's root, for keys
// that protect secrets; under no other root does it.
func TestAttack_P08_InstanceInformationOfAnEndorsementKey(t *testing.T) {
	w := simulated(t)
	root := func(provider string) *anchor {
		for _, known := range providerRoots {
			if known.name == provider {
				return &anchor{sha256: known.sha256}
			}
		}
		return &anchor{}
	}
	for name, c := range map[string]struct {
		provider string
		usage    x509.KeyUsage
		status   evidence.Status
	}{
		"its own root":      {providerGoogle, x509.KeyUsageKeyAgreement, evidence.Pass},
		"another provider":  {providerAzure, x509.KeyUsageKeyAgreement, evidence.Fail},
		"another root":      {"", x509.KeyUsageKeyAgreement, evidence.Fail},
		"for signatures":    {providerGoogle, x509.KeyUsageDigitalSignature, evidence.Fail},
		"for anything":      {providerGoogle, 0, evidence.Fail},
		"for encipherment":  {providerGoogle, x509.KeyUsageKeyEncipherment, evidence.Fail},
		"a CA's under that": {providerGoogle, x509.KeyUsageKeyAgreement | x509.KeyUsageCertSign, evidence.Fail},
	} {
		t.Run(name, func(t *testing.T) {
			request := w.enrolment(t, ekKeys()["p256"], func(cert *x509.Certificate) {
				cert.UnknownExtKeyUsage, cert.KeyUsage = nil, c.usage
				cert.ExtraExtensions = append(cert.ExtraExtensions, pkix.Extension{Id: oidInstanceInfo, Value: []byte{0x30, 0}})
			})
			var checks evidence.Checks
			must[*ekCertificate](t)(parseEKCertificate(request.EKCertificates[0])).judgeUsage(&checks, root(c.provider))
			if check, _ := checks.Get(evidence.CodeTPMEKUsage); check.Status != c.status {
				t.Errorf("%v", check)
			}
		})
	}
}
