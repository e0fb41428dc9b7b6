package endorsements

import (
	"os"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/tee"
)

// Every file that a case of the collection is judged with must be recognised.
func TestRealEndorsements(t *testing.T) {
	files := 0
	for _, item := range evidencetest.Items(t) {
		for _, c := range item.Cases {
			paths := item.EndorsementFiles(t, c)
			if len(paths) == 0 {
				continue
			}
			e, report, err := Load(paths...)
			if err != nil {
				t.Errorf("%s: %v", item.Folder, err)
				continue
			}
			if len(report.Unrecognised) > 0 {
				t.Errorf("%s: %+v", item.Folder, report.Unrecognised)
			}
			files += len(paths)
			if item.Kind == "tdx" {
				wantIntel(t, item.Folder, e)
			}
		}
	}
	t.Logf("%d endorsement files recognised", files)
}

func wantIntel(t *testing.T, name string, e *tee.Endorsements) {
	t.Helper()
	for _, fmspc := range []string{"50806f000000", "00806f050000", "b0c06f000000", "90c06f000000"} {
		if len(e.Documents(tee.DocumentTCBInfo, fmspc)) == 1 && len(e.Documents(tee.DocumentQEIdentity, "TD_QE")) == 1 {
			return
		}
	}
	t.Errorf("%s: no TCB info and QE identity under their keys", name)
}

// Files of the collection that no case names, each a form of its own.
func TestRealForms(t *testing.T) {
	dir := evidencetest.Dir(t)
	for path, want := range map[string]string{
		"snp/genoa-v3-tsm-veraison/auxblob.bin":                                       "3 certificates",
		"snp/milan-v2-aci-thim-microsoft/thim.json":                                   "3 certificates",
		"tdx/v4-b0c06f-dcap-qvl/dcap_qvl_collateral.json":                             "tcb-info b0c06f000000, qe-identity TD_QE",
		"tdx/v4-intel-qvl-sample-testpki/sampleData/tcbInfo.json":                     "tcb-info",
		"sgx/v3-intel-qvl-sample-testpki/sampleData/qveIdentity.json":                 "qe-identity QVE",
		"azure-hcl/tdx-90c06f-flashbots-1764662251/ak_cert.pem":                       "1 certificate",
		"azure-hcl/azure-ak-certs-openpcc/test_azure_ak_certificate_03.pem":           "1 certificate",
		"collateral-amd/kds-crls-openpcc/test_amd_genoa_crl.pem":                      "1 CRL",
		"collateral-intel/pcs-responses-2025-05-27-teepot/tdx_tcb_info.json":          "2 certificates, tcb-info",
		"collateral-intel/pcs-responses-2025-05-27-teepot/tdx_qe_identity.json":       "2 certificates, qe-identity TD_QE",
		"collateral-intel/pcs-responses-2025-05-27-teepot/pck_crl_platform.json":      "2 certificates, 1 CRL",
		"collateral-intel/pcs-responses-2025-05-27-teepot/pck_crl_processor_der.json": "2 certificates, 1 CRL",
		"tpm/swtpm-rsa-public/ek_cert_0x01c00002.der":                                 "1 certificate",
		"collateral-amd/turin-vcek-only-virtee/vcek.der":                              "1 certificate",
	} {
		data, err := os.ReadFile(dir + "/" + path)
		must(t, err)
		f, err := recognise(data)
		if err != nil || !strings.Contains(f.String(), want) {
			t.Errorf("%s: got %s, %v, want %s", path, f.String(), err, want)
		}
	}
}

// What is no endorsement is never taken for one.
func TestRealEvidenceIsNoEndorsement(t *testing.T) {
	for _, item := range evidencetest.Items(t, "snp", "tdx", "nitro") {
		for _, name := range []string{"report.bin", "quote.bin", "attestation.cose"} {
			if !item.Has(name) {
				continue
			}
			if _, err := recognise(item.Read(t, name)); evidence.CodeOf(err) != evidence.CodeEndorsementUnrecognised {
				t.Errorf("%s/%s: got %v", item.Folder, name, err)
			}
		}
	}
}

// The whole collection is a directory like any other.
func TestRealCollectionAtOnce(t *testing.T) {
	e, report, err := Load(evidencetest.Dir(t))
	must(t, err)
	t.Logf("%d entries in %d files; %d files are no endorsements", e.Len(), len(report.Recognised), len(report.Unrecognised))
	for _, s := range report.Unrecognised {
		if strings.HasSuffix(s.Name, ".der") || strings.Contains(s.Name, "collateral") {
			t.Logf("left out: %s: %s", s.Name, s.Note)
		}
	}
}
