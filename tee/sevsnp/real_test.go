package sevsnp_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-sev-guest/verify/testdata"
	"github.com/google/go-sev-guest/verify/trust"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
)

// sampleTime is within the validity of the sample that travels with a dependency.
var sampleTime = time.Date(2023, 8, 9, 15, 55, 28, 0, time.UTC)

// sample returns a real report, Milan, version 2, with its endorsements.
func sample(tb testing.TB) (*evidence.SNP, *tee.Endorsements) {
	tb.Helper()
	e := &tee.Endorsements{}
	addFile(tb, e, testdata.VcekBytes)
	addFile(tb, e, trust.AskArkMilanVcekBytes)
	return &evidence.SNP{Report: testdata.AttestationBytes}, e
}

func TestRealSampleOfDependency(t *testing.T) {
	report, e := sample(t)
	out := newVerifier(t).Verify(report, e, tee.Params{Now: sampleTime})
	wantGenuine(t, out)
	c := out.Claims
	if c.Simulated || c.TrustAnchor.Origin != evidence.OriginPinned {
		t.Errorf("rests on %+v", c.TrustAnchor)
	}
	if c.TrustAnchor.SHA256.String() != "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd" {
		t.Errorf("anchor is %s", c.TrustAnchor.SHA256)
	}
	if s := c.SEVSNP; s.Product != "Milan" || s.ProductSource != "certificate" || !s.Policy.Debug || s.RevocationChecked {
		t.Errorf("claims are %+v", s)
	}
	wantStatus(t, out, evidence.CodeSNPRevocation, evidence.NotPerformed)
}

// TestRealEvidence gives every real report of the collection its verdict.
func TestRealEvidence(t *testing.T) {
	v := newVerifier(t)
	cases := 0
	for _, it := range evidencetest.Items(t, "snp") {
		for _, c := range it.Cases {
			cases++
			t.Run(it.Name+"/"+c.At.Format(time.DateOnly), func(t *testing.T) {
				e := &tee.Endorsements{}
				for _, name := range it.EndorsementFiles(t, c) {
					data, err := os.ReadFile(name)
					if err != nil {
						t.Fatal(err)
					}
					addFile(t, e, data)
				}
				out := v.Verify(&evidence.SNP{Report: it.Read(t, "report.bin")}, e, tee.Params{Now: c.At})
				switch {
				case c.Genuine == nil:
					wantUndecided(t, out, "vcek")
				case *c.Genuine:
					wantGenuine(t, out)
					teetest.Reviewed(t, v, out.Claims, e, tee.Params{Now: c.At})
				case out.Genuine() || out.Undecided():
					t.Errorf("not refused\n%s", lines(out.Checks))
				case c.Why == "endorsement expired":
					wantRefused(t, out, evidence.CodeSNPValidity)
				}
				wantFields(t, it, out.Claims.SEVSNP)
			})
		}
	}
	t.Logf("%d verdicts on real reports", cases)
}

