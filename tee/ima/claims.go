package ima

import (
	"crypto"
	"slices"

	"github.com/quotary/quotary/evidence"
)

// Claims returns the files that the first covered entries are about, as many as
// [Replay.Find] says, and counts those that it cannot read and the violations.
//
// A path, an algorithm, a digest and a signature are there once, in the order of
// their first entry; a path with another digest is there again. Paths are bytes as the kernel has
// them, with spaces replaced by underscores; they may hold anything but null, a new line
// and bytes that are not UTF-8 among it. A path is not absolute where the file was out of
// reach of the root directory. The kernel's own first entry, [BootAggregate], is
// there like a file: any file can have that name, and only a caller that knows the list to
// begin with the first entry can leave it out. Algorithms are named as the kernel does; one with
// "verity:" before it is for fs-verity's digest, not that of the content.
//
// Unread are entries that are not a digest of a known algorithm and a name; each may be any
// file. Nothing covers the data of violations, so they say nothing but that they are. Buffers that the
// kernel measured (keys, command lines for kexec) are passed over, with their contents as the
// proof that they are none; so are entries for other registers than PCR 10, which nothing vouches for.
func (l *List) Claims(covered int) (files []evidence.IMAFile, unread, violations uint64) {
	seen := map[string]bool{}
	for i := range min(max(covered, 0), len(l.Entries)) {
		entry := &l.Entries[i]
		switch {
		case entry.other():
		case entry.Violation():
			violations++
		case !entry.file.isFile():
			unread++
		default:
			if key := entry.file.key(); !seen[key] {
				seen[key] = true
				files = append(files, entry.file.claim())
			}
		}
	}
	return files, unread, violations
}

// Others counts which of the first covered entries [List.Claims] passes over: those
// of buffers, and those for other registers.
func (l *List) Others(covered int) (n uint64) {
	for i := range min(max(covered, 0), len(l.Entries)) {
		if l.Entries[i].other() {
			n++
		}
	}
	return n
}

// other reports whether the entry is none that PCR 10 vouches for, or one of a buffer.
func (e *Entry) other() bool { return e.PCR != PCR || e.file.buffer }

// key tells files apart: neither a path nor an algorithm has a null, and a digest
// has the size of its algorithm.
func (m *measured) key() string {
	return string(slices.Concat(m.path, []byte{0}, []byte(m.algorithm), []byte{0}, m.digest, m.signature))
}

func (m *measured) claim() evidence.IMAFile {
	return evidence.IMAFile{
		Path: string(m.path), Algorithm: m.algorithm,
		Digest: slices.Clone(m.digest), Signature: slices.Clone(m.signature),
	}
}

// AggregateName is the name in the first entry of a kernel's list, which is no file's.
const AggregateName = "boot_aggregate"

// FirstAggregate returns the digest in the first entry, if that is one over PCRs
// (ima_add_boot_aggregate), and the bank that it is over. It means something only where the
// list begins with the kernel's first entry. Compare it with [BootAggregate] of that bank.
func (l *List) FirstAggregate() (bank crypto.Hash, digest []byte, ok bool) {
	if len(l.Entries) == 0 {
		return 0, nil, false
	}
	first := &l.Entries[0]
	bank, known := banks[first.file.algorithm]
	if first.PCR != PCR || !first.file.isFile() || string(first.file.path) != AggregateName || !known {
		return 0, nil, false
	}
	return bank, slices.Clone(first.file.digest), true
}

// BootAggregate computes the digest over the PCRs that a kernel begins its list
// with (ima_calc_boot_aggregate_tfm, Linux 5.8 and later): over PCRs 0 to 9, in the SHA-1
// bank 0 to 7. It reports false where one of them is missing. What extended PCRs 8 and 9 after the
// kernel was started, makes another digest.
func BootAggregate(bank crypto.Hash, pcrs map[int]evidence.Hex) ([]byte, bool) {
	if !bank.Available() {
		return nil, false
	}
	last := 9
	if bank == crypto.SHA1 {
		last = 7
	}
	h := bank.New()
	for n := range last + 1 {
		if len(pcrs[n]) != bank.Size() {
			return nil, false
		}
		h.Write(pcrs[n])
	}
	return h.Sum(nil), true
}
