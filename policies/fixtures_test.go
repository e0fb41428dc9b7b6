package policies_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

var now = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func fill(b byte, size int) evidence.Hex { return bytes.Repeat([]byte{b}, size) }

func ptr[T any](v T) *T { return &v }

func anchor() *evidence.TrustAnchor {
	return &evidence.TrustAnchor{Name: "root", SHA256: fill(0xaa, 32), Origin: evidence.OriginPinned}
}

// goodSNP are the claims of a machine that the tests' workloads accept.
func goodSNP() evidence.Claims {
	tcb := evidence.SNPTCB{Bootloader: 4, TEE: 0, SNP: 24, Microcode: 219}
	return evidence.Claims{Kind: evidence.KindSEVSNP, TrustAnchor: anchor(), SEVSNP: &evidence.SNPClaims{
		Version: 3, Product: "Milan", ProductSource: "report", GuestSVN: 7,
		Policy:   evidence.SNPPolicy{SMT: true, Raw: evidence.Hex{0, 0, 0, 0, 0, 3, 0, 0}},
		FamilyID: fill(1, 16), ImageID: fill(2, 16), VMPL: 0,
		PlatformInfo:     evidence.SNPPlatform{SMT: true, ECC: true, AliasCheckComplete: true, Raw: evidence.Hex{0, 0, 0, 0, 0, 0, 0, 0x25}},
		AuthorKeyEnabled: true, SigningKey: "vcek",
		ReportData: fill(9, 64), Measurement: fill(0x11, 48), HostData: fill(3, 32),
		IDKeyDigest: fill(4, 48), AuthorKeyDigest: fill(5, 48), ReportID: fill(6, 32), ReportIDMA: fill(0xff, 32),
		ReportedTCB: tcb, CurrentTCB: tcb, CommittedTCB: tcb, LaunchTCB: tcb,
		CPUFamily: ptr(uint32(25)), CPUModel: ptr(uint32(1)), CPUStepping: ptr(uint32(1)),
		ChipID: fill(7, 64), CurrentVersion: "1.55.29", CommittedVersion: "1.55.29",
		LaunchMitVector: fill(0x0f, 8), CurrentMitVector: fill(0x0f, 8), CSPID: "",
		RevocationChecked: true,
	}}
}

// currentSNP is the same machine with everything that AMD's bulletins ask for.
func currentSNP() evidence.Claims {
	c := goodSNP()
	setLevels(&c, evidence.SNPTCB{Bootloader: 4, SNP: 27, Microcode: 222}, "1.55.35")
	return c
}

// goodTurin are the claims of a Turin machine that [turinPolicy] accepts.
func goodTurin() evidence.Claims {
	c := goodSNP()
	s := c.SEVSNP
	s.Product, s.CPUFamily, s.CPUModel, s.CPUStepping = "Turin", ptr(uint32(26)), ptr(uint32(2)), ptr(uint32(1))
	setLevels(&c, evidence.SNPTCB{FMC: ptr(uint8(2)), Bootloader: 3, TEE: 2, SNP: 5, Microcode: 97}, "1.58.3")
	return c
}

// setLevels gives a machine one TCB and one firmware throughout.
func setLevels(c *evidence.Claims, tcb evidence.SNPTCB, version string) {
	s := c.SEVSNP
	for _, t := range []*evidence.SNPTCB{&s.ReportedTCB, &s.CommittedTCB, &s.CurrentTCB, &s.LaunchTCB} {
		*t = tcb
		if tcb.FMC != nil {
			t.FMC = ptr(*tcb.FMC)
		}
	}
	s.CurrentVersion, s.CommittedVersion = version, version
}

func goodTDX() evidence.Claims {
	return evidence.Claims{Kind: evidence.KindTDX, TrustAnchor: anchor(), TDX: &evidence.TDXClaims{
		QuoteVersion: 4, BodyVersion: "1.0", TEETCBSVN: fill(5, 16), MRSEAM: fill(0x21, 48), MRSignerSEAM: fill(0, 48),
		SEAMAttributes: fill(0, 8),
		Attributes:     evidence.TDXAttributes{SEPTVEDisable: true, Raw: evidence.Hex{0, 0, 0, 0x10, 0, 0, 0, 0}},
		XFAM:           evidence.Hex{0xe7, 0, 6, 0, 0, 0, 0, 0},
		MRTD:           fill(0x22, 48), MRConfigID: fill(0, 48), MROwner: fill(0, 48), MROwnerConfig: fill(0, 48),
		RTMR0: fill(0x30, 48), RTMR1: fill(0x31, 48), RTMR2: fill(0x32, 48), RTMR3: fill(0, 48),
		ReportData: fill(9, 64), FMSPC: evidence.Hex{0, 0x80, 0x6f, 5, 0, 0}, PCEID: fill(0, 2), PPID: fill(8, 16),
		TCB: &evidence.TDXTCB{
			Status: "UpToDate", PlatformStatus: "UpToDate", ModuleStatus: "UpToDate", QEStatus: "UpToDate",
			TCBDate: now.AddDate(0, -6, 0), EvaluationDataNumber: 18,
		},
	}}
}

