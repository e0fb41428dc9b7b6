package corim

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/quotary/quotary/evidence"
)

// Elements of a report (draft-deeglaze-amd-sev-snp-corim-profile, mkey).
const (
	snpGuestSVN     = 1
	snpFamilyID     = 3
	snpImageID      = 4
	snpVMPL         = 5
	snpMeasurement  = 641
	snpHostData     = 642
	snpIDKey        = 643
	snpAuthorKey    = 644
	snpReportedTCB  = 647
	snpCommittedTCB = 3329
	snpLaunchTCB    = 3968
)

// snpElements names the elements that are known and have no place here.
var snpElements = map[uint64]string{
	0: "VERSION", 2: "POLICY", 6: "CURRENT_TCB", 7: "PLATFORM_INFO", 640: "REPORT_DATA", 645: "REPORT_ID", 646: "REPORT_ID_MA",
	648: "CPUID_FAM_ID", 649: "CPUID_MOD_ID", 650: "CPUID_STEP", 3328: "CHIP_ID", 3330: "CurrentVersion", 3936: "CommittedVersion",
}

// Keys of values (draft-ietf-rats-corim, measurement-values-map).
var valueKeys = map[int64]string{
	0: "version", 1: "svn", 2: "digests", 3: "flags", 4: "raw-value", 5: "raw-value-mask", 11: "name", 14: "integrity-registers", 15: "int-range",
}

// snp reads what an SEV-SNP guest reports.
func (r *reader) snp(t triple, class string) (record, error) {
	what := "SEV-SNP guests with reports by VCEK"
	if class == classSNPByCSP {
		what = "SEV-SNP guests with reports by VLEK"
	}
	rec := record{evidence.KindSEVSNP, what, map[string][]evidence.Hex{}}
	seen := map[uint64]bool{}
	for _, m := range t.measurements {
		if m.key == nil {
			if err := r.snpFlags(m); err != nil {
				return rec, err
			}
			continue
		}
		key, err := m.key.uint()
		if err != nil {
			return rec, err
		}
		if seen[key] {
			return rec, m.unsupported("element %d is there twice, and both would have to hold; give each value a triple of its own", key)
		}
		seen[key] = true
		f, err := m.value.fields(valueKeys)
		if err != nil {
			return rec, err
		}
		if key == snpMeasurement {
			measurement, err := one(m.value, f, "digests").oneDigest()
			if err != nil {
				return rec, err
			}
			rec.lists["measurements"] = []evidence.Hex{measurement}
			continue
		}
		if err := r.snpElement(m, key, f); err != nil {
			return rec, err
		}
	}
	if rec.lists["measurements"] == nil {
		return rec, t.unsupported("the triple has no launch measurement (element %d)", snpMeasurement)
	}
	return rec, r.snpEnvironment(t, rec.lists["measurements"][0])
}

// snpEnvironment judges what narrows an environment to single machines. Some
// write the measurement where a machine's ID belongs, which narrows nothing.
func (r *reader) snpEnvironment(t triple, measurement evidence.Hex) error {
	if t.group != nil {
		if err := r.beyond(*t.group, "the values are those of a group"); err != nil {
			return err
		}
	}
	if t.instance == nil {
		return nil
	}
	content, err := t.instance.under(tagBytes)
	if err != nil {
		return err
	}
	id, err := content.bytes(0)
	if err != nil || bytes.Equal(id, measurement) {
		return err
	}
	return r.beyond(*t.instance, "the values are those of one machine or provider")
}

// one returns the only value of a map, which must have this name; otherwise an
// item that nothing can be read of.
func one(of item, f map[string]item, name string) item {
	if value, ok := f[name]; ok && len(f) == 1 {
		return value
	}
	return item{at: of.at + "." + name}
}

