package sevsnp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// examineReport decodes raw and makes every check that needs the report alone.
// It returns nil if the layout is unknown: then nothing further can be read.
func examineReport(raw []byte, checks *evidence.Checks) *report {
	r, err := decode(raw)
	if err != nil {
		checks.Fail(err.Code, err.Code.Description(), err.Detail)
		return nil
	}
	examineSize(r, checks)
	checks.Pass(evidence.CodeSNPVersion, fmt.Sprint(r.version))
	examineReserved(r, checks)
	examinePolicyBits(r, checks)
	examinePlatformBits(r, checks)
	examineVMPL(r, checks)
	examineSigningKey(r, checks)
	checks.Judge(r.algorithm == ecdsaP384SHA384, evidence.CodeSNPSignatureAlgorithm, "1, ECDSA P-384 with SHA-384", fmt.Sprint(r.algorithm))
	return r
}

func examineSize(r *report, checks *evidence.Checks) {
	const want = "1184 bytes and zero padding at most"
	switch {
	case r.junk:
		checks.Fail(evidence.CodeSNPSize, want, fmt.Sprintf("%d further bytes that are not all zero", r.padding))
	case r.padding > 0:
		checks.Pass(evidence.CodeSNPSize, fmt.Sprintf("1184 bytes and %d bytes of zero padding", r.padding))
	default:
		checks.Pass(evidence.CodeSNPSize, "1184 bytes")
	}
}

func examineReserved(r *report, checks *evidence.Checks) {
	var bad []string
	for _, reserved := range r.reserved() {
		if !isZero(r.raw[reserved.from:reserved.to]) {
			bad = append(bad, fmt.Sprintf("%03Xh–%03Xh", reserved.from, reserved.to-1))
		}
	}
	for _, off := range offsetsOfTCBs { // a level there would be one that no minimum sees
		if t := r.tcb(off); r.isLayoutKnown() && t.hasReserved() {
			bad = append(bad, fmt.Sprintf("%03Xh: %s", off, t))
		}
	}
	if r.signerInfo>>5 != 0 {
		bad = append(bad, "SIGNER_INFO bits 31:5")
	}
	if len(bad) > 0 {
		checks.Fail(evidence.CodeSNPReserved, "zero", "set: "+strings.Join(bad, ", "))
		return
	}
	checks.Pass(evidence.CodeSNPReserved, "zero")
}

// The guest policy (56860, table 8): bit 17 is always set, bits 26 on are reserved.
const (
	policyFixed = 1 << 17
	policyKnown = 1<<26 - 1
)

func examinePolicyBits(r *report, checks *evidence.Checks) {
	ok := r.policy&policyFixed != 0 && r.policy&^policyKnown == 0
	checks.Judge(ok, evidence.CodeSNPGuestPolicy, "bit 17 set, bits 63:26 clear", fmt.Sprintf("%#x", r.policy))
}

// platformKnown are the bits of PLATFORM_INFO that have a meaning (table 24): 0
// to 7. An unknown bit may stand for a weakness that no policy could see.
const platformKnown = 1<<8 - 1

func examinePlatformBits(r *report, checks *evidence.Checks) {
	ok := r.platformInfo&^platformKnown == 0
	checks.Judge(ok, evidence.CodeSNPPlatformInfo, "no bit but 0 to 7", fmt.Sprintf("%#x", r.platformInfo))
}

// examineVMPL refuses reports that the host asked for: the firmware sets VMPL
// to all ones in them, and their report data is the host's (56860, "SNP_GUEST_REQUEST").
func examineVMPL(r *report, checks *evidence.Checks) {
	got := fmt.Sprint(r.vmpl)
	if r.vmpl == 0xffffffff {
		got = "FFFFFFFFh, requested by the host"
	}
	checks.Judge(r.vmpl <= 3, evidence.CodeSNPVMPL, "0 to 3", got)
}

// examineSigningKey refuses reports that no key signed: SIGNING_KEY says so, or
// the chip's key was masked, in which case the firmware writes no signature.
func examineSigningKey(r *report, checks *evidence.Checks) {
	ok := slices.Contains([]signingKey{vcek, vlek}, r.key)
	got := r.key.String()
	if r.key == vcek && r.keyMasked() {
		ok, got = false, "vcek, but MASK_CHIP_KEY is set"
	}
	checks.Judge(ok, evidence.CodeSNPSigningKey, "vcek or vlek", got)
}
