package policies

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// Sizes of the report's fields in bytes (SEV-SNP ABI, 56860, table 23).
const (
	snpMeasurementSize = 48
	snpHostDataSize    = 32
	snpKeyDigestSize   = 48
	snpImageIDSize     = 16
	snpChipIDSize      = 64
	snpMitVectorSize   = 8
)

// snpRequirement is what an SEV-SNP report must show. The zero value with
// revocation and the known products is the strictest that pins no value.
type snpRequirement struct {
	measurements     *values // nil: any
	minimumTCB       *tcbFloor
	minimumLaunchTCB *tcbFloor
	vmpl             uint32
	vmplWant         string
	products         *choice
	versionTwo       bool // a product that only the certificate names is good enough
	allow            []string
	guestPolicy      *features[evidence.SNPPolicy]
	platform         *features[evidence.SNPPlatform]
	launchMitigation evidence.Hex
	mitigation       evidence.Hex
	hostData         *values
	idKeys           *values
	authorKeys       *values
	familyIDs        *values
	imageIDs         *values
	minimumGuestSVN  *floor
	chips            *accessList
	signingKeys      *choice
	csps             *choice
	revocation       bool
}

// What a policy may allow that is denied by default.
const (
	allowDebug       = "debug"
	allowMigration   = "migrate-ma"
	allowCXL         = "cxl"
	allowTIO         = "tio"
	allowProvisional = "provisional-firmware"
	allowPlatform    = "unknown-platform-bits"
)

var snpAllow = []string{allowDebug, allowMigration, allowCXL, allowTIO, allowProvisional, allowPlatform}

// snpProducts are the product lines with a root of their own.
var snpProducts = []string{"Milan", "Genoa", "Turin"}

// defaultSNP is the requirement that holds where a document says nothing.
func defaultSNP() *snpRequirement {
	return &snpRequirement{vmplWant: vmplWants[0], products: newChoice(snpProducts...), revocation: true}
}

var vmplWants = [...]string{"VMPL 0", "VMPL 1", "VMPL 2", "VMPL 3"}

// readSNP reads sev_snp; a nil node gives nil.
func (l *loader) readSNP(s source, n *yaml.Node, a *alternative) *snpRequirement {
	f := s.mapping(n, "sev_snp")
	if f == nil {
		return nil
	}
	q := defaultSNP()
	q.allow = a.readAllow(s, f.take("allow"), evidence.KindSEVSNP, snpAllow)
	l.readSNPImage(f, q, a)
	l.readSNPTCB(f, q, a)
	q.vmpl = uint32(s.number(f.take("vmpl"), uint64(len(vmplWants)-1)))
	q.vmplWant = vmplWants[min(int(q.vmpl), len(vmplWants)-1)]
	if products := s.words(f.take("products"), "products", snpProducts); len(products) > 0 {
		q.products, q.versionTwo = newChoice(products...), true
	}
	q.guestPolicy = readFeatures(s, f.take("require_guest_policy"), "require_guest_policy", snpGuestFeatures)
	q.platform = readFeatures(s, f.take("require_platform"), "require_platform", snpPlatformFeatures)
	q.chips = l.readAccess(s, f.take("chip_ids"), valueSpec{key: "chip_ids", size: snpChipIDSize})
	q.signingKeys = newChoice(s.words(f.take("signing_keys"), "signing_keys", snpSigningKeys)...)
	q.csps = newChoice(s.texts(f.take("csp_ids"), "csp_ids")...)
	if mode := s.word(f.take("revocation"), "revocation", []string{"require", "off"}); mode == "off" {
		q.revocation = false
		a.relax("sev-snp.revocation")
	}
	f.done()
	return q
}

