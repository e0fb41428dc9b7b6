package sevsnp_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/go-sev-guest/kds"
	pb "github.com/google/go-sev-guest/proto/sevsnp"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
)

// disagreement is a difference between the implementations that is meant.
type disagreement struct {
	code evidence.Code // only we refuse, by this check, which got something with got in it
	got  string
	says string // only the oracle refuses, with an error that has this in it
	why  string
}

var disagreements = []disagreement{
	{code: evidence.CodeSNPSize, got: "not all zero", why: "the oracle does not read behind a report; bytes that nobody signed are no part of evidence"},
	{code: evidence.CodeSNPReserved, got: "with reserved bytes", why: "a level in a reserved byte of a TCB_VERSION is one that no minimum sees; the oracle compares these bytes where it compares at all"},
	{code: evidence.CodeSNPReserved, got: "1F8h–29Fh", why: "mitigation vectors are reserved before version 5; the oracle reads them in every version"},
	{code: evidence.CodeSNPPlatformInfo, why: "an unknown bit may stand for a weakness; the oracle looks if a policy has bits to compare"},
	{code: evidence.CodeSNPVMPL, why: "a report that the host asked for is not the guest's; the oracle looks if a policy names a level"},
	{code: evidence.CodeSNPSigningKey, got: "MASK_CHIP_KEY", why: "the firmware writes no signature where the key is masked; the oracle does not look"},
	{code: evidence.CodeSNPCertificateProfile, got: "no place in structure version 1", why: "the structure version says what the levels mean; the oracle knows one meaning"},
	{code: evidence.CodeSNPProductAgreement, got: "product name", why: "a certificate that names another line than its issuer is none of AMD's; the oracle does not read the name where the report has a processor"},
	{code: evidence.CodeSNPCertificateProfile, got: "1.3.6.1.4.1.3704.1.2 is no IA5String", why: "likewise for one that names none"},
	{says: "CURRENT_TCB", why: "an order of TCBs is weighed by policy: it asks for firmware that is committed"},
	{says: "committed API version", why: "likewise for versions of the firmware"},
	{says: "unknown product name", why: "a stepping in a product name says nothing: AMD has issued wrong ones"},
	{says: "not an AMD KDS OID", why: "an extension that is not critical is recorded, not refused (RFC 5280, section 4.2)"},
	{says: "committed build number", why: "likewise for versions of the firmware"},
	{says: "Last error: <nil>", why: "the oracle knows one model of each line, we the blocks of models that share a root"},
	{says: "report signature verification error", why: "the oracle writes the report anew before it hashes it, and a stepping has four bits there, eight in the report; we hash what was signed"},
	{says: "subject has 0 countries", why: "the oracle compares AMD's postal address; the chain does not rest on it"},
}

// compare judges by both, and holds every disagreement against the table. It
// counts how often each was met.
func compare(t *testing.T, name string, out tee.Outcome, theirs *pb.Report, err error, met map[int]int) {
	t.Helper()
	switch {
	case out.Genuine() && err == nil:
		wantSame(t, out.Claims.SEVSNP, theirs)
	case out.Genuine():
		for i, d := range disagreements {
			if d.says != "" && strings.Contains(err.Error(), d.says) {
				met[i]++
				return
			}
		}
		t.Errorf("%s: only the oracle refuses: %v", name, err)
	case err == nil:
		for _, check := range out.Checks.Failed() {
			explained := false
			for i, d := range disagreements {
				if d.code == check.Code && !d.code.IsZero() && strings.Contains(check.Got, d.got) {
					met[i]++
					explained = true
				}
			}
			if !explained {
				t.Errorf("%s: only we refuse: %s", name, check)
			}
		}
	}
}

// TestDifferential compares both on hundreds of mutants, each signed and certified
// anew: of reports, of certificates, and of what stands around them. What both
// accept they must read alike; where one alone refuses, the table must say why.
func TestDifferential(t *testing.T) {
	met := map[int]int{}
	total, accepted := 0, 0
	judge := func(name string, s specimen) {
		t.Helper()
		out := s.ours()
		theirs, err := s.theirs()
		compare(t, name, out, theirs, err, met)
		total++
		if out.Genuine() && err == nil {
			accepted++
		}
	}
	flippedReports(t, judge)
	editedReports(t, judge)
	editedCertificates(t, judge)
	for i, d := range disagreements {
		if met[i] == 0 {
			t.Errorf("nothing shows the disagreement %d: %s", i, d.why)
		}
	}
	t.Logf("%d specimens, %d accepted by both, met %v", total, accepted, met)
}

