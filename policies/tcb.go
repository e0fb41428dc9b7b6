package policies

import (
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// tcbFloor is the least TCB that is accepted. TCBs are compared component by
// component, never as a number: a high microcode level must not hide a low
// firmware level.
type tcbFloor struct {
	evidence.SNPTCB
	want string
}

// tcbFloors are the least TCBs. Levels of one product line mean nothing on
// another, so a document gives one for each; or a single one, which holds for all.
type tcbFloors struct {
	single *tcbFloor
	lines  map[string]*tcbFloor
}

// of returns the floor for a product line, nil if there is none: then nothing reaches it.
func (t *tcbFloors) of(product string) *tcbFloor {
	if t.single != nil {
		return t.single
	}
	return t.lines[product]
}

// lowers reports whether t asks less of a product line than other does.
func (t *tcbFloors) lowers(other *tcbFloors) bool {
	return slices.ContainsFunc(snpProducts, func(product string) bool {
		mine, its := t.of(product), other.of(product)
		return mine != nil && its != nil && (mine.FMC == nil) == (its.FMC == nil) && !its.reachedBy(&mine.SNPTCB)
	})
}

// hasFMC reports whether the product line's TCB has the component FMC
// (SEV-SNP ABI, table 4): Turin's has, older ones' have not.
func hasFMC(product string) bool { return product == "Turin" }

// readTCBs reads a minimum: components, or {PRODUCT: components}. The product
// lines are those that the document lists, nil if it lists none.
func (s source) readTCBs(n *yaml.Node, what string, listed []string) *tcbFloors {
	f := s.mapping(n, what)
	if f == nil {
		return nil
	}
	if !slices.ContainsFunc(snpProducts, func(product string) bool { return f.values[product] != nil }) {
		return s.readSingleTCB(f, listed)
	}
	t := &tcbFloors{lines: map[string]*tcbFloor{}}
	for _, product := range snpProducts {
		if m := s.mapping(f.take(product), what+"."+product); m != nil {
			t.lines[product] = m.readTCB(product, hasFMC(product), false)
		} else if slices.Contains(listed, product) && f.values[product] == nil {
			s.problem(f.at, evidence.CodePolicyMissingKey, "%s needs %s, which products lists", what, product)
		}
	}
	f.done()
	return t
}

// readSingleTCB reads one minimum for all product lines, which must be of one layout.
func (s source) readSingleTCB(f *fields, listed []string) *tcbFloors {
	with := slices.ContainsFunc(listed, hasFMC)
	without := slices.ContainsFunc(listed, func(product string) bool { return !hasFMC(product) })
	if with && without {
		s.problem(f.at, evidence.CodePolicyValue, "%s: Turin has a component more than the other product lines; write {Milan: {…}, Turin: {…}}", f.what)
		return nil
	}
	return &tcbFloors{single: f.readTCB("", with, len(listed) == 0)}
}

// readTCB reads the components of a TCB. It has an FMC, or may have one.
func (f *fields) readTCB(product string, hasFMC, mayFMC bool) *tcbFloor {
	part := func(key string) uint8 {
		return uint8(f.number(f.need(key, "give every component, 0 where any will do"), 255))
	}
	t := &tcbFloor{SNPTCB: evidence.SNPTCB{
		Bootloader: part("bootloader"), TEE: part("tee"), SNP: part("snp"), Microcode: part("microcode"),
	}}
	if hasFMC || mayFMC && f.values["fmc"] != nil {
		fmc := part("fmc")
		t.FMC = &fmc
	} else if mayFMC {
		f.known = append(f.known, "fmc")
	}
	f.done()
	t.want = "at least " + tcbText(t.SNPTCB)
	if product != "" {
		t.want += " on " + product
	}
	return t
}

// reachedBy reports whether every component of tcb reaches the floor. A
// component that only one of them has is not reached: nobody compared it.
func (t *tcbFloor) reachedBy(tcb *evidence.SNPTCB) bool {
	if t == nil || (t.FMC == nil) != (tcb.FMC == nil) {
		return false
	}
	return tcb.Bootloader >= t.Bootloader && tcb.TEE >= t.TEE && tcb.SNP >= t.SNP && tcb.Microcode >= t.Microcode &&
		(t.FMC == nil || *tcb.FMC >= *t.FMC)
}

func (t *tcbFloor) wanted() string {
	if t == nil {
		return "a minimum for the product line"
	}
	return t.want
}

// remark says what else keeps a TCB of this layout from reaching the floor.
func (t *tcbFloor) remark(tcb *evidence.SNPTCB) string {
	switch {
	case t == nil:
		return "; the policy names no minimum for this product line"
	case t.FMC == nil && tcb.FMC != nil:
		return "; the minimum has no fmc, and this product line has"
	}
	return ""
}

func tcbText(t evidence.SNPTCB) string {
	const enough = 64
	text := make([]byte, 0, enough)
	if t.FMC != nil {
		text = append(strconv.AppendUint(append(text, "fmc "...), uint64(*t.FMC), 10), ", "...)
	}
	text = strconv.AppendUint(append(text, "bootloader "...), uint64(t.Bootloader), 10)
	text = strconv.AppendUint(append(text, ", tee "...), uint64(t.TEE), 10)
	text = strconv.AppendUint(append(text, ", snp "...), uint64(t.SNP), 10)
	return string(strconv.AppendUint(append(text, ", microcode "...), uint64(t.Microcode), 10))
}

func sameTCB(a, b *evidence.SNPTCB) bool {
	sameFMC := (a.FMC == nil) == (b.FMC == nil) && (a.FMC == nil || *a.FMC == *b.FMC)
	return sameFMC && a.Bootloader == b.Bootloader && a.TEE == b.TEE && a.SNP == b.SNP && a.Microcode == b.Microcode
}

// floor is the least number that is accepted.
type floor struct {
	least uint64
	want  string
}

func newFloor(least uint64) *floor {
	return &floor{least, "at least " + strconv.FormatUint(least, 10)}
}