// wantFields compares the claims with what an independent reader found.
func wantFields(t *testing.T, it evidencetest.Item, c *evidence.SNPClaims) {
	t.Helper()
	var want struct {
		Version     uint32
		GuestSVN    uint32          `json:"guest_svn"`
		Policy      json.RawMessage // a number or hex text
		VMPL        uint32
		SigningKey  string          `json:"signing_key"`
		ReportData  string          `json:"report_data"`
		Measurement string          `json:"measurement"`
		HostData    string          `json:"host_data"`
		ChipID      string          `json:"chip_id"`
		ReportID    string          `json:"report_id"`
		IDKey       string          `json:"id_key_digest"`
		AuthorKey   string          `json:"author_key_digest"`
		Reported    evidence.SNPTCB `json:"reported_tcb"`
		Current     evidence.SNPTCB `json:"current_tcb"`
		Committed   evidence.SNPTCB `json:"committed_tcb"`
		Launch      evidence.SNPTCB `json:"launch_tcb"`
		CurrentV    string          `json:"current_version"`
		CommittedV  string          `json:"committed_version"`
	}
	if err := json.Unmarshal(it.Fields, &want); err != nil {
		t.Fatal(err)
	}
	if strings.Trim(want.ChipID, "0") == "" {
		want.ChipID = ""
	}
	for _, field := range []struct {
		name      string
		got, want any
	}{
		{"version", c.Version, want.Version}, {"guest SVN", c.GuestSVN, want.GuestSVN}, {"VMPL", c.VMPL, want.VMPL},
		{"signing key", strings.ToUpper(c.SigningKey), want.SigningKey},
		{"report data", c.ReportData.String(), want.ReportData}, {"measurement", c.Measurement.String(), want.Measurement},
		{"host data", c.HostData.String(), want.HostData}, {"chip", c.ChipID.String(), want.ChipID},
		{"report ID", c.ReportID.String(), want.ReportID}, {"ID key", c.IDKeyDigest.String(), want.IDKey},
		{"author key", c.AuthorKeyDigest.String(), want.AuthorKey},
		{"reported TCB", c.ReportedTCB, want.Reported}, {"current TCB", c.CurrentTCB, want.Current},
		{"committed TCB", c.CommittedTCB, want.Committed}, {"launch TCB", c.LaunchTCB, want.Launch},
		{"current version", c.CurrentVersion, want.CurrentV}, {"committed version", c.CommittedVersion, want.CommittedV},
	} {
		if field.got != field.want {
			t.Errorf("%s is %v, want %v", field.name, field.got, field.want)
		}
	}
	policy := strings.TrimLeft(c.Policy.Raw.String(), "0")
	if got := strings.Trim(string(want.Policy), `"`); got != "0x"+policy {
		t.Errorf("policy is 0x%s, want %s", policy, got)
	}
}

// TestRealReportsInsideVTPMs judges the reports that a paravisor obtained.
func TestRealReportsInsideVTPMs(t *testing.T) {
	at := map[string]time.Time{
		"snp-milan-v3-trustee-evidence-v1": time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC),
		"snp-milan-v2-trustee-hcl":         time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC),
		"snp-milan-v2-kinvolk":             time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC),
		"snp-genoa-v3-openpcc":             time.Date(2025, 8, 1, 0, 0, 0, 0, time.UTC),
	}
	v := newVerifier(t)
	for _, it := range evidencetest.Items(t, "azure-hcl") {
		now, ok := at[it.Name]
		if !ok || !it.Has("snp_report.bin") {
			continue
		}
		t.Run(it.Name, func(t *testing.T) {
			e := &tee.Endorsements{}
			addFile(t, e, it.Read(t, "vcek.der"))
			addFile(t, e, it.Read(t, "cert_chain.pem"))
			out := v.Verify(&evidence.SNP{Report: it.Read(t, "snp_report.bin")}, e, tee.Params{Now: now})
			if it.Name == "snp-milan-v2-kinvolk" { // its certificates are those of another chip
				wantRefused(t, out, evidence.CodeSNPChipID, evidence.CodeSNPSignature)
				return
			}
			wantGenuine(t, out)
		})
	}
}