// flippedReports flips a bit or two of each report's signed part.
func flippedReports(t *testing.T, judge func(string, specimen)) {
	random := mathrand.New(mathrand.NewPCG(1, 2))
	for version := uint32(1); version <= 6; version++ {
		m := newLabMachine(t, func(m *machine) { m.report.Version = version })
		for n := range 50 {
			judge(fmt.Sprintf("version %d, flip %d", version, n), m.newSpecimen(t, func(raw []byte) {
				for range 1 + random.IntN(2) {
					raw[random.IntN(simulator.SignedSize)] ^= 1 << random.IntN(8)
				}
			}))
		}
	}
}

// editedReports changes what has a meaning, and what stands behind a report.
func editedReports(t *testing.T, judge func(string, specimen)) {
	provider := func(m *machine) {
		m.report.SigningKey, m.report.ChipID = simulator.KeyVLEK, [64]byte{}
		m.template, m.issuer = milan().VLEKTemplate("CN=cloud.example", m.report.ReportedTCB), lab().asvk
		m.template.Subject = amdName("SEV-VLEK")
	}
	le := binary.LittleEndian
	whole := newLabMachine(t, nil)
	for bit := range 64 {
		judge(fmt.Sprintf("policy bit %d", bit), whole.newSpecimen(t, func(raw []byte) { raw[8+bit/8] ^= 1 << (bit % 8) }))
		judge(fmt.Sprintf("platform bit %d", bit), whole.newSpecimen(t, func(raw []byte) { raw[0x40+bit/8] ^= 1 << (bit % 8) }))
	}
	for kind, m := range map[string]machine{
		"VCEK": whole, "VLEK": newLabMachine(t, provider),
		"version 2": newLabMachine(t, func(m *machine) { m.report.Version = 2 }),
		"version 5": newLabMachine(t, func(m *machine) { m.report.Version = 5 }),
	} {
		judge(kind, m.newSpecimen(t, nil))
		for bit := range 8 {
			judge(fmt.Sprintf("%s, signer bit %d", kind, bit), m.newSpecimen(t, func(raw []byte) { raw[0x48] ^= 1 << bit }))
		}
		for _, off := range []int{0x38, 0x180, 0x1e0, 0x1f0} {
			for part := range 8 {
				for _, by := range []byte{1, 0xff} {
					judge(fmt.Sprintf("%s, level %#x+%d by %d", kind, off, part, int8(by)), m.newSpecimen(t, func(raw []byte) { raw[off+part] += by }))
				}
			}
		}
		for _, cpu := range [][2]byte{{0, 0}, {0x17, 1}, {0x19, 0}, {0x19, 1}, {0x19, 0x0f}, {0x19, 0x10}, {0x19, 0x11}, {0x19, 0xa0}, {0x19, 0x20}, {0x1a, 2}, {0x1a, 0x11}, {0xff, 0xff}} {
			judge(fmt.Sprintf("%s, processor %x", kind, cpu), m.newSpecimen(t, func(raw []byte) { copy(raw[0x188:], cpu[:]) }))
		}
		for _, vmpl := range []uint32{1, 3, 4, 0xffffffff} {
			judge(fmt.Sprintf("%s, VMPL %d", kind, vmpl), m.newSpecimen(t, func(raw []byte) { le.PutUint32(raw[0x30:], vmpl) }))
		}
		for name, edit := range map[string]func(raw []byte){
			"chip masked": func(raw []byte) { clear(raw[0x1a0:0x1e0]) }, "another chip": func(raw []byte) { raw[0x1a0]++ },
			"vectors": func(raw []byte) { raw[0x1f8], raw[0x200] = 1, 1 }, "committed above current": func(raw []byte) { raw[0x1ec]++ },
			"algorithm 0": func(raw []byte) { raw[0x34] = 0 }, "algorithm 2": func(raw []byte) { raw[0x34] = 2 },
			"stepping": func(raw []byte) { raw[0x18a] = 0x7f },
		} {
			judge(kind+", "+name, m.newSpecimen(t, edit))
		}
		for name, edit := range map[string]func(raw []byte) []byte{
			"cut": func(raw []byte) []byte { return raw[:len(raw)-1] }, "empty": func([]byte) []byte { return nil },
			"padded": func(raw []byte) []byte { return append(raw, make([]byte, 9)...) }, "tail": func(raw []byte) []byte { return append(raw, 1) },
			"R zero": func(raw []byte) []byte { clear(raw[0x2a0 : 0x2a0+72]); return raw }, "R wide": func(raw []byte) []byte { raw[0x2a0+48] = 1; return raw },
			"S plus n": func(raw []byte) []byte {
				s := scalar(raw[0x2a0+72:])
				putScalar(raw[0x2a0+72:], s.Add(s, elliptic.P384().Params().N))
				return raw
			},
			"signature behind": func(raw []byte) []byte { raw[0x49f] = 1; return raw }, "signed by another": func(raw []byte) []byte {
				other, _ := simulator.SignReport(newKey(t).PrivateKey, raw)
				return other
			},
		} {
			s := m.newSpecimen(t, nil)
			s.report = edit(s.report)
			judge(kind+", "+name, s)
		}
	}
}

