package policies

import (
	"strconv"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
)

// judge holds a measurement list against the requirement. b keeps what was found of
// its files, which is the same each time that one decision asks.
func (q *imaRequirement) judge(r *report, t *evidence.TPMClaims, b *bundle) {
	if q == nil {
		return
	}
	c := t.IMA
	ok := c != nil && c.Bank == t.Bank && c.Offset <= c.Entries
	r.judge(ok, tpm, evidence.CodePolicyIMALog, "a measurement list that PCR 10 vouches for", func() string {
		return yesNo(ok, "present", "absent: the evidence has none, or none that the quoted bank vouches for")
	})
	if !ok {
		return
	}
	if !q.aggregate {
		// Of what was sent before, this was judged then.
		first := c.BootAggregate != nil && *c.BootAggregate || c.BootAggregate == nil && c.Offset > 0
		r.judge(first, tpm, evidence.CodePolicyIMABootAggregate, "the digest of PCRs 0 to 9 as the first entry", func() string {
			switch {
			case c.BootAggregate == nil && !first:
				return "absent: the quote does not cover these PCRs, or the digest is of another bank"
			case c.Offset > 0:
				return "judged earlier"
			}
			return yesNo(first, "as quoted", "the digest of other values")
		})
	}
	if r.checks == nil && r.failed > 0 {
		return // counted, and not the nearest by this
	}
	if c.FilesOmitted { // a record of what was judged once
		r.wait(tpm, evidence.CodePolicyIMAFiles, q.want, notRecorded)
		q.judgeCounts(r, c)
		return
	}
	found := b.imaFiles(q, c, r.now)
	r.endsBy(found.until)
	code := evidence.CodePolicyIMAFiles
	if !found.code.IsZero() {
		code = found.code
	}
	r.judge(found.ok, tpm, code, q.want, func() string { return found.text })
	q.judgeCounts(r, c)
}

// judgeCounts judges what the list could not tell.
func (q *imaRequirement) judgeCounts(r *report, c *evidence.IMAClaims) {
	count := func(ok bool, code evidence.Code, want string, n uint64) {
		r.judge(ok || n == 0, tpm, code, want, func() string { return strconv.FormatUint(n, 10) })
	}
	count(q.violations, evidence.CodePolicyIMAViolations, "no violations since the boot", c.Violations)
	count(q.unread, evidence.CodePolicyIMAUnread, "no entries without a file since the boot", c.Unread)
}

// imaFinding is what the files of a list come to.
type imaFinding struct {
	ok    bool
	code  evidence.Code // where it is not the requirement's own
	text  string
	until time.Time
}

// imaFiles returns what holds of the files, once for each requirement.
func (b *bundle) imaFiles(q *imaRequirement, c *evidence.IMAClaims, now time.Time) *imaFinding {
	if found := b.ima[q]; found != nil {
		return found
	}
	if b.ima == nil {
		b.ima = map[*imaRequirement]*imaFinding{}
	}
	found := q.find(c, now)
	b.ima[q] = found
	return found
}

// find holds every file against the requirement.
func (q *imaRequirement) find(c *evidence.IMAClaims, now time.Time) *imaFinding {
	if missing := missingFiles(c); missing > 0 {
		return &imaFinding{text: strconv.FormatUint(missing, 10) + " entries, and none of their files"}
	}
	v := &bootView{report: &report{now: now}}
	result := &imaFinding{ok: true}
	bad, excepted := 0, 0
	for i := range c.Files {
		file := &c.Files[i]
		found := q.digest(v, file)
		switch {
		case found.ok:
		case found.code != evidence.CodePolicyReferenceKnownBad && q.excepts(file.Path):
			excepted++
		case found.code != evidence.CodePolicyReferenceKnownBad && bad < maxIMARefusals && q.keys.signed(file):
		default:
			if bad++; bad == 1 {
				result.code = found.code
				result.text = quoted(file.Path) + " " + found.of(shownText(file.Algorithm)).String()
			}
		}
	}
	result.ok, result.until = bad == 0, v.report.validUntil
	switch {
	case bad > maxIMARefusals: // signatures were not looked at any more
		result.text += ", and others"
	case bad > 1:
		result.text += ", and " + strconv.Itoa(bad-1) + " more"
	case bad == 0:
		result.text = strconv.Itoa(len(c.Files)) + " files"
		if excepted > 0 {
			result.text += ", " + strconv.Itoa(excepted) + " of them excepted"
		}
	}
	return result
}

// missingFiles counts the entries of a list that names no files, and should.
func missingFiles(c *evidence.IMAClaims) uint64 {
	told := c.Unread + c.Violations + c.Others
	if c.Offset == 0 {
		told++ // the digest of the boot
	}
	if entries := c.Entries - c.Offset; len(c.Files) == 0 && entries > told {
		return entries - told
	}
	return 0
}

// digest reports whether a file is listed.
func (q *imaRequirement) digest(v *bootView, file *evidence.IMAFile) finding {
	if hash := imaHashes[file.Algorithm].hash; hash == 0 || len(file.Digest) != hash.Size() {
		return finding{text: "is no algorithm that counts"}
	}
	if q.files == nil {
		return finding{value: file.Digest}
	}
	found := v.listed(file.Digest, q.files)
	found.ok = found.ok && !q.files.any
	return found
}

// excepts reports whether a path is below one of the folders whose files do not count.
func (q *imaRequirement) excepts(path string) bool {
	if !isPlainPath(path) {
		return false
	}
	for _, prefix := range q.except {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}
