package policies

import (
	"encoding/hex"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// The lists of boot, by the keys that hold them in a workload and in reference
// values alike. Those below uki and events have the section's or the event's name behind a dot.
const (
	listSecureBoot = "secure_boot."
	listUKI        = "uki"
	listEvents     = "events."
	listMok        = "mok."
)

// bootLists are the lists right below boot.
var bootLists = []string{"sbat_levels", "images", "kernels", "command_lines", "load_options", "initrds", "grub_commands", "measurements"}

// fingerprintSize is the size in bytes of the digests that signature databases
// are claimed by: SHA-256, whatever the registers' bank.
const fingerprintSize = 32

// spec says what the values of a list are.
func (b *bootLayout) spec(path string) valueSpec {
	key := "boot." + path
	spec := valueSpec{key: key, size: b.digest, sizes: b.digests, reference: key, technology: b.kind}
	switch {
	case path == "command_lines", path == "grub_commands", path == "sbat_levels":
		spec.form = &textForm
	case strings.HasPrefix(path, listEvents):
		spec.form = &payloadForm
	case strings.HasPrefix(path, listSecureBoot):
		spec.size, spec.sizes = fingerprintSize, nil
	case path == "initrds", path == listUKI+".initrd":
		spec.something = true
	}
	return spec
}

// form is how values are written that are not hex of a fixed size.
type form struct {
	read func(source, *yaml.Node, string) evidence.Hex // nil, reported, if it is none
	show func(evidence.Hex) string
}

var (
	textForm    = form{readBootText, func(v evidence.Hex) string { return quoted(string(v)) }}
	payloadForm = form{readPayload, shownPayload}
)

// quoted shows a text of a boot, which may have many lines.
func quoted(text string) string { return strconv.Quote(clipTo(text, maxText)) }

// readBootText reads a text as a boot loader measures it: exactly, with all its
// spaces and new lines.
func readBootText(s source, n *yaml.Node, key string) evidence.Hex {
	odd := func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' }
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str":
		s.problem(n, evidence.CodePolicyType, "%s: expected a text, not %s; write it in quotes", key, describe(n))
	case n.Value == "" || isAny(n):
		s.problem(n, evidence.CodePolicyValue, "%s: %q is no text that a boot loader measures", key, n.Value)
	case len(n.Value) > maxBootText:
		s.problem(n, evidence.CodePolicyValue, "%s: the text is longer than %d bytes", key, maxBootText)
	case !utf8.ValidString(n.Value) || strings.ContainsFunc(n.Value, odd):
		s.problem(n, evidence.CodePolicyValue, "%s: the text holds characters that do not print", key)
	default:
		return evidence.Hex(n.Value)
	}
	return nil
}

// containText reports whether any text of the list has this one in it.
func (v *values) containText(text string) bool {
	return v.containAny(func(value string) bool { return strings.Contains(value, text) })
}

// containAny reports whether any text of the list is like this.
func (v *values) containAny(like func(string) bool) bool {
	lists := []digests{v.literals}
	for _, ref := range v.references {
		lists = append(lists, ref.values)
	}
	for _, list := range lists {
		for value := range list {
			if like(value) {
				return true
			}
		}
	}
	return false
}

// readPayload reads hex of any length, none included: an event may say all that
// it has to say by its name.
func readPayload(s source, n *yaml.Node, key string) evidence.Hex {
	value, err := hex.DecodeString(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode || err != nil || isNull(n):
		s.problem(n, evidence.CodePolicyType, "%s: expected a payload in hex, in quotes, not %s", key, describe(n))
	case len(value) > maxBootText:
		s.problem(n, evidence.CodePolicyValue, "%s: the payload is longer than %d bytes", key, maxBootText)
	default:
		return append(evidence.Hex{}, value...)
	}
	return nil
}

func shownPayload(v evidence.Hex) string {
	if len(v) == 0 {
		return "no payload"
	}
	return clipTo(v.String(), maxText)
}

// readBootLists reads the boot lists of reference values.
func (s source) readBootLists(n *yaml.Node, layout *bootLayout, v *referenceValues) {
	f := s.mapping(n, "boot")
	if f == nil {
		return
	}
	read := func(f *fields, prefix string, keys ...string) {
		for _, key := range keys {
			s.readList(f.take(key), layout.spec(prefix+key), v)
		}
	}
	read(f, "", bootLists...)
	if secure := s.mapping(f.take("secure_boot"), "boot.secure_boot"); secure != nil {
		read(secure, listSecureBoot, "pk", "kek", "db")
		if dbx := s.mapping(secure.take("dbx"), "boot.secure_boot.dbx"); dbx != nil {
			read(dbx, listSecureBoot+"dbx.", "hashes", "certificates")
			dbx.done()
		}
		secure.done()
	}
	if uki := s.mapping(f.take("uki"), "boot.uki"); uki != nil {
		read(uki, listUKI, ukiSections...)
		uki.done()
	}
	if layout.mok != nil {
		if mok := s.mapping(f.take("mok"), "boot.mok"); mok != nil {
			read(mok, listMok, mokLists...)
			mok.done()
		}
	}
	if events := s.mapping(f.take("events"), "boot.events"); events != nil {
		for i := 0; i+1 < len(events.at.Content); i += 2 {
			if name := s.text(events.at.Content[i]); name != "" {
				read(events, listEvents, name)
			}
		}
	}
	if len(v.lists) == 0 {
		s.problem(n, evidence.CodePolicyValue, "boot has no values")
	}
	f.done()
}