// editedCertificates changes what the certificate of a key says.
func editedCertificates(t *testing.T, judge func(string, specimen)) {
	set := func(value []byte, arcs ...int) func(*machine) {
		return func(m *machine) {
			changed := simulator.KDSExtension(value, arcs...)
			kept := m.template.ExtraExtensions[:0:0]
			for _, ext := range m.template.ExtraExtensions {
				if !ext.Id.Equal(changed.Id) {
					kept = append(kept, ext)
				}
			}
			if value != nil {
				kept = append(kept, changed)
			}
			m.template.ExtraExtensions = kept
		}
	}
	text := func(s string) []byte { return append([]byte{22, byte(len(s))}, s...) }
	edits := map[string]func(*machine){}
	for _, name := range []string{"Milan", "Milan-B0", "Milan-B1", "Milan-B9", "Genoa", "Genoa-B0", "Turin", "Bergamo", "Milano", ""} {
		edits["product "+name] = set(text(name), 2)
	}
	for _, arc := range []int{1, 2, 3, 4, 5, 6, 7, 8} {
		edits[fmt.Sprintf("no level %d", arc)] = set(nil, 3, arc)
		edits[fmt.Sprintf("level %d one more", arc)] = set([]byte{2, 1, 25}, 3, arc)
	}
	for name, value := range map[string][]byte{"negative": {2, 1, 0x98}, "long": {2, 2, 0, 24}, "wide": {2, 2, 1, 24}, "tail": {2, 1, 24, 0}, "octets": {4, 1, 24}} {
		edits["level "+name] = set(value, 3, 3)
	}
	chip := milan().Report("laboratory").ChipID
	for name, value := range map[string][]byte{"gone": nil, "short": chip[:63], "wrapped": append([]byte{4, 64}, chip[:]...), "eight": chip[:8], "another's": make([]byte, 64)} {
		edits["HWID "+name] = set(value, 4)
	}
	edits["structure version 1"], edits["FMC level"] = set([]byte{2, 1, 1}, 1), set([]byte{2, 1, 0}, 3, 9)
	edits["unknown extension"], edits["both owners"] = set([]byte{5, 0}, 77), set(text("CN=x"), 5)
	edits["unknown critical extension"] = func(m *machine) {
		m.template.ExtraExtensions = append(m.template.ExtraExtensions, pkix.Extension{Id: []int{1, 2, 3}, Critical: true})
	}
	edits["CA"] = func(m *machine) { m.template.IsCA, m.template.BasicConstraintsValid = true, true }
	edits["key usage"] = func(m *machine) { m.template.KeyUsage = x509.KeyUsageKeyAgreement }
	edits["PKCS #1 v1.5"] = func(m *machine) { m.template.SignatureAlgorithm = x509.SHA384WithRSA }
	edits["PSS with SHA-256"] = func(m *machine) { m.template.SignatureAlgorithm = x509.SHA256WithRSAPSS }
	edits["expired"] = func(m *machine) { m.template.NotAfter = now.Add(-1) }
	edits["not yet valid"] = func(m *machine) { m.template.NotBefore = now.AddDate(0, 0, 1) }
	edits["by the root"] = func(m *machine) { m.issuer = lab().ark }
	edits["by the issuer of VLEKs"] = func(m *machine) { m.issuer = lab().asvk }
	edits["by a stranger"] = func(m *machine) {
		namesake := *lab().ask.Certificate
		namesake.PublicKey = milan().ASK().Key.Public()
		m.issuer = &simulator.Issuer{Certificate: &namesake, Key: milan().ASK().Key}
	}
	edits["subject of a VLEK"] = func(m *machine) { m.template.Subject = amdName("SEV-VLEK") }
	edits["subject of nobody"] = func(m *machine) { m.template.Subject = amdName("SEV-KEY") }
	edits["subject elsewhere"] = func(m *machine) { m.template.Subject = pkix.Name{CommonName: "SEV-VCEK"} }
	for version := uint32(2); version <= 3; version++ {
		for name, edit := range edits {
			judge(fmt.Sprintf("%s, version %d", name, version), newLabMachine(t, func(m *machine) {
				m.report.Version = version
				edit(m)
			}).newSpecimen(t, nil))
		}
	}
	small, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	m := newLabMachine(t, nil)
	s := m.newSpecimen(t, nil)
	s.leaf = issue(t, m.issuer, m.template, small.Public())
	judge("P-256", s)
}

