// Package ima reads the measurement list of Linux' integrity measurement
// architecture: which files a kernel opened or executed, with their digests, as it
// extended PCR 10 with them.
//
// Nothing in a list is authentic: it comes from the machine that is under
// judgement. Only PCR 10 is, in a signed quote, and it holds the list to its entries
// and their order. So the way from a list to facts has three steps:
//
//   - [Parse] takes it apart, strictly and within bounds;
//   - [List.Replay] computes what PCR 10 holds after each entry, and [Replay.Find]
//     says after how many it holds the quoted value;
//   - [List.Claims] draws facts from these entries, by the form of what was measured: the name
//     of an entry's template is not part of it.
//
// The list is read as the file binary_runtime_measurements has it on little-endian
// machines (and on others with ima_canonical_fmt). Since Linux 5.8 a kernel extends
// each bank with that bank's own hash of an entry. Lists of older kernels do not replay, which
// extended every bank with the SHA-1 digest and zeros, nor do banks whose hash the running
// kernel cannot compute, where it does the same. The sources are the kernel's
// security/integrity/ima and Documentation/security/IMA-templates.rst.
package ima

import (
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/cursor"
)

// PCR is the register that a kernel extends, unless its policy says otherwise for
// some files (CONFIG_IMA_MEASURE_PCR_IDX).
const PCR = 10

// List is a parsed measurement list, or a part of one. Its parts refer to the bytes
// that it was parsed from, which must not be changed meanwhile.
type List struct {
	Entries []Entry
}

// Entry is one entry of a list.
type Entry struct {
	// PCR is the register that the entry extended.
	PCR int
	// Template names the form of Data ("ima-ng"), or lists its fields ("d-ng|n-ng"). No PCR
	// covers it, so nothing but the original template's way of measuring follows from it.
	Template string
	// TemplateDigest is the SHA-1 digest of Data, or zeros in a violation. Nothing else is taken from it.
	TemplateDigest []byte
	// Data is what the kernel measured: fields, each behind its length; in the template "ima"
	// a digest of 20 bytes and a name behind its length. In a violation nothing covers it.
	Data []byte
	// Offset is where the entry begins, in bytes from the start of what was parsed.
	Offset int

	file measured
}

// Violation reports whether the kernel could not measure the file, because it was
// open for writing meanwhile. Such an entry extends its PCR with ones.
func (e *Entry) Violation() bool {
	return !slices.ContainsFunc(e.TemplateDigest, func(b byte) bool { return b != 0 })
}

const templateDigestSize = 20 // SHA-1, whatever the machine's banks

// Parse takes a list apart, which may be empty. It refuses whatever is not exactly
// a list with an [*evidence.Error] of code [evidence.CodeTPMIMALog]. It does not copy.
func Parse(raw []byte) (*List, error) {
	if len(raw) > evidence.MaxIMALog {
		return nil, refuse("%d bytes, at most %d are read at once", len(raw), evidence.MaxIMALog)
	}
	list := &List{}
	c := cursor.LittleEndian{Rest: raw}
	for len(c.Rest) > 0 {
		if len(list.Entries) == maxEntries {
			return nil, refuse("more than %d entries", maxEntries)
		}
		entry, err := parseEntry(&c, len(raw)-len(c.Rest))
		if err != nil {
			return nil, err
		}
		list.Entries = append(list.Entries, entry)
	}
	return list, nil
}

func refuse(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeTPMIMALog, "ima_log", format, args...)
}

// parseEntry reads an entry (ima_measurements_show).
func parseEntry(c *cursor.LittleEndian, start int) (Entry, error) {
	pcr := c.U32()
	e := Entry{PCR: int(pcr), TemplateDigest: c.Take(templateDigestSize), Offset: start}
	name := c.Sized(uint64(c.U32()))
	switch {
	case c.Short:
		return Entry{}, refuse("the entry at byte %d is not complete", start)
	case pcr > maxPCR:
		return Entry{}, refuse("the entry at byte %d is for PCR %d", start, pcr)
	case !isTemplate(name):
		return Entry{}, refuse("the entry at byte %d names no template", start)
	}
	e.Template = string(name)
	if e.Template == originalTemplate {
		e.Data = takeOriginal(c)
	} else {
		e.Data = c.Sized(uint64(c.U32()))
	}
	if c.Short {
		return Entry{}, refuse("the entry at byte %d is not complete", start)
	}
	e.read()
	return e, nil
}

// isTemplate reports whether name can be a template's, or a list of fields.
func isTemplate(name []byte) bool {
	return len(name) > 0 && len(name) <= maxTemplate &&
		!slices.ContainsFunc(name, func(b byte) bool { return b <= ' ' || b > '~' })
}
