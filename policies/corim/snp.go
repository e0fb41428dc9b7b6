package corim

import (
	"bytes"
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

// snpTCBs are the names that TCBs have as claims.
var snpTCBs = map[uint64]string{snpReportedTCB: "reported_tcb", snpCommittedTCB: "committed_tcb", snpLaunchTCB: "launch_tcb"}

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
		name, value, err = one(m.value, f, "svn").guestSVN()
	case snpReportedTCB, snpCommittedTCB, snpLaunchTCB:
		name, value, err = one(m.value, f, "svn").tcb(snpTCBs[key])
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
