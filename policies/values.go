package policies

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// digests is a set of byte strings of one size: looking one up takes the same
// time however many there are.
type digests map[string]struct{}

func (d digests) has(value evidence.Hex) bool {
	_, ok := d[string(value)]
	return ok
}

// values are what a claim may be: values written in the workload, and sets of
// reference values that it refers to. Nil values mean any value, where the
// document says so.
type values struct {
	literals   digests
	references []reference
	// bad are lists of values that are known to be bad, which match nothing
	// wherever else they are listed.
	bad []reference
	any bool // any value that is not bad
	// warnOnly says that other values deny nothing. An absent one does, and a bad one.
	warnOnly bool
	want     string // for checks
}

// knownBad returns the reference values that know value to be bad, or nil.
// That they expired does not make it good.
func (v *values) knownBad(value evidence.Hex) *referenceValues {
	for _, ref := range v.bad {
		if ref.values.has(value) {
			return ref.from
		}
	}
	return nil
}

// reference is one list of a document of reference values.
type reference struct {
	from   *referenceValues
	values digests
}

// measures reports whether v tells a register that something was measured into
// from one that was never used: it lists values, and
// zero is not among them.
func (v *values) measures(size int) bool {
	if !v.pins() {
		return false
	}
	unused := make(evidence.Hex, size)
	return !v.literals.has(unused) && !slices.ContainsFunc(v.references, func(r reference) bool { return r.values.has(unused) })
}

// match says whether value is a reference value in force at now, and until when.
// If only expired reference values have it, expired is the latest of them.
func (v *values) match(value evidence.Hex, now time.Time) (ok bool, until time.Time, expired *referenceValues) {
	if v.literals.has(value) {
		return true, time.Time{}, nil
	}
	for _, ref := range v.references {
		if !ref.values.has(value) {
			continue
		}
		switch {
		case ref.from.inForce(now):
			if ref.from.notAfter.After(until) {
				ok, until = true, ref.from.notAfter
			}
		case expired == nil || ref.from.notAfter.After(expired.notAfter):
			expired = ref.from
		}
	}
	return ok, until, expired
}

// valueSpec says what the values of a key are.
type valueSpec struct {
	key   string // as in the document
	size  int    // in bytes
	sizes []int  // that will do as well, where values of several algorithms stand side by side
	// something refuses the digest of nothing.
	something bool
	// zero allows the value of zeros, where it is a real state and not a
	// register that nobody filled.
	zero bool
	// form is how the values are written; nil: hex of the size.
	form *form
	// reference is the list of a document of reference values that the key may
	// refer to; empty if it may not.
	reference  string
	technology evidence.Kind
}

// list names the list that the key may refer to; empty if it may not.
func (s valueSpec) list() string { return listName(s.technology, s.reference) }

func listName(technology evidence.Kind, key string) string {
	if key == "" {
		return ""
	}
	return string(technology) + " " + key
}

// anyValue returns the values of a key that takes any: all that are not known to be bad.
func (l *loader) anyValue(spec valueSpec) *values {
	bad := l.knownBad[spec.list()]
	if bad == nil {
		return nil
	}
	return &values{bad: bad, any: true, want: "no value that is known to be bad"}
}

// anyWord stands for a value that the administrator does not want to pin.
const anyWord = "any"

func isAny(n *yaml.Node) bool {
	return n != nil && n.Kind == yaml.ScalarNode && n.Value == anyWord
}

// readValues reads a list of values and references. One reference may stand
// without a list. A nil node gives nil.
func (l *loader) readValues(s source, n *yaml.Node, spec valueSpec) *values {
	if n == nil {
		return nil
	}
	v := &values{literals: digests{}, bad: l.knownBad[spec.list()]}
	entries := []*yaml.Node{n}
	if n.Kind != yaml.MappingNode {
		entries = s.sequence(n, spec.key)
	}
	var shown []string
	for _, entry := range entries {
		if entry.Kind == yaml.MappingNode {
			if ref, ok := l.readReference(s, entry, spec); ok {
				v.references = append(v.references, ref)
				shown = append(shown, "reference "+ref.from.name)
			}
			continue
		}
		if value := s.literal(entry, spec, v.literals); value != nil {
			shown = append(shown, spec.show(value))
		}
	}
	v.want = wantOneOf(shown)
	return v
}

// wantOneOf spells out the first values of a list.
func wantOneOf(shown []string) string {
	if more := len(shown) - maxWantValues; more > 0 {
		return fmt.Sprintf("one of %s and %d more", strings.Join(shown[:maxWantValues], ", "), more)
	}
	return orList(shown)
}

// literal reads one value into list, which must not have it yet.
func (s source) literal(n *yaml.Node, spec valueSpec, list digests) evidence.Hex {
	value := s.value(n, spec)
	if value == nil {
		return nil
	}
	if list.has(value) {
		s.problem(n, evidence.CodePolicyValue, "%s has %s twice", spec.key, clip(spec.show(value)))
		return nil
	}
	list[string(value)] = struct{}{}
	return value
}

// value reads a value in the spec's form, or nil.
func (s source) value(n *yaml.Node, spec valueSpec) evidence.Hex {
	if spec.form != nil {
		return spec.form.read(s, n, spec.key)
	}
	return s.hexValue(n, spec)
}

// show writes a value as documents do.
func (s valueSpec) show(value evidence.Hex) string {
	if s.form != nil {
		return s.form.show(value)
	}
	return value.String()
}

