package policies

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// snpChipIDSize is the size of CHIP_ID in bytes (SEV-SNP ABI, table 23).
const snpChipIDSize = 64

// snpProducts are the product lines with a root of their own.
var snpProducts = []string{"Milan", "Genoa", "Turin"}

// Trusted I/O lets devices into the guest's memory, so a platform with it is
// refused unless the document says otherwise.
const platformTIO = 1 << 7

// platformBits are the bits of PLATFORM_INFO (SEV-SNP ABI, table 24).
var platformBits = &bitRegister{
	key: "platform", claim: "platform_info",
	bits: []bit{
		{"smt", 1 << 0},
		{"tsme", 1 << 1},
		{"ecc", 1 << 2},
		{"rapl_disabled", 1 << 3},
		{"ciphertext_hiding", 1 << 4},
		{"alias_check_complete", 1 << 5},
		{"iommu_write_safe", 1 << 6}, // reserved in the table, but set by current firmware
		{"tio", platformTIO},
	},
	refused: platformTIO,
}

// readSNPPlatform reads which machines will do, and returns the product lines
// that the document lists, nil if it lists none.
func (l *loader) readSNPPlatform(f *fields, q *snpRequirement, a *alternative) (listed []string) {
	listed = q.readProducts(f, f.take("products"))
	q.platform = f.readBits(f.take(platformBits.key), platformBits, a)
	q.chips = l.readAccess(f.source, f.take("chip_ids"), valueSpec{key: "chip_ids", size: snpChipIDSize})
	return listed
}

// readProducts reads the product lines: those that are listed, or else all, but
// for the denied ones.
func (q *snpRequirement) readProducts(f *fields, n *yaml.Node) (listed []string) {
	allow, deny := f.readTextAccess(n, "products", func(n *yaml.Node, what string) []string { return f.words(n, what, snpProducts) })
	left := snpProducts
	if len(allow) > 0 {
		q.versionTwo, left = true, allow
	}
	left = slices.DeleteFunc(slices.Clone(left), func(product string) bool { return slices.Contains(deny, product) })
	if len(left) == 0 && len(allow) == 0 {
		f.problem(n, evidence.CodePolicyValue, "products denies every product line")
	}
	q.products = newChoice(left...)
	if len(allow) > 0 {
		return left
	}
	return nil
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
	r.judge(q.platform.holds(c.PlatformInfo.Raw) && platformKnown(c), snp, evidence.CodePolicySNPPlatform, q.platform.want,
		func() string { return q.platform.violations(c.PlatformInfo.Raw) })
	r.access(snp, evidence.CodePolicySNPChip, q.chips, c.ChipID)
}

// platformKnown reports whether the platform has no bit that this build does not
// know. No document can allow one: nobody could say what it allows.
func platformKnown(c *evidence.SNPClaims) bool {
	bits, ok := registerValue(c.PlatformInfo.Raw)
	return ok && bits&^platformBits.known() == 0
}