// wantSame compares claims with the oracle's reading.
func wantSame(t *testing.T, c *evidence.SNPClaims, want *pb.Report) {
	t.Helper()
	tcb := func(n uint64) evidence.SNPTCB {
		p := kds.DecomposeTCBVersion(kds.TCBVersion(n))
		return evidence.SNPTCB{Bootloader: p.BlSpl, TEE: p.TeeSpl, SNP: p.SnpSpl, Microcode: p.UcodeSpl}
	}
	policy := binary.BigEndian.Uint64(c.Policy.Raw)
	platform := binary.BigEndian.Uint64(c.PlatformInfo.Raw)
	if c.Version != want.Version || c.GuestSVN != want.GuestSvn || c.VMPL != want.Vmpl || policy != want.Policy || platform != want.PlatformInfo {
		t.Errorf("numbers differ: %+v, %+v", c, want)
	}
	if c.ReportedTCB != tcb(want.ReportedTcb) || c.CurrentTCB != tcb(want.CurrentTcb) || c.CommittedTCB != tcb(want.CommittedTcb) || c.LaunchTCB != tcb(want.LaunchTcb) {
		t.Errorf("TCBs differ: %+v, %+v", c, want)
	}
	chip := want.ChipId
	if isZero(chip) {
		chip = nil // masked
	}
	for name, pair := range map[string][2][]byte{
		"family ID": {c.FamilyID, want.FamilyId}, "image ID": {c.ImageID, want.ImageId}, "report data": {c.ReportData, want.ReportData},
		"measurement": {c.Measurement, want.Measurement}, "host data": {c.HostData, want.HostData}, "ID key": {c.IDKeyDigest, want.IdKeyDigest},
		"author key": {c.AuthorKeyDigest, want.AuthorKeyDigest}, "report ID": {c.ReportID, want.ReportId}, "report ID of the agent": {c.ReportIDMA, want.ReportIdMa},
		"chip": {c.ChipID, chip},
	} {
		if !bytes.Equal(pair[0], pair[1]) {
			t.Errorf("%s differs: %x, %x", name, pair[0], pair[1])
		}
	}
	var launch, current uint64
	if c.LaunchMitVector != nil {
		launch, current = binary.BigEndian.Uint64(c.LaunchMitVector), binary.BigEndian.Uint64(c.CurrentMitVector)
	}
	if launch != want.LaunchMitVector || current != want.CurrentMitVector {
		t.Errorf("vectors differ: %x and %x, %x and %x", launch, current, want.LaunchMitVector, want.CurrentMitVector)
	}
}

func isZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// TestDifferentialRealSample verifies the real sample of a dependency by both.
func TestDifferentialRealSample(t *testing.T) {
	report, e := sample(t)
	out := newVerifier(t).Verify(report, e, tee.Params{Now: sampleTime})
	wantGenuine(t, out)
	theirs, err := oracle(report.Report, e.BySubject(vcekSubject(t))[0], sampleTime, amdRoots(t))
	if err != nil {
		t.Fatalf("the oracle refuses the real sample: %v", err)
	}
	wantSame(t, out.Claims.SEVSNP, theirs)
}

// TestDifferentialRealEvidence compares both on every real report that has its
// key's certificate, at every time that the collection names.
func TestDifferentialRealEvidence(t *testing.T) {
	v := newVerifier(t)
	for _, it := range evidencetest.Items(t, "snp") {
		leaf := "vcek.der"
		if it.Has("vlek.der") {
			leaf = "vlek.der"
		}
		if !it.Has(leaf) {
			continue
		}
		for _, c := range it.Cases {
			e := &tee.Endorsements{}
			for _, name := range it.EndorsementFiles(t, c) {
				data, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				addFile(t, e, data)
			}
			raw := it.Read(t, "report.bin")
			out := v.Verify(&evidence.SNP{Report: raw}, e, tee.Params{Now: c.At})
			theirs, err := oracle(raw, parseCertificate(t, it.Read(t, leaf)), c.At, amdRoots(t))
			if out.Undecided() {
				continue // judged without the certificate
			}
			compare(t, it.Name, out, theirs, err, map[int]int{})
		}
	}
}
