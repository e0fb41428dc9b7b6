package corim

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// Keys of values: those of draft-ietf-rats-corim and Intel's extensions
// (draft-cds-rats-intel-corim-profile).
var tdxValueKeys = map[int64]string{
	0: "version", 1: "svn", 2: "digests", 3: "flags", 4: "raw-value", 11: "name", 14: "integrity-registers", 15: "int-range",
	-70: "vendor", -71: "model", -72: "tcbdate", -73: "isvsvn", -80: "pceid", -81: "miscselect", -82: "attributes", -83: "mrtee", -84: "mrsigner",
	-85: "isvprodid", -86: "tcb-eval-num", -88: "tcbstatus", -89: "advisory-ids", -91: "cryptokeys", -101: "platform-instance-id", -125: "tcb-comp-svn",
}

var tdxRegisters = map[int64]string{0: "rtmr0", 1: "rtmr1", 2: "rtmr2", 3: "rtmr3"}

// Operators of Intel's expressions.
const (
	tagNumeric = 60010
	opGE       = 2
	opMember   = 6
)

// mkeyMRTEE stands for the extension mrtee where the value is in digests.
const mkeyMRTEE = 83

// tdx reads what a TD or the TDX module measures.
func (r *reader) tdx(t triple, class string) (record, error) {
	rec := record{evidence.KindTDX, "TDs", map[string][]evidence.Hex{}}
	register := "mrtd"
	if class == classTDXModule {
		rec.what, register = "TDX modules", "mrseam"
	}
	for _, narrowing := range []*item{t.instance, t.group} {
		if narrowing != nil {
			if err := r.beyond(*narrowing, "the values are those of one machine or group"); err != nil {
				return rec, err
			}
		}
	}
	for _, m := range t.measurements {
		if err := r.tdxMeasurement(m, rec, register); err != nil {
			return rec, err
		}
	}
	if len(rec.lists) == 0 {
		return rec, t.unsupported("the triple has no value of a register")
	}
	return rec, nil
}

func (r *reader) tdxMeasurement(m measurement, rec record, register string) error {
	f, err := m.value.fields(tdxValueKeys)
	if err != nil {
		return err
	}
	if m.key != nil {
		if key, err := m.key.uint(); err != nil || key != mkeyMRTEE || len(f) != 1 {
			return r.beyond(m.item, "it asks for an element of a key that is not understood")
		}
		value, ok := f["digests"]
		if !ok {
			return m.malformed("there are no digests")
		}
		f = map[string]item{"mrtee": value}
	}
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if err := r.tdxValue(name, f[name], rec, register); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) tdxValue(name string, i item, rec record, register string) error {
	switch {
	case name == "mrtee":
		values, err := i.digestSet()
		if err != nil {
			return err
		}
		return rec.put(i, register, values)
	case name == "integrity-registers" && register == "mrtd":
		registers, err := i.fields(tdxRegisters)
		if err != nil {
			return err
		}
		for _, key := range slices.Sorted(maps.Keys(registers)) {
			value, err := registers[key].oneDigest()
			if err != nil {
				return err
			}
			if err := rec.put(registers[key], key, []evidence.Hex{value}); err != nil {
				return err
			}
		}
		return nil
	case name == "mrsigner" && register == "mrseam":
		values, err := i.digestSet()
		if err != nil {
			return r.unlessPartial(i, err)
		}
		return r.require(i, "tdx", "mrsigner_seam", hexList(values))
	case name == "tcb-eval-num":
		key, value, err := i.evaluation()
		if err != nil {
			return r.unlessPartial(i, err)
		}
		return r.require(i, "tdx", key, value)
	}
	return r.beyond(i, "it asks for %s", name)
}

// unlessPartial is err, or what is left out for it.
func (r *reader) unlessPartial(i item, err error) error {
	if r.partial {
		return r.beyond(i, "%s", err)
	}
	return err
}

func (rec record) put(i item, key string, values []evidence.Hex) error {
	if rec.lists[key] != nil {
		return i.unsupported("%s is there twice, and both would have to hold; give each value a triple of its own", key)
	}
	rec.lists[key] = values
	return nil
}

// digestSet returns a digest, a list of one, or the members of a set (tag 60020).
func (i item) digestSet() ([]evidence.Hex, error) {
	if i.is(majorTag) {
		content, err := i.under(tagDigestMember)
		if err != nil {
			return nil, err
		}
		expression, err := content.tuple(2)
		if err != nil {
			return nil, err
		}
		if operator, err := expression[0].uint(); err != nil || operator != opMember {
			return nil, i.unsupported("the set is not one of members (operator %d)", opMember)
		}
		return expression[1].digests()
	}
	if entries, err := i.list(); err == nil && entries[0].is(majorUint) {
		value, err := i.digest()
		return []evidence.Hex{value}, err
	}
	value, err := i.oneDigest()
	return []evidence.Hex{value}, err
}

// atLeast returns the bound of an expression ">= number" (tag 60010).
func (i item) atLeast() (uint64, error) {
	content, err := i.under(tagNumeric)
	if err != nil {
		return 0, err
	}
	expression, err := content.tuple(2)
	if err != nil {
		return 0, err
	}
	if operator, err := expression[0].uint(); err != nil || operator != opGE {
		return 0, i.unsupported("the number is not a least one (operator %d)", opGE)
	}
	return expression[1].uint()
}

func hexList(values []evidence.Hex) string {
	quoted := make([]string, len(values))
	for n, value := range values {
		quoted[n] = fmt.Sprintf("%q", value.String())
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
