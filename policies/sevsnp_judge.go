package policies

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/quotary/quotary/evidence"
)

const snp = evidence.KindSEVSNP

// judge holds claims against the requirement.
func (q *snpRequirement) judge(r *report, c *evidence.SNPClaims) {
	r.judge(c.Version >= 2, snp, evidence.CodePolicySNPReportVersion, "a decoded report, version 2 or later", func() string {
		return "version " + strconv.FormatUint(uint64(c.Version), 10)
	})
	q.judgeLaunch(r, c)
	q.judgeImage(r, c)
	q.judgeTCB(r, c)
	q.judgePlatform(r, c)
	q.judgeKey(r, c)
}

// judgeLaunch judges how the guest was launched and who asked for the report.
func (q *snpRequirement) judgeLaunch(r *report, c *evidence.SNPClaims) {
	known := len(c.Policy.Raw) == 8
	r.judge(known && (!c.Policy.Debug || q.allows(allowDebug)), snp, evidence.CodePolicySNPDebug, "a guest that cannot be debugged",
		func() string { return policyBit(known, c.Policy.Debug, "debugging allowed", "debugging forbidden") })
	r.judge(q.migrationOK(c, known), snp, evidence.CodePolicySNPMigration, "no migration agent", func() string {
		if len(c.ReportIDMA) == 32 && !isFilled(c.ReportIDMA, 0xff) {
			return "migration agent " + c.ReportIDMA.String()
		}
		return policyBit(known && len(c.ReportIDMA) == 32, c.Policy.MigrateMA, "a migration agent may be associated", "none, and none allowed")
	})
	r.judge(known && (!c.Policy.CXL || q.allows(allowCXL)), snp, evidence.CodePolicySNPCXL, "a guest without CXL memory",
		func() string { return policyBit(known, c.Policy.CXL, "CXL allowed", "CXL forbidden") })
	missing := q.guestPolicy.missing(&c.Policy)
	r.judge(known && knownPolicy(c.Policy.Raw) && len(missing) == 0, snp, evidence.CodePolicySNPGuestPolicy, guestPolicyWant(q.guestPolicy), func() string {
		return bitsText(c.Policy.Raw, missing)
	})
	r.judge(c.VMPL == q.vmpl, snp, evidence.CodePolicySNPVMPL, q.vmplWant, func() string {
		if c.VMPL >= uint32(len(vmplWants)) {
			return fmt.Sprintf("VMPL %#x: the host asked for the report", c.VMPL)
		}
		return vmplWants[c.VMPL]
	})
}

func (q *snpRequirement) allows(word string) bool { return slices.Contains(q.allow, word) }

func (q *snpRequirement) migrationOK(c *evidence.SNPClaims, known bool) bool {
	if !known || len(c.ReportIDMA) != 32 {
		return false
	}
	return q.allows(allowMigration) || !c.Policy.MigrateMA && isFilled(c.ReportIDMA, 0xff)
}

func policyBit(known, set bool, yes, no string) string {
	if !known {
		return absent
	}
	return yesNo(set, yes, no)
}

// knownPolicy reports whether a guest policy has no bit that this build does not
// know (63:26), and the one that must be set (17).
func knownPolicy(raw evidence.Hex) bool {
	const reservedOne, known = 1 << 17, 1<<26 - 1
	policy := binary.BigEndian.Uint64(raw)
	return policy&^known == 0 && policy&reservedOne != 0
}

func guestPolicyWant[T any](f *features[T]) string {
	if f == nil {
		return "no unknown bit"
	}
	return f.want
}

func bitsText(raw evidence.Hex, missing []string) string {
	switch {
	case len(raw) == 0:
		return absent
	case len(missing) > 0:
		return numberText(raw) + ", without " + strings.Join(missing, ", ")
	}
	return numberText(raw)
}

// numberText writes a big-endian number in hex, as it is written elsewhere.
func numberText(raw evidence.Hex) string {
	return fmt.Sprintf("%#x", new(big.Int).SetBytes(raw))
}

// judgeImage judges what was launched.
func (q *snpRequirement) judgeImage(r *report, c *evidence.SNPClaims) {
	r.values(snp, evidence.CodePolicySNPMeasurement, q.measurements, c.Measurement)
	r.values(snp, evidence.CodePolicySNPHostData, q.hostData, c.HostData)
	r.values(snp, evidence.CodePolicySNPIDKey, q.idKeys, c.IDKeyDigest)
	author := c.AuthorKeyDigest
	if !c.AuthorKeyEnabled {
		author = nil // the field means nothing then, whatever it holds
	}
	r.values(snp, evidence.CodePolicySNPAuthorKey, q.authorKeys, author)
	r.values(snp, evidence.CodePolicySNPFamilyID, q.familyIDs, c.FamilyID)
	r.values(snp, evidence.CodePolicySNPImageID, q.imageIDs, c.ImageID)
	if q.minimumGuestSVN != nil {
		r.judge(uint64(c.GuestSVN) >= q.minimumGuestSVN.least, snp, evidence.CodePolicySNPGuestSVN, q.minimumGuestSVN.want,
			func() string { return strconv.FormatUint(uint64(c.GuestSVN), 10) })
	}
}

