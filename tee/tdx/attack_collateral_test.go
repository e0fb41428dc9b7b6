package tdx

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
)

// setTCBInfo replaces the TCB info by an altered one, signed again. It is found
// under the key of the platform, whatever it says.
func (s *scene) setTCBInfo(alter func(*simulated.TCBInfo)) {
	info := s.vendor.TCBInfo()
	alter(&info)
	key := s.collateral.Documents[0].Key
	s.collateral.Documents[0] = s.vendor.TCBInfoDocument(info)
	s.collateral.Documents[0].Key = key
}

// setQEIdentity replaces the QE identity by an altered one, signed again.
func (s *scene) setQEIdentity(alter func(*simulated.QEIdentity)) {
	id := s.vendor.QEIdentity()
	alter(&id)
	s.collateral.Documents[1] = s.vendor.QEIdentityDocument(id)
	s.collateral.Documents[1].Key = qeIdentityKey
}

// resign replaces a document by altered JSON text, signed again.
func (s *scene) resign(document int, member, old, replacement string) {
	raw := string(s.collateral.Documents[document].Raw)
	body := strings.TrimPrefix(raw[:strings.Index(raw, `,"signature":`)], `{"`+member+`":`)
	body = strings.Replace(body, old, replacement, 1)
	s.collateral.Documents[document].Raw = simulated.SignDocument(member, []byte(body), s.vendor.Signing.Key)
}

// forged is a TCB info with which everything would be up to date.
func forged(s *scene) string {
	info := s.vendor.TCBInfo()
	info.TCBLevels = []simulated.Level{{TCBStatus: "UpToDate"}}
	text, _ := json.Marshal(info)
	return string(text)
}

// TestAttack_T01_SecondTCBInfo adds a forged body beside the signed one.
func TestAttack_T01_SecondTCBInfo(t *testing.T) {
	for name, key := range map[string]string{
		"case folded":       "TCBINFO",
		"case folded first": "TcbInfo",
		"repeated":          "tcbInfo",
		"unicode folded":    "tcbİnfo",
		"escaped":           `\u0074cbInfo`,
		"other":             "note",
	} {
		for _, first := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				s := newScene(t)
				raw := string(s.collateral.Documents[0].Raw)
				member := `"` + key + `":` + forged(s)
				if first {
					raw = `{` + member + `,` + raw[1:]
				} else {
					raw = strings.Replace(raw, `,"signature":`, `,`+member+`,"signature":`, 1)
				}
				s.collateral.Documents[0].Raw = []byte(raw)
				refusedWith(t, s.genuine(), evidence.CodeTDXTCBInfoFormat)
			})
		}
	}
}