// readSNPImage reads what identifies the guest's image.
func (l *loader) readSNPImage(f *fields, q *snpRequirement, a *alternative) {
	s := f.source
	list := func(key string, size int, zero bool) *values {
		return l.readValues(s, f.take(key), valueSpec{key: key, size: size, zero: zero})
	}
	q.hostData = list("host_data", snpHostDataSize, true)
	q.idKeys = list("id_key_digests", snpKeyDigestSize, false)
	q.authorKeys = list("author_key_digests", snpKeyDigestSize, false)
	q.familyIDs = list("family_id", snpImageIDSize, true)
	q.imageIDs = list("image_id", snpImageIDSize, true)
	if n := f.take("minimum_guest_svn"); n != nil {
		q.minimumGuestSVN = newFloor(s.number(n, 1<<32-1))
	}
	// The ID block is the host's word unless a known key signed it.
	signed := q.idKeys != nil || q.authorKeys != nil
	for _, key := range []string{"family_id", "image_id", "minimum_guest_svn"} {
		if n := f.values[key]; n != nil && !signed {
			s.problem(n, evidence.CodePolicyUnsafe, "%s proves nothing by itself: the host chooses it, unless the ID block's key is pinned with id_key_digests or author_key_digests", key)
		}
	}
	n := f.need("measurements", "list launch measurements (96 hex digits each), or {reference: NAME}")
	if !isAny(n) {
		q.measurements = l.readValues(s, n, valueSpec{
			key: "measurements", size: snpMeasurementSize, reference: "measurements", technology: evidence.KindSEVSNP,
		})
		return
	}
	a.relax("sev-snp.measurement.any")
	if !signed {
		s.problem(n, evidence.CodePolicyUnsafe, "measurements: any accepts every guest; pin id_key_digests or author_key_digests with it")
	}
}

func (l *loader) readSNPTCB(f *fields, q *snpRequirement, a *alternative) {
	s := f.source
	n := f.need("minimum_tcb", "write {bootloader: N, tee: N, snp: N, microcode: N}, or any to accept firmware of any age")
	if isAny(n) {
		a.relax("sev-snp.minimum-tcb.any")
	} else {
		q.minimumTCB = s.readTCB(n, "minimum_tcb")
	}
	q.readLaunchTCB(s, f.take("minimum_launch_tcb"), a)
	vectors := s.mapping(f.take("minimum_mitigation"), "minimum_mitigation")
	if vectors == nil {
		return
	}
	read := func(key string) evidence.Hex {
		if n := vectors.take(key); n != nil {
			return s.hexValue(n, valueSpec{key: "minimum_mitigation." + key, size: snpMitVectorSize})
		}
		return nil
	}
	q.launchMitigation, q.mitigation = read("launch"), read("current")
	if len(vectors.values) == 0 {
		s.problem(vectors.at, evidence.CodePolicyMissingKey, "minimum_mitigation needs launch, current, or both")
	}
	vectors.done()
}

// readLaunchTCB reads the minimum at launch, which is minimum_tcb if nothing is
// said: firmware that was too old then may have measured anything, and an update
// under the running guest makes the measurement no truer.
func (q *snpRequirement) readLaunchTCB(s source, n *yaml.Node, a *alternative) {
	q.minimumLaunchTCB = q.minimumTCB
	switch {
	case isAny(n):
		q.minimumLaunchTCB = nil
		a.relax("sev-snp.minimum-launch-tcb.any")
	case n != nil:
		q.minimumLaunchTCB = s.readTCB(n, "minimum_launch_tcb")
		if t := q.minimumLaunchTCB; t != nil && q.minimumTCB != nil && !q.minimumTCB.reachedBy(&t.SNPTCB) {
			a.relax("sev-snp.minimum-launch-tcb.lower")
		}
	}
}

// texts reads a list of texts, none of them twice.
func (s source) texts(n *yaml.Node, what string) []string {
	var out []string
	for _, entry := range s.sequence(n, what) {
		value := s.text(entry)
		if slices.Contains(out, value) {
			s.problem(entry, evidence.CodePolicyValue, "%s has %q twice", what, clip(value))
		} else if value != "" {
			out = append(out, value)
		}
	}
	return out
}
