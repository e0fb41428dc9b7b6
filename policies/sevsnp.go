package policies

import (
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

const snp = evidence.KindSEVSNP

// snpRequirement is what an SEV-SNP report must show. The zero value with
// revocation, the known products and the strictest bits is the strictest that
// pins no value. The fields' files read and judge them.
type snpRequirement struct {
	allow []string

	// sevsnp_launch.go: how the guest was launched and who asked for the report.
	vmpl            uint32
	vmplWant        string
	guestPolicy     *bitRule
	migrationAgents *values // nil: none at all

	// sevsnp_image.go: what was launched.
	measurements    *values // nil: any
	hostData        *values
	idKeys          *values
	authorKeys      *values
	familyIDs       *values
	imageIDs        *values
	minimumGuestSVN *floor

	// sevsnp_firmware.go: how old the firmware is.
	minimumTCB       *tcbFloors // nil: any
	minimumLaunchTCB *tcbFloors // nil: any
	launchMitigation evidence.Hex
	mitigation       evidence.Hex
	advisories       advisoryMode

	// sevsnp_platform.go: which machine it is.
	products   *choice
	versionTwo bool // a product that only the certificate names is good enough
	platform   *bitRule
	chips      *accessList

	// sevsnp_key.go: which key signed the report.
	signingKeys *choice
	csps        *textAccess
	revocation  revocation
}

// What a policy may allow that is denied by default.
const (
	allowDebug       = "debug"
	allowProvisional = "provisional-firmware"
)

var snpAllow = []string{allowDebug, allowProvisional}

// defaultSNP is the requirement that holds where a document says nothing.
func defaultSNP() *snpRequirement {
	return &snpRequirement{
		vmplWant: vmplWants[0], products: newChoice(snpProducts...),
		guestPolicy: guestPolicyBits.strictest(), platform: platformBits.strictest(),
	}
}

// readSNP reads sev_snp; a nil node gives nil.
func (l *loader) readSNP(s source, n *yaml.Node, a *alternative) *snpRequirement {
	f := s.mapping(n, "sev_snp")
	if f == nil {
		return nil
	}
	q := defaultSNP()
	l.readSNPImage(f, q, a)
	listed := l.readSNPPlatform(f, q, a)
	q.readFirmware(f, listed, a)
	l.readSNPLaunch(f, q, a)
	q.readKey(f, a)
	q.advisories = l.readAdvisoryMode(s, f.take("advisories"), a)
	q.allow = a.readAllow(s, f.take("allow"), snp, snpAllow)
	f.done()
	return q
}

func (q *snpRequirement) allows(word string) bool { return slices.Contains(q.allow, word) }

// judge holds claims, and the advisories that apply to them, against the requirement.
func (q *snpRequirement) judge(r *report, c *evidence.SNPClaims, found *findings) {
	r.judge(c.Version >= 2, snp, evidence.CodePolicySNPReportVersion, "a decoded report, version 2 or later", func() string {
		return "version " + strconv.FormatUint(uint64(c.Version), 10)
	})
	q.judgeLaunch(r, c)
	q.judgeImage(r, c)
	q.judgeFirmware(r, c)
	q.advisories.judge(r, found)
	q.judgePlatform(r, c)
	q.judgeKey(r, c)
}