func goodTPM() evidence.Claims {
	return evidence.Claims{Kind: evidence.KindTPM, TrustAnchor: anchor(), TPM: &evidence.TPMClaims{
		AKSource: "given", AKHierarchy: "endorsement", AKSHA256: fill(0x41, 32), AKName: fill(0x42, 34), AKRestricted: ptr(true),
		SignatureScheme: "ecdsa", SignatureHash: "sha256", Bank: "sha256",
		PCRs:      map[int]evidence.Hex{0: fill(0x50, 32), 4: fill(0x54, 32), 7: fill(0x57, 32)},
		ExtraData: fill(9, 32), QualifiedSigner: fill(0x43, 34), Clock: 1000, ResetCount: 3, RestartCount: 1, Safe: true,
		FirmwareVersion: evidence.Hex{0, 7, 0, 2, 0, 0, 0, 0},
	}}
}

// Documents of the tests. The requirements go below "any_of:", four columns in.
const (
	head = `apiVersion: quotary.dev/v1
kind: Workload
name: web
identity: {spiffe_id: "spiffe://example.org/web", dns_names: [web.example.org], ttl: 30m}
any_of:
`
	snpAlternative = `  - sev_snp:
      measurements: ["` + m11 + `"]
      minimum_tcb: {bootloader: 4, tee: 0, snp: 24, microcode: 219}
`
	turinPolicy = head + `  - sev_snp:
      measurements: ["` + m11 + `"]
      products: [Turin]
      minimum_tcb: {fmc: 2, bootloader: 3, tee: 2, snp: 5, microcode: 97}
`
	tdxAlternative = `  - tdx:
      mrtd: ["` + m22 + `"]
      rtmr0: ["` + m30 + `"]
      rtmr1: ["` + m31 + `"]
      rtmr2: ["` + m32 + `"]
      rtmr3: any
`
	tpmAlternative = `  - tpm:
      pcrs: {sha256: {0: ["` + p50 + `"], 7: ["` + p57 + `"]}}
`
	m11 = "111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111"
	m22 = "222222222222222222222222222222222222222222222222222222222222222222222222222222222222222222222222"
	m30 = "303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030"
	m31 = "313131313131313131313131313131313131313131313131313131313131313131313131313131313131313131313131"
	m32 = "323232323232323232323232323232323232323232323232323232323232323232323232323232323232323232323232"
	p50 = "5050505050505050505050505050505050505050505050505050505050505050"
	p54 = "5454545454545454545454545454545454545454545454545454545454545454"
	p57 = "5757575757575757575757575757575757575757575757575757575757575757"
)

func replace(text, old, new string) string {
	if !strings.Contains(text, old) {
		panic("the text has no " + old)
	}
	return strings.ReplaceAll(text, old, new)
}

// load compiles documents, one for each text.
func load(t testing.TB, texts ...string) *policies.Set {
	t.Helper()
	set, err := policies.Load(policies.File{Name: "policy.yaml", Data: []byte(strings.Join(texts, "---\n"))})
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return set
}

// loadErr returns the problems of a text, without its file name.
func loadErr(t testing.TB, texts ...string) string {
	t.Helper()
	text := strings.Join(texts, "---\n")
	_, err := policies.Load(policies.File{Name: "p", Data: []byte(text)})
	if err == nil {
		t.Fatalf("Load accepted\n%s", text)
	}
	return err.Error()
}

func snpWith(lines ...string) string { return with(head+snpAlternative, lines) }
func tdxWith(lines ...string) string { return with(head+tdxAlternative, lines) }
func tpmWith(lines ...string) string { return with(head+tpmAlternative, lines) }

// with appends keys to the last requirement.
func with(text string, lines []string) string {
	for _, line := range lines {
		text += "      " + line + "\n"
	}
	return text
}

func evaluate(set *policies.Set, claims ...evidence.Claims) policies.Decision {
	return set.Evaluate(policies.Input{Claims: claims, Now: now})
}

// wantVerdict checks the verdict and that code has the status that goes with it.
func wantVerdict(t testing.TB, d policies.Decision, verdict policies.Verdict, code evidence.Code) {
	t.Helper()
	if d.Verdict != verdict {
		t.Fatalf("verdict %s, want %s; checks:\n%s", d.Verdict, verdict, list(d.Checks))
	}
	if (d.Verdict == policies.Accepted) != (d.Identity.SPIFFEID != "") {
		t.Fatalf("verdict %s with identity %+v", d.Verdict, d.Identity)
	}
	if code.IsZero() {
		return
	}
	status := map[policies.Verdict]evidence.Status{
		policies.Accepted: evidence.Pass, policies.Rejected: evidence.Fail, policies.Undecided: evidence.NotPerformed,
	}[verdict]
	for _, check := range d.Checks {
		if check.Code == code && check.Status == status {
			return
		}
	}
	t.Fatalf("no check %s with status %s; checks:\n%s", code, status, list(d.Checks))
}

func list(checks evidence.Checks) string {
	var b strings.Builder
	for _, check := range checks {
		b.WriteString("  " + check.String() + "\n")
	}
	return b.String()
}