// TestRealRevocationLists uses AMD's own lists, the one for Genoa with a revoked
// issuer that is not the one in use.
func TestRealRevocationLists(t *testing.T) {
	collateral := evidencetest.Find(t, "kds-crls-openpcc")
	it := evidencetest.Find(t, "snp-genoa-v3-openpcc")
	e := &tee.Endorsements{}
	addFile(t, e, it.Read(t, "vcek.der"))
	addFile(t, e, collateral.Read(t, "test_amd_genoa_crl.pem"))
	addFile(t, e, collateral.Read(t, "test_amd_milan_crl.pem"))
	report := &evidence.SNP{Report: it.Read(t, "snp_report.bin")}
	v := newVerifier(t)

	out := v.Verify(report, e, tee.Params{Now: time.Date(2025, 8, 1, 0, 0, 0, 0, time.UTC)})
	wantGenuine(t, out)
	wantStatus(t, out, evidence.CodeSNPRevocation, evidence.Pass)
	if !out.Claims.SEVSNP.RevocationChecked {
		t.Error("revocation was examined, but the claims do not say so")
	}
	if next := time.Date(2025, 11, 3, 1, 0, 0, 0, time.UTC); !out.ValidUntil.Equal(next) {
		t.Errorf("valid until %v, want the list's next update, %v", out.ValidUntil, next)
	}

	out = v.Verify(report, e, tee.Params{Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	wantGenuine(t, out)
	wantStatus(t, out, evidence.CodeSNPRevocation, evidence.NotPerformed)
	if out.Claims.SEVSNP.RevocationChecked {
		t.Error("an expired list counted")
	}
}

// TestRealTurinKey reads the VCEK of a real Turin: its form and its chain hold,
// and it clears no report of another processor.
func TestRealTurinKey(t *testing.T) {
	it := evidencetest.Find(t, "turin-vcek-only-virtee")
	report, _ := sample(t)
	e := &tee.Endorsements{}
	addFile(t, e, it.Read(t, "vcek.der"))
	addFile(t, e, it.Read(t, "cert_chain.pem"))
	out := newVerifier(t).Verify(report, e, tee.Params{Now: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)})
	wantStatus(t, out, evidence.CodeSNPCertificateProfile, evidence.Pass)
	wantStatus(t, out, evidence.CodeSNPChain, evidence.Pass)
	wantStatus(t, out, evidence.CodeSNPValidity, evidence.Pass)
	wantRefused(t, out, evidence.CodeSNPProductAgreement, evidence.CodeSNPProduct, evidence.CodeSNPChipID, evidence.CodeSNPTCB, evidence.CodeSNPSignature)
	if name := out.Claims.TrustAnchor.SHA256.String(); name != "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a" {
		t.Errorf("rests on %s", name)
	}
	check, _ := out.Checks.Get(evidence.CodeSNPTCB)
	if want := "fmcSPL=0&blSPL=0&teeSPL=0&snpSPL=0&ucodeSPL=9"; check.Got != want {
		t.Errorf("levels are %s, want %s", check.Got, want)
	}
}

// TestAttack_U02_PinnedRootsAreAMDs compares the roots that genuine outcomes name with AMD's, and
// shows that AMD's root does not become a simulated one by being given as such.
func TestAttack_U02_PinnedRootsAreAMDs(t *testing.T) {
	for want, chain := range map[string][]byte{
		"69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd": trust.AskArkMilanVcekBytes,
		"4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1": trust.AskArkGenoaVcekBytes,
		"1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a": trust.AskArkTurinVcekBytes,
	} {
		_, rest := pem.Decode(chain)
		root, _ := pem.Decode(rest)
		if sum := sha256.Sum256(root.Bytes); hex.EncodeToString(sum[:]) != want {
			t.Errorf("root is %x, want %s", sum, want)
		}
	}
	_, rest := pem.Decode(trust.AskArkMilanVcekBytes)
	root, _ := pem.Decode(rest)
	report, e := sample(t)
	out := newVerifier(t, tee.Anchor{DER: root.Bytes, Origin: evidence.OriginSimulated}).Verify(report, e, tee.Params{Now: sampleTime})
	wantGenuine(t, out)
	if out.Claims.Simulated || out.Claims.TrustAnchor.Origin != evidence.OriginPinned {
		t.Errorf("rests on %+v", out.Claims.TrustAnchor)
	}
}

// TestEverySignedByteCounts flips each byte that the signature of a real report
// covers, and each of the signature itself.
func TestEverySignedByteCounts(t *testing.T) {
	report, e := sample(t)
	v := newVerifier(t)
	wantGenuine(t, v.Verify(report, e, tee.Params{Now: sampleTime}))
	for i := range testdata.AttestationBytes {
		mutant := append([]byte(nil), testdata.AttestationBytes...)
		mutant[i] ^= 0x01
		out := v.Verify(&evidence.SNP{Report: mutant}, e, tee.Params{Now: sampleTime})
		if len(out.Checks.Failed()) == 0 {
			t.Errorf("byte %#x can be changed", i)
		}
	}
}

func TestUnverifiedClaims(t *testing.T) {
	report, _ := sample(t)
	claims, err := newVerifier(t).UnverifiedClaims(report)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(claims.SEVSNP.Measurement); got != "b07af9620f3b839b47996422ddec6058338951d984e312115131ea82705eaf5b6bdf8a9ece31a5a608eb0cf2e4872b01" {
		t.Errorf("measurement is %s", got)
	}
	if claims.SEVSNP.Product != "" || claims.TrustAnchor != nil {
		t.Error("claims say what the report does not")
	}
	_, err = newVerifier(t).UnverifiedClaims(&evidence.SNP{Report: []byte("short")})
	if evidence.CodeOf(err) != evidence.CodeSNPSize {
		t.Errorf("a short report gives %v", err)
	}
}
