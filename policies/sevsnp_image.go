package policies

import (
	"strconv"

	"github.com/quotary/quotary/evidence"
)

// Sizes of the report's fields in bytes (SEV-SNP ABI, table 23).
const (
	snpMeasurementSize = 48
	snpHostDataSize    = 32
	snpKeyDigestSize   = 48
	snpImageIDSize     = 16
)

// readSNPImage reads what identifies the guest's image.
func (l *loader) readSNPImage(f *fields, q *snpRequirement, a *alternative) {
	s := f.source
	list := func(key string, size int, zero bool, relaxed string) *values {
		return l.readRegister(s, f.take(key), valueSpec{key: key, size: size, zero: zero}, a, "sev-snp."+relaxed)
	}
	q.hostData = list("host_data", snpHostDataSize, true, "host-data")
	q.idKeys = list("id_key_digests", snpKeyDigestSize, false, "id-key")
	q.authorKeys = list("author_key_digests", snpKeyDigestSize, false, "author-key")
	q.familyIDs = list("family_id", snpImageIDSize, true, "family-id")
	q.imageIDs = list("image_id", snpImageIDSize, true, "image-id")
	if n := f.take("minimum_guest_svn"); n != nil {
		q.minimumGuestSVN = newFloor(s.number(n, 1<<32-1))
	}
	// The ID block is the host's word unless a known key signed it.
	signed := q.idKeys.pins() || q.authorKeys.pins()
	for _, key := range []string{"family_id", "image_id", "minimum_guest_svn"} {
		if n := f.values[key]; n != nil && !signed {
			s.problem(n, evidence.CodePolicyUnsafe, "%s proves nothing by itself: the host chooses it, unless the ID block's key is pinned with id_key_digests or author_key_digests", key)
		}
	}
	n := f.need("measurements", "list launch measurements (96 hex digits each), or {reference: NAME}")
	spec := valueSpec{key: "measurements", size: snpMeasurementSize, reference: "measurements", technology: snp}
	if isOpen(n) && !signed {
		s.problem(n, evidence.CodePolicyUnsafe, "measurements: %s accepts every guest; pin id_key_digests or author_key_digests with it", openWord(n))
	}
	if !isAny(n) {
		q.measurements = l.readRegister(s, n, spec, a, "sev-snp.measurement")
		return
	}
	q.measurements = l.anyValue(spec)
	a.relax("sev-snp.measurement.any")
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
