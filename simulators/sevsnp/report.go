package sevsnp

import "encoding/binary"

// ReportSize is the size of an ATTESTATION_REPORT in bytes (SEV-SNP ABI 56860, table 23).
const ReportSize = 1184

// SignedSize is how many of them, from the first, the signature covers.
const SignedSize = 672

// The values of SIGNING_KEY.
const (
	KeyVCEK uint8 = 0
	KeyVLEK uint8 = 1
	KeyNone uint8 = 7
)

// Firmware is a firmware version.
type Firmware struct{ Major, Minor, Build uint8 }

func (f Firmware) bytes() []byte { return []byte{f.Build, f.Minor, f.Major, 0} }

// Report holds the fields of an ATTESTATION_REPORT, in their order. Fields that
// its version does not have are not written. TCB_VERSIONs are laid out as the
// CPU family has them.
type Report struct {
	Version            uint32
	GuestSVN           uint32
	Policy             uint64
	FamilyID           [16]byte
	ImageID            [16]byte
	VMPL               uint32
	SignatureAlgorithm uint32
	CurrentTCB         TCB
	PlatformInfo       uint64
	AuthorKeyEnabled   bool
	MaskChipKey        bool
	SigningKey         uint8
	ReportData         [64]byte
	Measurement        [48]byte
	HostData           [32]byte
	IDKeyDigest        [48]byte
	AuthorKeyDigest    [48]byte
	ReportID           [32]byte
	ReportIDMA         [32]byte
	ReportedTCB        TCB
	CPUFamily          uint8 // version 3 on
	CPUModel           uint8 // version 3 on
	CPUStepping        uint8 // version 3 on
	ChipID             [64]byte
	CommittedTCB       TCB
	Current            Firmware
	Committed          Firmware
	LaunchTCB          TCB
	LaunchMitVector    uint64 // version 5 on
	CurrentMitVector   uint64 // version 5 on
}

// Marshal writes the report without a signature; see [Machine.Sign].
func (r *Report) Marshal() []byte {
	b := make([]byte, 0, ReportSize)
	family := uint8(0) // version 2 knows one layout
	if r.Version >= 3 {
		family = r.CPUFamily
	}
	le := binary.LittleEndian
	b = le.AppendUint32(b, r.Version)
	b = le.AppendUint32(b, r.GuestSVN)
	b = le.AppendUint64(b, r.Policy)
	b = append(b, r.FamilyID[:]...)
	b = append(b, r.ImageID[:]...)
	b = le.AppendUint32(b, r.VMPL)
	b = le.AppendUint32(b, r.SignatureAlgorithm)
	b = append(b, r.CurrentTCB.bytes(family)...)
	b = le.AppendUint64(b, r.PlatformInfo)
	b = le.AppendUint32(b, r.signerInfo())
	b = append(b, make([]byte, 4)...)
	b = append(b, r.ReportData[:]...)
	b = append(b, r.Measurement[:]...)
	b = append(b, r.HostData[:]...)
	b = append(b, r.IDKeyDigest[:]...)
	b = append(b, r.AuthorKeyDigest[:]...)
	b = append(b, r.ReportID[:]...)
	b = append(b, r.ReportIDMA[:]...)
	b = append(b, r.ReportedTCB.bytes(family)...)
	processor := make([]byte, 24)
	if r.Version >= 3 {
		copy(processor, []byte{r.CPUFamily, r.CPUModel, r.CPUStepping})
	}
	b = append(b, processor...)
	b = append(b, r.ChipID[:]...)
	b = append(b, r.CommittedTCB.bytes(family)...)
	b = append(b, r.Current.bytes()...)
	b = append(b, r.Committed.bytes()...)
	b = append(b, r.LaunchTCB.bytes(family)...)
	if r.Version >= 5 {
		b = le.AppendUint64(b, r.LaunchMitVector)
		b = le.AppendUint64(b, r.CurrentMitVector)
	}
	return b[:ReportSize] // the rest of what was allocated is zero
}

func (r *Report) signerInfo() uint32 {
	info := uint32(r.SigningKey) << 2
	if r.AuthorKeyEnabled {
		info |= 1
	}
	if r.MaskChipKey {
		info |= 2
	}
	return info
}