// judgeTCB judges the firmware. Reported and committed TCB must both reach the
// minimum: the host can lower the one, and roll back to the other.
func (q *snpRequirement) judgeTCB(r *report, c *evidence.SNPClaims) {
	if t := q.minimumTCB; t != nil {
		r.judge(t.reachedBy(&c.ReportedTCB) && t.reachedBy(&c.CommittedTCB), snp, evidence.CodePolicySNPTCB, t.want, func() string {
			if sameTCB(&c.ReportedTCB, &c.CommittedTCB) {
				return tcbText(c.ReportedTCB)
			}
			return "reported " + tcbText(c.ReportedTCB) + "; committed " + tcbText(c.CommittedTCB)
		})
	}
	if t := q.minimumLaunchTCB; t != nil {
		r.judge(t.reachedBy(&c.LaunchTCB), snp, evidence.CodePolicySNPLaunchTCB, t.want, func() string { return tcbText(c.LaunchTCB) })
	}
	committed := sameTCB(&c.CurrentTCB, &c.CommittedTCB) && c.CurrentVersion != "" && c.CurrentVersion == c.CommittedVersion
	r.judge(committed || q.allows(allowProvisional), snp, evidence.CodePolicySNPProvisional, "firmware that is committed", func() string {
		if committed {
			return "committed " + c.CommittedVersion
		}
		return "running " + c.CurrentVersion + " (" + tcbText(c.CurrentTCB) + "), committed " + c.CommittedVersion + " (" + tcbText(c.CommittedTCB) + ")"
	})
	mitigation := func(code evidence.Code, least, vector evidence.Hex, name string) {
		if least != nil {
			r.judge(coversBits(vector, least), snp, code, name, func() string { return shown(vector) })
		}
	}
	mitigation(evidence.CodePolicySNPMitigation, q.launchMitigation, c.LaunchMitVector, "every bit of the required launch vector")
	mitigation(evidence.CodePolicySNPMitigation, q.mitigation, c.CurrentMitVector, "every bit of the required current vector")
}

// coversBits reports whether vector has every bit of least.
func coversBits(vector, least evidence.Hex) bool {
	if len(vector) != len(least) {
		return false
	}
	for i := range least {
		if vector[i]&least[i] != least[i] {
			return false
		}
	}
	return true
}

// judgePlatform judges the machine.
func (q *snpRequirement) judgePlatform(r *report, c *evidence.SNPClaims) {
	named := c.ProductSource == "report" || q.versionTwo && c.ProductSource == "certificate"
	r.judge(named && slices.Contains(q.products.words, c.Product), snp, evidence.CodePolicySNPProduct, q.products.want, func() string {
		if !named && c.ProductSource == "certificate" {
			return c.Product + " by its certificate alone; the report names no product, so the policy must (products)"
		}
		return shownText(c.Product)
	})
	// Bits 0 to 5 and 7 are defined (table 24).
	const tio, knownBits = 1 << 7, 0xbf
	missing := q.platform.missing(&c.PlatformInfo)
	ok := len(c.PlatformInfo.Raw) == 8 && len(missing) == 0
	if ok {
		bits := binary.BigEndian.Uint64(c.PlatformInfo.Raw)
		ok = (bits&tio == 0 || q.allows(allowTIO)) && (bits&^knownBits == 0 || q.allows(allowPlatform))
	}
	r.judge(ok, snp, evidence.CodePolicySNPPlatform, platformWant(q), func() string { return bitsText(c.PlatformInfo.Raw, missing) })
	r.access(snp, evidence.CodePolicySNPChip, q.chips, c.ChipID)
}

func platformWant(q *snpRequirement) string {
	switch {
	case q.platform != nil:
		return q.platform.want
	case q.allows(allowTIO):
		return "no unknown bit"
	}
	return "no TIO and no unknown bit"
}

// snpSigningKeys are the keys that sign reports, as claims name them.
var (
	snpSigningKeys = []string{"vcek", "vlek"}
	anySigningKey  = choice{snpSigningKeys, "vcek or vlek"}
)

// judgeKey judges the key that signed the report.
func (q *snpRequirement) judgeKey(r *report, c *evidence.SNPClaims) {
	keys := q.signingKeys
	if keys == nil {
		keys = &anySigningKey
	}
	r.member(snp, evidence.CodePolicySNPSigningKey, keys, c.SigningKey)
	r.member(snp, evidence.CodePolicySNPCSP, q.csps, c.CSPID)
	const want = "a chain that the vendor's revocation list covers"
	switch {
	case c.RevocationChecked:
		r.judge(true, snp, evidence.CodePolicySNPRevocation, want, func() string { return "covered" })
	case q.revocation:
		r.wait(snp, evidence.CodePolicySNPRevocation, want, "there was no revocation list for the chain")
	}
}