// snpElement reads what has its place in a workload.
func (r *reader) snpElement(m measurement, key uint64, f map[string]item) error {
	var name, value string
	var err error
	switch key {
	case snpGuestSVN:
		var least uint64
		least, err = one(m.value, f, "svn").minimum()
		name, value = "minimum_guest_svn", strconv.FormatUint(least, 10)
	case snpReportedTCB, snpCommittedTCB, snpLaunchTCB:
		name = "minimum_tcb"
		if key == snpLaunchTCB {
			name = "minimum_launch_tcb"
		}
		value, err = one(m.value, f, "svn").tcb()
	case snpVMPL:
		var level uint64
		level, err = one(m.value, f, "int-range").uint()
		name, value = "vmpl", strconv.FormatUint(level, 10)
	case snpFamilyID:
		name, value, err = rawRequirement("family_id", one(m.value, f, "raw-value"), 16)
	case snpImageID:
		name, value, err = rawRequirement("image_id", one(m.value, f, "raw-value"), 16)
	case snpHostData:
		name, value, err = rawRequirement("host_data", one(m.value, f, "raw-value"), 32)
	case snpIDKey, snpAuthorKey:
		name = map[uint64]string{snpIDKey: "id_key_digests", snpAuthorKey: "author_key_digests"}[key]
		var digest evidence.Hex
		digest, err = one(m.value, f, "digests").oneDigest()
		value = fmt.Sprintf("[%q]", digest.String())
	default:
		if snpElements[key] == "" {
			return m.unsupported("element %d is not understood", key)
		}
		return r.beyond(m.item, "it asks for %s (element %d)", snpElements[key], key)
	}
	if err != nil {
		if r.partial {
			return r.beyond(m.item, "element %d: %s", key, err)
		}
		return err
	}
	return r.require(m.item, "sev_snp", name, value)
}

func rawRequirement(name string, i item, size int) (string, string, error) {
	content, err := i.under(tagBytes)
	if err != nil {
		return name, "", err
	}
	value, err := content.bytes(size)
	return name, fmt.Sprintf("[%q]", evidence.Hex(value).String()), err
}

// minimum returns a least security version number. An exact one has no place:
// updates would be refused.
func (i item) minimum() (uint64, error) {
	if number, content, err := i.tagged(); err == nil && number == tagMinSVN {
		return content.uint()
	}
	return 0, i.unsupported("it asks for exactly one security version; least ones (tag %d) alone have their place in a workload", tagMinSVN)
}

// tcb writes a least TCB by its components, which are compared one by one. Which bytes
// they are in depends on the product line: Turin fills the lower four, the others leave bytes
// 2 to 5 empty (AMD 56860, 2.2). A number that may be either is refused.
func (i item) tcb() (string, error) {
	number, err := i.minimum()
	if err != nil {
		return "", err
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], number)
	switch {
	case b[2]|b[3]|b[4]|b[5] == 0 && b[6] != 0:
		return fmt.Sprintf("{bootloader: %d, tee: %d, snp: %d, microcode: %d}", b[0], b[1], b[6], b[7]), nil
	case b[4]|b[5]|b[6] == 0 && b[3] != 0:
		return fmt.Sprintf("{fmc: %d, bootloader: %d, tee: %d, snp: %d, microcode: %d}", b[0], b[1], b[2], b[3], b[7]), nil
	}
	return "", i.unsupported("the TCB %#016x is of no product line that could be told by it", number)
}

// snpFlags are the flags that every SEV-SNP guest has, and is-debug, which
// a workload denies by itself.
var snpFlags = map[int64]string{3: "is-debug", 4: "is-replay-protected", 5: "is-integrity-protected", 9: "is-confidentiality-protected"}

func (r *reader) snpFlags(m measurement) error {
	f, err := m.value.fields(valueKeys)
	if err != nil {
		return err
	}
	flags, err := one(m.value, f, "flags").fields(snpFlags)
	if err != nil {
		return err
	}
	for _, key := range []int64{3, 4, 5, 9} {
		flag, ok := flags[snpFlags[key]]
		if !ok {
			continue
		}
		set, err := flag.boolean()
		if err != nil {
			return err
		}
		if set == (key == 3) {
			if err := r.beyond(flag, "it asks for %s %t", snpFlags[key], set); err != nil {
				return err
			}
		}
	}
	return nil
}
