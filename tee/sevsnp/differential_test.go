package sevsnp_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/google/go-sev-guest/abi"
	"github.com/google/go-sev-guest/kds"
	pb "github.com/google/go-sev-guest/proto/sevsnp"
	"github.com/google/go-sev-guest/verify"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
)

// oracle reads and verifies a report by an independent implementation, without
// what only its certificate can say.
func oracle(tb testing.TB, m *simulator.Machine, raw []byte) (*pb.Report, error) {
	tb.Helper()
	if err := abi.ValidateReportFormat(raw); err != nil {
		return nil, err
	}
	report, err := abi.ReportToProto(raw)
	if err != nil {
		return nil, err
	}
	return report, verify.SnpReportSignature(raw, m.Certificate)
}

// TestDifferential compares verdicts and values with the oracle on hundreds
// of signed mutants. What we accept, it must accept, with the same
// values; where only we refuse, the failed check must be one that it does not make.
func TestDifferential(t *testing.T) {
	ours := map[evidence.Code]bool{ // checks that the oracle does not make in this place
		evidence.CodeSNPVMPL: true, evidence.CodeSNPSigningKey: true, evidence.CodeSNPPlatformInfo: true, evidence.CodeSNPProduct: true,
		evidence.CodeSNPProductAgreement: true, evidence.CodeSNPChipID: true, evidence.CodeSNPTCB: true, evidence.CodeSNPReserved: true,
		evidence.CodeSNPCertificateProfile: true, // follows from a signing key of the other kind
	}
	random := rand.New(rand.NewPCG(1, 2))
	v := trusting()
	accepted := 0
	for version := uint32(1); version <= 6; version++ {
		m := newMachine(t, milan(), "differential", func(r *simulator.Report) { r.Version = version })
		e := authorities(milan(), m.Certificate)
		for range 150 {
			raw := m.Template.Marshal()
			for range 1 + random.IntN(2) {
				raw[random.IntN(simulator.SignedSize)] ^= 1 << random.IntN(8)
			}
			raw, err := m.Sign(raw)
			if err != nil {
				t.Fatal(err)
			}
			out := v.Verify(&evidence.SNP{Report: raw}, e, tee.Params{Now: now})
			theirs, err := oracle(t, m, raw)
			switch {
			case out.Genuine() && err != nil:
				t.Errorf("only the oracle refuses: %v\n%x", err, raw)
			case out.Genuine():
				accepted++
				wantSame(t, out.Claims.SEVSNP, theirs)
			case err == nil:
				for _, check := range out.Checks.Failed() {
					if !ours[check.Code] {
						t.Errorf("only we refuse: %s\n%x", check, raw)
					}
				}
			}
		}
	}
	t.Logf("%d mutants of 900 are genuine by both", accepted)
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
	for name, pair := range map[string][2][]byte{
		"family ID": {c.FamilyID, want.FamilyId}, "image ID": {c.ImageID, want.ImageId}, "report data": {c.ReportData, want.ReportData},
		"measurement": {c.Measurement, want.Measurement}, "host data": {c.HostData, want.HostData}, "ID key": {c.IDKeyDigest, want.IdKeyDigest},
		"author key": {c.AuthorKeyDigest, want.AuthorKeyDigest}, "report ID": {c.ReportID, want.ReportId}, "report ID of the agent": {c.ReportIDMA, want.ReportIdMa},
		"chip": {c.ChipID, want.ChipId},
	} {
		if !bytes.Equal(pair[0], pair[1]) {
			t.Errorf("%s differs: %x, %x", name, pair[0], pair[1])
		}
	}
}

// TestDifferentialRealSample verifies the real sample whole by both.
func TestDifferentialRealSample(t *testing.T) {
	report, e := sample(t)
	wantGenuine(t, newVerifier(t).Verify(report, e, tee.Params{Now: sampleTime}))
	attestation := &pb.Attestation{CertificateChain: &pb.CertificateChain{}}
	var err error
	if attestation.Report, err = abi.ReportToProto(report.Report); err != nil {
		t.Fatal(err)
	}
	vcek := e.BySubject(vcekSubject(t))
	attestation.CertificateChain.VcekCert = vcek[0].Raw
	if err := verify.SnpAttestation(attestation, &verify.Options{DisableCertFetching: true, Now: sampleTime}); err != nil {
		t.Errorf("the oracle refuses the real sample: %v", err)
	}
}