// hexValue reads a value of the spec's size, or nil. It takes the scalar's
// text, whatever YAML makes of it: a digest may consist of digits alone.
func (s source) hexValue(n *yaml.Node, spec valueSpec) evidence.Hex {
	if n.Kind != yaml.ScalarNode {
		s.problem(n, evidence.CodePolicyType, "%s: expected a value of %s hex digits, not %s", spec.key, spec.digits(), describe(n))
		return nil
	}
	value, err := hex.DecodeString(n.Value)
	switch {
	case isAny(n):
		s.problem(n, evidence.CodePolicyValue, "%s does not take any among its values", spec.key)
	case err != nil:
		s.problem(n, evidence.CodePolicyType, "%s: expected %s hex digits, not %s", spec.key, spec.digits(), describe(n))
	case len(value) != spec.size && !slices.Contains(spec.sizes, len(value)):
		s.problem(n, evidence.CodePolicyValue, "%s: expected %s hex digits, got %d", spec.key, spec.digits(), len(n.Value))
	case !spec.zero && isFilled(value, 0x00):
		s.problem(n, evidence.CodePolicyUnsafe, "%s: all zeros is what a machine shows that measured nothing; it is no reference value", spec.key)
	case isFilled(value, 0xff):
		s.problem(n, evidence.CodePolicyUnsafe, "%s: all ones is what a machine shows that measured nothing; it is no reference value", spec.key)
	case spec.something && isDigestOfNothing(value):
		s.problem(n, evidence.CodePolicyUnsafe, "%s: this is the digest of nothing, which any machine can show", spec.key)
	default:
		return value
	}
	return nil
}

// digits spells out how many hex digits a value has.
func (s valueSpec) digits() string {
	words := []string{strconv.Itoa(2 * s.size)}
	for _, size := range s.sizes {
		words = append(words, strconv.Itoa(2*size))
	}
	return orList(words)
}

// isDigestOfNothing reports whether value is what an empty file, section or RAM
// disk is measured as.
func isDigestOfNothing(value []byte) bool {
	short, middle, long := sha256.Sum256(nil), sha512.Sum384(nil), sha512.Sum512(nil)
	return bytes.Equal(value, short[:]) || bytes.Equal(value, middle[:]) || bytes.Equal(value, long[:])
}

func isFilled(value []byte, with byte) bool {
	return len(value) > 0 && bytes.Count(value, []byte{with}) == len(value)
}

// readReference reads {reference: NAME} and looks the list up.
func (l *loader) readReference(s source, n *yaml.Node, spec valueSpec) (reference, bool) {
	f := s.mapping(n, "an entry of "+spec.key)
	if spec.reference == "" {
		s.problem(n, evidence.CodePolicyType, "%s takes values only, no references", spec.key)
		return reference{}, false
	}
	nameNode := f.need("reference", "write reference: NAME, or a value")
	name := s.text(nameNode)
	f.done()
	if name == "" {
		return reference{}, false
	}
	from := l.references[name]
	switch {
	case from == nil && l.incomplete:
		// The document may be one of those that could not be read.
	case from == nil:
		s.problem(nameNode, evidence.CodePolicyReferenceUnknown, "there are no reference values named %q", clip(name))
	case from.technology != "" && from.technology != spec.technology:
		s.problem(nameNode, evidence.CodePolicyReferenceUnknown, "reference values %q are for %s, not for %s", clip(name), from.technology, spec.technology)
	case from.lists[spec.reference] == nil && !from.broken:
		s.problem(nameNode, evidence.CodePolicyReferenceUnknown, "reference values %q have no list %s", clip(name), spec.reference)
	default:
		from.used = true
		return reference{from, from.lists[spec.reference]}, true
	}
	return reference{}, false
}

// accessList names what is allowed and what is denied.
type accessList struct{ allow, deny *values }

// readAccess reads {allow: [...], deny: [...]}.
func (l *loader) readAccess(s source, n *yaml.Node, spec valueSpec) *accessList {
	f := s.mapping(n, spec.key)
	if f == nil {
		return nil
	}
	allow, deny := spec, spec
	allow.key, deny.key = spec.key+".allow", spec.key+".deny"
	a := &accessList{l.readValues(s, f.take("allow"), allow), l.readValues(s, f.take("deny"), deny)}
	if a.deny != nil {
		a.deny.want = "not " + a.deny.want
	}
	if len(f.values) == 0 {
		s.problem(n, evidence.CodePolicyMissingKey, "%s needs a list allow, a list deny, or both", spec.key)
	}
	f.done()
	s.lintAccess(n, spec.key, a)
	return a
}

// textAccess names texts that are allowed and denied. Nil lists ask nothing.
type textAccess struct{ allow, deny *choice }

func newTextAccess(allow, deny []string) *textAccess {
	if len(allow)+len(deny) == 0 {
		return nil
	}
	a := &textAccess{newChoice(allow...), newChoice(deny...)}
	if a.deny != nil {
		a.deny.want = "not " + a.deny.want
	}
	return a
}

// readTextAccess reads {allow: [...], deny: [...]}, or the list allow alone.
func (s source) readTextAccess(n *yaml.Node, what string, list func(n *yaml.Node, what string) []string) (allow, deny []string) {
	if n == nil || n.Kind != yaml.MappingNode {
		return list(n, what), nil
	}
	f := s.mapping(n, what)
	allow, deny = list(f.take("allow"), what+".allow"), list(f.take("deny"), what+".deny")
	if len(f.values) == 0 {
		s.problem(n, evidence.CodePolicyMissingKey, "%s needs a list allow, a list deny, or both", what)
	}
	f.done()
	s.lintTextAccess(n, what, allow, deny)
	return allow, deny
}