// TestAttack_T01_StrictJSON signs documents that can be read in two ways.
func TestAttack_T01_StrictJSON(t *testing.T) {
	for _, c := range []struct{ name, old, replacement string }{
		{"RepeatedKey", `"version":3`, `"version":2,"version":3`},
		{"CaseFoldedKey", `"version":3`, `"version":3,"VERSION":2`},
		{"KelvinSign", `"version":3`, `"version":3,"` + "\u212a" + `":0,"k":1`},
		{"NestedRepeatedKey", `"tcbStatus":"OutOfDate"`, `"tcbStatus":"OutOfDate","tcbStatus":"UpToDate"`},
		{"NestedCaseFoldedKey", `"tcbStatus":"Revoked"`, `"tcbStatus":"Revoked","TcbStatus":"UpToDate"`},
		{"FractionalNumber", `"pcesvn":11`, `"pcesvn":11.0`},
		{"NegativeNumber", `"pcesvn":11`, `"pcesvn":-11`},
		{"LargeNumber", `"svn":8`, `"svn":256`},
		{"NumberAsText", `"pcesvn":11`, `"pcesvn":"11"`},
		{"Deep", `"version":3`, `"version":3,"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40)},
		{"UnknownStatus", `"tcbStatus":"OutOfDate"`, `"tcbStatus":"Fine"`},
		{"NotSupportedAsLevel", `"tcbStatus":"OutOfDate"`, `"tcbStatus":"NotSupported"`},
		{"RelaunchAsLevel", `"tcbStatus":"OutOfDate"`, `"tcbStatus":"TDRelaunchAdvised"`},
		{"NumberAsCategory", `"category":"BIOS"`, `"category":1`},
		{"LocalTime", `T11:00:00Z`, `T11:00:00+00:00`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t)
			s.resign(0, "tcbInfo", c.old, c.replacement)
			refusedWith(t, s.genuine(), evidence.CodeTDXTCBInfoFormat)
		})
	}
}

// TestAttack_T01_TrailingData puts something behind a document.
func TestAttack_T01_TrailingData(t *testing.T) {
	for _, text := range []string{"{}", "x", "\x00", `{"tcbInfo":{}}`} {
		s := newScene(t)
		s.collateral.Documents[0].Raw = append(s.collateral.Documents[0].Raw, text...)
		refusedWith(t, s.genuine(), evidence.CodeTDXTCBInfoFormat)
	}
}

// TestAttack_T09_QEIdentityForged alters the QE identity without its signature.
func TestAttack_T09_QEIdentityForged(t *testing.T) {
	s := newScene(t)
	raw := strings.Replace(string(s.collateral.Documents[1].Raw), `"isvprodid":2`, `"isvprodid":3`, 1)
	s.collateral.Documents[1].Raw = []byte(raw)
	refusedWith(t, s.genuine(), evidence.CodeTDXQEIdentitySignature)
}

// TestAttack_T10_QELevels: the highest level counts whatever the order, and no
// level is no approval.
func TestAttack_T10_QELevels(t *testing.T) {
	for _, c := range []struct {
		name  string
		svn   uint16
		alter func(*simulated.QEIdentity)
		want  string
	}{
		{"Reversed", 6, func(q *simulated.QEIdentity) { slices.Reverse(q.TCBLevels) }, "UpToDate"},
		{"OldEnclave", 5, func(q *simulated.QEIdentity) { slices.Reverse(q.TCBLevels) }, "OutOfDate"},
		{"OlderThanAll", 1, func(*simulated.QEIdentity) {}, "NotSupported"},
		{"Empty", 6, func(q *simulated.QEIdentity) { q.TCBLevels = []simulated.SVNLevel{} }, "NotSupported"},
		{"Revoked", 6, func(q *simulated.QEIdentity) { q.TCBLevels[0].TCBStatus = "Revoked" }, "Revoked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t, func(o *simulated.MachineOptions) { o.QESVN = c.svn })
			s.setQEIdentity(c.alter)
			out := s.genuine()
			requireGenuine(t, out)
			if tcb := out.Claims.TDX.TCB; tcb.QEStatus != c.want || tcb.Status != c.want {
				t.Errorf("QE %s, together %s; want %s", tcb.QEStatus, tcb.Status, c.want)
			}
		})
	}
}

// TestAttack_Collateral alters documents and signs them again.
func TestAttack_Collateral(t *testing.T) {
	tcb := func(alter func(*simulated.TCBInfo)) func(*scene) {
		return func(s *scene) { s.setTCBInfo(alter) }
	}
	qe := func(alter func(*simulated.QEIdentity)) func(*scene) {
		return func(s *scene) { s.setQEIdentity(alter) }
	}
	for _, c := range []struct {
		name  string
		alter func(*scene)
		want  evidence.Code
	}{
		{"T11_QEIdentityOfSGX", qe(func(q *simulated.QEIdentity) { q.ID = "QE" }), evidence.CodeTDXQEIdentityFormat},
		{"T11_QEIdentityVersion", qe(func(q *simulated.QEIdentity) { q.Version = 1 }), evidence.CodeTDXQEIdentityFormat},
		{"T12_TCBInfoOfSGX", tcb(func(i *simulated.TCBInfo) { i.ID = "SGX" }), evidence.CodeTDXTCBInfoFormat},
		{"T12_TCBInfoVersion", tcb(func(i *simulated.TCBInfo) { i.Version = 2 }), evidence.CodeTDXTCBInfoFormat},
		{"T12_TCBType", tcb(func(i *simulated.TCBInfo) { i.TCBType = 1 }), evidence.CodeTDXTCBInfoFormat},
		{"T13_FMSPC", tcb(func(i *simulated.TCBInfo) { i.FMSPC = "00806F050000" }), evidence.CodeTDXTCBInfoPlatform},
		{"T14_PCEID", tcb(func(i *simulated.TCBInfo) { i.PCEID = "0001" }), evidence.CodeTDXTCBInfoPlatform},
		{"T15_TCBInfoExpired", tcb(func(i *simulated.TCBInfo) { i.NextUpdate = clock.Add(-time.Second) }), evidence.CodeTDXCollateralExpired},
		{"T15_TCBInfoFromTheFuture", tcb(func(i *simulated.TCBInfo) { i.IssueDate = clock.Add(time.Second) }), evidence.CodeTDXCollateralNotYet},
		{"T15_QEIdentityExpired", qe(func(q *simulated.QEIdentity) { q.NextUpdate = clock.Add(-time.Second) }), evidence.CodeTDXCollateralExpired},
		{"T15_QEIdentityFromTheFuture", qe(func(q *simulated.QEIdentity) { q.IssueDate = clock.Add(time.Second) }), evidence.CodeTDXCollateralNotYet},
		{"T15_NextUpdateBeforeIssue", tcb(func(i *simulated.TCBInfo) { i.NextUpdate = i.IssueDate }), evidence.CodeTDXTCBInfoFormat},
		{"T18_NoTDXComponents", func(s *scene) {
			s.resign(0, "tcbInfo", `"tdxtcbcomponents"`, `"x"`)
		}, evidence.CodeTDXTCBInfoFormat},
		{"T22_ModuleIdentitySigner", tcb(func(i *simulated.TCBInfo) {
			i.TDXModuleIdentities[1].MRSigner = strings.Repeat("1", 96)
		}), evidence.CodeTDXModuleSigner},
		{"T22_ModuleIdentityAttributes", tcb(func(i *simulated.TCBInfo) {
			i.TDXModuleIdentities[1].Attributes = "0100000000000000"
		}), evidence.CodeTDXModuleSigner},
		{"T18_TwoLevelsOfOneTCB", tcb(func(i *simulated.TCBInfo) { i.TCBLevels[1].TCB = i.TCBLevels[0].TCB }), evidence.CodeTDXTCBInfoFormat},
		{"T10_TwoLevelsOfOneQE", qe(func(q *simulated.QEIdentity) { q.TCBLevels[1].TCB = q.TCBLevels[0].TCB }), evidence.CodeTDXQEIdentityFormat},
		{"T22_TwoLevelsOfOneModule", tcb(func(i *simulated.TCBInfo) {
			i.TDXModuleIdentities[0].TCBLevels[1].TCB = i.TDXModuleIdentities[0].TCBLevels[0].TCB
		}), evidence.CodeTDXTCBInfoFormat},
		{"T22_TwoIdentitiesOfOneVersion", tcb(func(i *simulated.TCBInfo) {
			i.TDXModuleIdentities[0].ID = "TDX_01"
		}), evidence.CodeTDXTCBInfoFormat},
		{"SignatureOfOtherBody", func(s *scene) {
			raw := strings.Replace(string(s.collateral.Documents[0].Raw), `"pcesvn":11`, `"pcesvn":10`, 1)
			s.collateral.Documents[0].Raw = []byte(raw)
		}, evidence.CodeTDXTCBInfoSignature},
		{"SignedByPCKKey", func(s *scene) {
			body, _ := json.Marshal(s.vendor.TCBInfo())
			s.collateral.Documents[0].Raw = simulated.SignDocument("tcbInfo", body, s.machine.PCKKey())
		}, evidence.CodeTDXTCBInfoSignature},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t)
			c.alter(s)
			refusedWith(t, s.genuine(), c.want)
		})
	}
}

// TestAttack_T13_HexCase: the case of hex digits makes no difference.
func TestAttack_T13_HexCase(t *testing.T) {
	s := newScene(t)
	s.setTCBInfo(func(i *simulated.TCBInfo) { i.FMSPC = strings.ToLower(i.FMSPC) })
	requireGenuine(t, s.genuine())
}

// TestAttack_T15_OneYearLater replays everything when the collateral is old.
func TestAttack_T15_OneYearLater(t *testing.T) {
	s := newScene(t)
	requireGenuine(t, s.genuine())
	s.now = clock.AddDate(1, 0, 0)
	refusedWith(t, s.genuine(), evidence.CodeTDXCollateralExpired) // with all proofs remembered
	s.now = clock.AddDate(-1, 0, 0)
	refusedWith(t, s.genuine(), evidence.CodeTDXCollateralNotYet)
	s.now = clock.AddDate(100, 0, 0)
	refusedWith(t, s.genuine(), evidence.CodeTDXCertificateTime, evidence.CodeTDXCollateralExpired)
}

// TestAttack_T16_NewestDocumentCounts: of several genuine documents in force
// the highest evaluation counts, and forged ones never displace it.
func TestAttack_T16_NewestDocumentCounts(t *testing.T) {
	s := newScene(t)
	older := s.vendor.TCBInfo()
	older.TCBEvaluationDataNumber--
	older.TCBLevels[0].TCBStatus = "SWHardeningNeeded"
	future := s.vendor.TCBInfo()
	future.TCBEvaluationDataNumber, future.IssueDate = 99, clock.Add(time.Hour)
	fake := s.vendor.TCBInfo()
	fake.TCBEvaluationDataNumber = 98
	body, _ := json.Marshal(fake)
	foreign := s.vendor.TCBInfo()
	foreign.TCBEvaluationDataNumber, foreign.PCEID = 97, "0001"
	key := s.collateral.Documents[0].Key
	for _, d := range []tee.Document{
		s.vendor.TCBInfoDocument(older), s.vendor.TCBInfoDocument(future), s.vendor.TCBInfoDocument(foreign),
		{Type: tee.DocumentTCBInfo, Key: key, Raw: simulated.SignDocument("tcbInfo", body, s.machine.PCKKey())},
		{Type: tee.DocumentTCBInfo, Key: key, Raw: []byte("{}")},
	} {
		s.collateral.Documents = append([]tee.Document{d}, s.collateral.Documents...)
	}
	out := s.genuine()
	requireGenuine(t, out)
	if tcb := out.Claims.TDX.TCB; tcb.EvaluationDataNumber != 20 || tcb.Status != "UpToDate" {
		t.Errorf("TCB %+v", tcb)
	}
	if check, _ := out.Checks.Get(evidence.CodeTDXTCBInfoSignature); !strings.Contains(check.Got, "passed over") {
		t.Errorf("the forged documents are not noted: %v", check)
	}
}

// TestAttack_T16_LowerNumberOfTwo: where TCB info and QE identity are of two
// evaluations, the lower one is the claim.
func TestAttack_T16_LowerNumberOfTwo(t *testing.T) {
	s := newScene(t)
	s.setQEIdentity(func(q *simulated.QEIdentity) { q.TCBEvaluationDataNumber = 12 })
	out := s.genuine()
	requireGenuine(t, out)
	if got := out.Claims.TDX.TCB.EvaluationDataNumber; got != 12 {
		t.Errorf("evaluation data number %d", got)
	}
}

// TestAttack_T18_RevokedPlatform: a platform that is revoked stays so whatever
// its module's status is.
func TestAttack_T18_RevokedPlatform(t *testing.T) {
	s := newScene(t)
	s.setTCBInfo(func(i *simulated.TCBInfo) { i.TCBLevels[0].TCBStatus = "Revoked" })
	out := s.genuine()
	requireGenuine(t, out)
	if tcb := out.Claims.TDX.TCB; tcb.Status != "Revoked" || tcb.ModuleStatus != "UpToDate" {
		t.Errorf("TCB %+v", tcb)
	}
}

// TestAttack_T19_EveryStatus: each status of a platform becomes the claim.
func TestAttack_T19_EveryStatus(t *testing.T) {
	for _, name := range platformStatuses {
		s := newScene(t)
		s.setTCBInfo(func(i *simulated.TCBInfo) {
			i.TCBLevels[0].TCBStatus, i.TCBLevels[0].AdvisoryIDs = name, []string{"INTEL-SA-99999"}
		})
		out := s.genuine()
		requireGenuine(t, out)
		tcb := out.Claims.TDX.TCB
		if tcb.Status != name || tcb.PlatformStatus != name || !slices.Equal(tcb.Advisories, []string{"INTEL-SA-99999"}) {
			t.Errorf("%s: TCB %+v", name, tcb) // T20, T21: advisories reach the policy
		}
	}
}

// TestManyGenerations: a year of daily collateral side by side is judged by the
// day that counts.
func TestManyGenerations(t *testing.T) {
	s := newScene(t)
	var all simulated.Collateral
	for day := range 300 {
		vendor := simulated.NewVendor(simulated.Options{Seed: "test", Clock: func() time.Time { return clock.AddDate(0, 0, day-150) }})
		daily := vendor.Collateral()
		all.Certificates = daily.Certificates
		all.CRLs = append(all.CRLs, daily.CRLs...)
		all.Documents = append(all.Documents, daily.Documents...)
	}
	s.collateral = all
	out := s.genuine()
	requireGenuine(t, out)
	if want := clock.Add(30*24*time.Hour - time.Hour); !out.ValidUntil.Equal(want) {
		t.Errorf("valid until %v, want %v", out.ValidUntil, want)
	}
}

// TestSignatureForm: a signature of another length or alphabet verifies nothing.
func TestSignatureForm(t *testing.T) {
	for _, signature := range []string{"", "00", strings.Repeat("0", 128), strings.Repeat("f", 128), strings.Repeat("z", 128), strings.Repeat("0", 130)} {
		s := newScene(t)
		raw := string(s.collateral.Documents[0].Raw)
		s.collateral.Documents[0].Raw = []byte(raw[:strings.Index(raw, `,"signature":`)] + `,"signature":"` + signature + `"}`)
		refusedWith(t, s.genuine(), evidence.CodeTDXTCBInfoSignature)
	}
	for _, signature := range []string{"null", "1", `["x"]`} {
		s := newScene(t)
		raw := string(s.collateral.Documents[0].Raw)
		s.collateral.Documents[0].Raw = []byte(raw[:strings.Index(raw, `,"signature":`)] + `,"signature":` + signature + `}`)
		refusedWith(t, s.genuine(), evidence.CodeTDXTCBInfoFormat)
	}
}
