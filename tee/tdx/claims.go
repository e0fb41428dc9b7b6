package tdx

import (
	"bytes"
	"encoding/binary"

	"github.com/quotary/quotary/evidence"
)

// quoteClaims returns the contents of the quote's body, copied.
func quoteClaims(q *quote) *evidence.TDXClaims {
	b := body(bytes.Clone(q.body))
	c := &evidence.TDXClaims{
		QuoteVersion: q.version, BodyVersion: "1.0",
		TEETCBSVN: b.teeTCBSVN(), MRSEAM: b.mrSEAM(), MRSignerSEAM: b.mrSignerSEAM(), SEAMAttributes: b.seamAttributes(),
		Attributes: attributes(b.attributes()), XFAM: b.xfam(),
		MRTD: b.mrTD(), MRConfigID: b.mrConfigID(), MROwner: b.mrOwner(), MROwnerConfig: b.mrOwnerConfig(),
		RTMR0: b.rtmr(0), RTMR1: b.rtmr(1), RTMR2: b.rtmr(2), RTMR3: b.rtmr(3),
		ReportData: b.reportData(),
	}
	svn := q.qe.svn()
	c.QEISVSVN = &svn
	if b.is15() {
		c.BodyVersion, c.TEETCBSVN2, c.MRServiceTD = "1.5", b.teeTCBSVN2(), b.mrServiceTD()
	}
	return c
}

// attributes decodes the TD attributes, a 64-bit little-endian set.
func attributes(raw []byte) evidence.TDXAttributes {
	bits := binary.LittleEndian.Uint64(raw)
	has := func(n int) bool { return bits>>n&1 == 1 }
	return evidence.TDXAttributes{
		Debug: has(0), TUD: bits&0xff != 0,
		SEPTVEDisable: has(28), Migratable: has(29), PKS: has(30), KL: has(31), Perfmon: has(63),
		Raw: raw,
	}
}

// addTo adds what the PCK certificate says of the platform, copied: the
// platform is remembered, and claims belong to the caller.
func (p *platform) addTo(c *evidence.TDXClaims) {
	c.FMSPC, c.PCEID, c.PPID = bytes.Clone(p.fmspc), bytes.Clone(p.pceID), bytes.Clone(p.ppid)
	c.PCKTCB = &evidence.TDXPCKTCB{Components: bytes.Clone(p.components[:]), PCESVN: p.pceSVN}
}
