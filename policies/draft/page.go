package draft

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
)

// page is a document that is being written.
type page struct {
	options    *Options
	plan       plan
	text       strings.Builder
	indent     int
	warnings   []string
	references references
	empty      []emptyPCR
}

// emptyPCR is a PCR that nothing was measured into, with what it starts with.
type emptyPCR struct {
	index int
	value string // hex
}

func (w *page) line(format string, args ...any) {
	fmt.Fprintf(&w.text, "%s"+format+"\n", append([]any{strings.Repeat(" ", w.indent)}, args...)...)
}

// say writes a comment.
func (w *page) say(format string, args ...any) {
	rest := strings.Fields(plain(fmt.Sprintf(format, args...)))
	for len(rest) > 0 {
		line := "# " + rest[0]
		rest = rest[1:]
		for len(rest) > 0 && w.indent+len(line)+1+len(rest[0]) <= lineWidth {
			line += " " + rest[0]
			rest = rest[1:]
		}
		w.line("%s", line)
	}
}

// plain keeps foreign text within its comment.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) || r == '\u0085' || r == '\u2028' || r == '\u2029' || r == '\ufeff' {
			return ' '
		}
		return r
	}, text)
}

// key writes a key with its reason above it.
func (w *page) key(name, value, why string, args ...any) {
	w.say(why, args...)
	w.line("%s: %s", name, value)
}

// short writes a key with its reason behind it.
func (w *page) short(name, value, why string) { w.line("%s: %s # %s", name, value, plain(why)) }

// open writes a key whose value follows, deeper by one step.
func (w *page) open(name, why string, args ...any) {
	w.say(why, args...)
	w.line("%s:", name)
	w.indent += 2
}

func (w *page) close() { w.indent -= 2 }

// tighter writes a key as a comment: one that asks more than the draft does.
func (w *page) tighter(name, value, why string, args ...any) {
	w.say(why, args...)
	w.line("#%s: %s", name, value)
}

// waive writes a key as a comment: a relaxation without which the machine is
// not accepted, and which is for people to decide on.
func (w *page) waive(name, value, why string, args ...any) {
	w.warn(why, args...)
	w.line("#%s: %s", name, value)
}

// warn says in the text and to the caller what to look at.
func (w *page) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.warnings = append(w.warnings, plain(text))
	w.say("WARNING: %s", text)
}

// hexes writes a list of values, or a reference to one. The path is where
// reference values of the kind have the list; empty if they have none.
func (w *page) hexes(name string, kind evidence.Kind, path []string, values ...evidence.Hex) {
	var texts []string
	for _, value := range values {
		texts = append(texts, value.String())
	}
	w.list(name, kind, path, texts...)
}

// list is hexes for texts.
func (w *page) list(name string, kind evidence.Kind, path []string, texts ...string) {
	var distinct []string
	seen := map[string]bool{}
	for _, text := range texts {
		if !seen[text] {
			distinct = append(distinct, quote(text))
		}
		seen[text] = true
	}
	if w.options.References && path != nil {
		w.references.add(kind, path, distinct)
		w.line("%s: {reference: %s}", name, w.options.reference(kind))
		return
	}
	w.sequence(name, distinct)
}

// sequence writes a list in one line if it is short, or a value a line.
func (w *page) sequence(name string, quoted []string) {
	if len(quoted) < 2 {
		w.line("%s: %s", name, flow(quoted...))
		return
	}
	w.line("%s:", name)
	for _, text := range quoted {
		w.line("  - %s", text)
	}
}

func flow(items ...string) string { return "[" + strings.Join(items, ", ") + "]" }

// quote writes a text in YAML's double quotes. Go's escapes of ASCII are YAML's as well.
func quote(text string) string { return strconv.QuoteToASCII(text) }

func quotedFlow(texts []string) string {
	var quoted []string
	for _, text := range texts {
		quoted = append(quoted, quote(text))
	}
	return flow(quoted...)
}

// word writes a key that claims name.
func word(name string) string {
	odd := func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789_.", r) }
	if name == "" || strings.ContainsFunc(name, odd) {
		return quote(name)
	}
	return name
}

// reference names the document of reference values of a kind.
func (o *Options) reference(kind evidence.Kind) string { return o.Name + "-" + string(kind) }

func (o *Options) notAfter() string {
	return o.end(referencesLast)
}

// until is where the draft suggests to end what it would rather not accept.
func (o *Options) until() string { return o.end(exceptionsLast) }

func (o *Options) end(after time.Duration) string {
	end := o.NotAfter
	if end.IsZero() {
		end = o.At.Truncate(time.Second).Add(after)
	}
	return instant(end)
}

// made is when the draft was made, in whole seconds: CoRIMs hold no others, and people read it.
func (o *Options) made() string { return instant(o.At.Truncate(time.Second)) }

// instant writes a time as documents have it. A fraction of a second must not end something early.
func instant(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
