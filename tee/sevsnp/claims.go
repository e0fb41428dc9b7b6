package sevsnp

import (
	"encoding/binary"
	"fmt"

	"github.com/quotary/quotary/evidence"
)

// claims returns what the report says, without what only its certificate can add.
func (r *report) claims() *evidence.SNPClaims {
	field := func(off, size int) evidence.Hex { return evidence.Hex(r.raw[off : off+size : off+size]) }
	c := &evidence.SNPClaims{
		Version:          r.version,
		GuestSVN:         r.uint32(offGuestSVN),
		Policy:           policyClaims(r.policy),
		FamilyID:         field(offFamilyID, 16),
		ImageID:          field(offImageID, 16),
		VMPL:             r.vmpl,
		PlatformInfo:     platformClaims(r.platformInfo),
		AuthorKeyEnabled: r.signerInfo&1 != 0,
		ChipKeyMasked:    r.keyMasked(),
		SigningKey:       r.key.String(),
		ReportData:       field(offReportData, 64),
		Measurement:      field(offMeasurement, 48),
		HostData:         field(offHostData, 32),
		IDKeyDigest:      field(offIDKeyDigest, 48),
		AuthorKeyDigest:  field(offAuthorKeyDigest, 48),
		ReportID:         field(offReportID, 32),
		ReportIDMA:       field(offReportIDMA, 32),
		ReportedTCB:      r.reported.claims(),
		CurrentTCB:       r.tcb(offCurrentTCB).claims(),
		CommittedTCB:     r.tcb(offCommittedTCB).claims(),
		LaunchTCB:        r.tcb(offLaunchTCB).claims(),
		CurrentVersion:   r.firmware(offCurrentVersion),
		CommittedVersion: r.firmware(offCommitted),
	}
	if !r.chipMasked() {
		c.ChipID = field(offChipID, 64)
	}
	if r.version >= 3 {
		family, model, stepping := uint32(r.family), uint32(r.model), uint32(r.stepping)
		c.CPUFamily, c.CPUModel, c.CPUStepping = &family, &model, &stepping
	}
	if r.line != nil {
		c.Product, c.ProductSource = r.line.name, "report"
	}
	if r.version >= 5 {
		c.LaunchMitVector = bigEndian(r.uint64(offLaunchMit))
		c.CurrentMitVector = bigEndian(r.uint64(offCurrentMit))
	}
	return c
}

// firmware reads a firmware version: three bytes, build first.
func (r *report) firmware(off int) string {
	return fmt.Sprintf("%d.%d.%d", r.raw[off+2], r.raw[off+1], r.raw[off])
}

func policyClaims(p uint64) evidence.SNPPolicy {
	bit := func(n int) bool { return p>>n&1 == 1 }
	return evidence.SNPPolicy{
		ABIMinor:         uint8(p),
		ABIMajor:         uint8(p >> 8),
		SMT:              bit(16),
		MigrateMA:        bit(18),
		Debug:            bit(19),
		SingleSocket:     bit(20),
		CXL:              bit(21),
		AES256XTS:        bit(22),
		RAPLDisabled:     bit(23),
		CiphertextHiding: bit(24),
		PageSwapDisabled: bit(25),
		Raw:              bigEndian(p),
	}
}

func platformClaims(p uint64) evidence.SNPPlatform {
	bit := func(n int) bool { return p>>n&1 == 1 }
	return evidence.SNPPlatform{
		SMT:                bit(0),
		TSME:               bit(1),
		ECC:                bit(2),
		RAPLDisabled:       bit(3),
		CiphertextHiding:   bit(4),
		AliasCheckComplete: bit(5),
		IOMMUWriteSafe:     bit(6),
		TIO:                bit(7),
		Raw:                bigEndian(p),
	}
}

// bigEndian writes a number as people read it.
func bigEndian(n uint64) evidence.Hex {
	return binary.BigEndian.AppendUint64(nil, n)
}
