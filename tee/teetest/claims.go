package teetest

import (
	"bytes"
	"time"

	"github.com/quotary/quotary/evidence"
)

// Sizes in bytes of what the claims hold.
const (
	measurementSize = 48 // a launch digest, MR or RTMR
	pcrSize         = 32
)

// Measurement is what the claims of [Claims] are full of where a reference value
// is compared: 0x11, as often as it takes.
func Measurement(size int) evidence.Hex { return bytes.Repeat([]byte{0x11}, size) }

func zero(size int) evidence.Hex { return make(evidence.Hex, size) }

// Claims returns the claims of a good machine of this kind: production, up to
// date, measured as [Measurement].
func Claims(kind evidence.Kind) evidence.Claims {
	c := evidence.Claims{Kind: kind, TrustAnchor: &evidence.TrustAnchor{
		Name: "CN=Test root", SHA256: bytes.Repeat([]byte{0xaa}, 32), Origin: evidence.OriginPinned,
	}}
	switch kind {
	case evidence.KindSEVSNP:
		c.SEVSNP = snpClaims()
	case evidence.KindTDX:
		c.TDX = tdxClaims()
	case evidence.KindTPM:
		c.TPM = tpmClaims()
	}
	return c
}

// Simulated returns the same machine on a simulated root.
func Simulated(c evidence.Claims) evidence.Claims {
	anchor := *c.TrustAnchor
	anchor.Origin = evidence.OriginSimulated
	c.TrustAnchor, c.Simulated = &anchor, true
	return c
}

func snpClaims() *evidence.SNPClaims {
	// No security bulletin of AMD's applies to these levels and this firmware.
	tcb := evidence.SNPTCB{Bootloader: 4, SNP: 27, Microcode: 222}
	family, model, stepping := uint32(25), uint32(1), uint32(1)
	return &evidence.SNPClaims{
		Version: 3, Product: "Milan", ProductSource: "report", SigningKey: "vcek", RevocationChecked: true,
		Policy:       evidence.SNPPolicy{SMT: true, Raw: evidence.Hex{0, 0, 0, 0, 0, 3, 0, 0}},
		PlatformInfo: evidence.SNPPlatform{SMT: true, ECC: true, AliasCheckComplete: true, Raw: evidence.Hex{0, 0, 0, 0, 0, 0, 0, 0x25}},
		Measurement:  Measurement(measurementSize), HostData: zero(32), FamilyID: zero(16), ImageID: zero(16),
		IDKeyDigest: zero(48), AuthorKeyDigest: zero(48), ReportID: zero(32), ReportIDMA: bytes.Repeat([]byte{0xff}, 32),
		ReportedTCB: tcb, CurrentTCB: tcb, CommittedTCB: tcb, LaunchTCB: tcb,
		CPUFamily: &family, CPUModel: &model, CPUStepping: &stepping,
		ChipID: bytes.Repeat([]byte{7}, 64), CurrentVersion: "1.55.35", CommittedVersion: "1.55.35",
	}
}

func tdxClaims() *evidence.TDXClaims {
	m := Measurement(measurementSize)
	return &evidence.TDXClaims{
		QuoteVersion: 4, BodyVersion: "1.0", TEETCBSVN: zero(16), MRSEAM: m, MRSignerSEAM: zero(48), SEAMAttributes: zero(8),
		Attributes: evidence.TDXAttributes{SEPTVEDisable: true, Raw: evidence.Hex{0, 0, 0, 0x10, 0, 0, 0, 0}},
		XFAM:       evidence.Hex{0xe7, 0, 6, 0, 0, 0, 0, 0}, MRTD: m,
		MRConfigID: zero(48), MROwner: zero(48), MROwnerConfig: zero(48),
		RTMR0: m, RTMR1: m, RTMR2: m, RTMR3: zero(48),
		FMSPC: evidence.Hex{0, 0x80, 0x6f, 5, 0, 0}, PCEID: zero(2), PPID: bytes.Repeat([]byte{8}, 16),
		TCB: &evidence.TDXTCB{
			Status: "UpToDate", PlatformStatus: "UpToDate", ModuleStatus: "UpToDate", QEStatus: "UpToDate",
			TCBDate: time.Date(2026, 5, 13, 0, 0, 0, 0, time.UTC), EvaluationDataNumber: 18,
		},
	}
}

func tpmClaims() *evidence.TPMClaims {
	restricted := true
	return &evidence.TPMClaims{
		AKSource: "certificate", RevocationChecked: true, AKSHA256: bytes.Repeat([]byte{0x41}, 32), AKName: bytes.Repeat([]byte{0x42}, 34), AKRestricted: &restricted,
		SignatureScheme: "ecdsa", SignatureHash: "sha256", Bank: "sha256",
		PCRs:            map[int]evidence.Hex{0: Measurement(pcrSize), 7: Measurement(pcrSize)},
		QualifiedSigner: bytes.Repeat([]byte{0x43}, 34), Clock: 1000, ResetCount: 3, RestartCount: 1, Safe: true,
		FirmwareVersion: evidence.Hex{0, 7, 0, 2, 0, 0, 0, 0},
	}
}
