package policies

import (
	"encoding/binary"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// bit is one setting of a register, under the name that documents and claims
// have for it.
type bit struct {
	name string
	mask uint64
}

// bitRegister is a register of 8 bytes whose bits a document may ask for.
type bitRegister struct {
	key     string // of the document
	claim   string // the claim's name
	bits    []bit
	refused uint64 // bits that must be clear unless a document says otherwise
}

// bitRule says which bits must be set and which must be clear. The others may be either.
type bitRule struct {
	register  *bitRegister
	required  uint64
	forbidden uint64
	want      string
}

// The three things that a document can ask of a bit.
const (
	bitRequired  = "required"
	bitForbidden = "forbidden"
	bitAny       = anyWord
)

// known has every bit that has a name.
func (b *bitRegister) known() (mask uint64) {
	for _, named := range b.bits {
		mask |= named.mask
	}
	return mask
}

// strictest is the rule where a document says nothing.
func (b *bitRegister) strictest() *bitRule {
	rule := &bitRule{register: b, forbidden: b.refused}
	return rule.spelled()
}

// readBits reads {BIT: required | forbidden | any}. A bit that is refused by
// default and then is not counts as a relaxation of its name.
func (s source) readBits(n *yaml.Node, register *bitRegister, a *alternative) *bitRule {
	rule := register.strictest()
	s.readBitWords(n, rule)
	for _, b := range register.bits {
		if register.refused&b.mask&^rule.forbidden != 0 {
			a.relax("sev-snp." + b.name)
		}
	}
	return rule.spelled()
}

// readBitWords adds to the rule what a document says of bits.
func (s source) readBitWords(n *yaml.Node, rule *bitRule) {
	key := rule.register.key
	f := s.mapping(n, key)
	if f == nil {
		return
	}
	if len(f.values) == 0 {
		s.problem(n, evidence.CodePolicyMissingKey, "%s is empty; say required, forbidden or any of a bit", key)
	}
	for _, b := range rule.register.bits {
		rule.ask(b, s.word(f.take(b.name), key+"."+b.name, []string{bitRequired, bitForbidden, bitAny}))
	}
	f.done()
}

// ask adds what a document says of a bit; an empty word leaves it alone.
func (r *bitRule) ask(b bit, word string) {
	switch word {
	case bitRequired:
		r.required |= b.mask
		r.forbidden &^= b.mask
	case bitForbidden:
		r.forbidden |= b.mask
	case bitAny:
		r.forbidden &^= b.mask
	}
}

// spelled writes the rule out for checks.
func (r *bitRule) spelled() *bitRule {
	var parts []string
	for _, b := range r.register.bits {
		switch {
		case r.required&b.mask != 0:
			parts = append(parts, b.name+" set")
		case r.forbidden&b.mask != 0:
			parts = append(parts, b.name+" clear")
		}
	}
	r.want = strings.Join(append(parts, "no unknown bit"), ", ")
	return r
}

// holds reports whether raw, big-endian, is a register that the rule accepts.
// One that is absent is not: absent is not clear.
func (r *bitRule) holds(raw evidence.Hex) bool {
	value, ok := registerValue(raw)
	return ok && value&r.required == r.required && value&r.forbidden == 0
}

// violations spells out raw and what the rule has against it.
func (r *bitRule) violations(raw evidence.Hex) string {
	value, ok := registerValue(raw)
	if !ok {
		return absent
	}
	var without, with []string
	for _, b := range r.register.bits {
		switch {
		case r.required&b.mask&^value != 0:
			without = append(without, b.name)
		case r.forbidden&b.mask&value != 0:
			with = append(with, b.name)
		}
	}
	text := "0x" + strconv.FormatUint(value, 16)
	if len(without) > 0 {
		text += ", without " + strings.Join(without, ", ")
	}
	if len(with) > 0 {
		text += ", with " + strings.Join(with, ", ")
	}
	return text
}

// registerValue decodes a register; ok is false if it is absent.
func registerValue(raw evidence.Hex) (value uint64, ok bool) {
	if len(raw) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(raw), true
}
