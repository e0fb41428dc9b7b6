package eventlog

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/quotary/quotary/internal/cursor"
)

// kind says what is known of an event, because its digest says so.
type kind uint8

const (
	uncovered       kind = iota // the digest covers nothing in the log
	covered                     // the digest covers data that has no meaning here
	refuted                     // the digest says that the event is not what its type says
	separator                   // the hand-over from firmware
	separatorError              // the hand-over, after something went wrong
	action                      // text: a step that firmware took
	variableWhole               // variable: name and value
	variableValue               // variable: value alone; the name is hearsay
	image                       // the digest is an image's own, and covers nothing in the log
	partitions                  // the table of a disk's partitions
	grubText                    // text: what GRUB ran or passed on; what it is follows from the text alone
	wideText                    // text: a command line in UTF-16
	sectionName                 // text: the name of a section of a unified kernel image
	phase                       // text: a phase of systemd's boot
	application                 // text: a name; payload
	firmwareVersion             // text
)

// fact is an event with what is known of it.
type fact struct {
	*Event
	digest   []byte
	ordinal  int // among the events that extended its register
	kind     kind
	text     string
	payload  []byte
	variable variable
}

// The steps that firmware measures as text (PFP, 10.4.4, table 14).
const (
	actionCalling   = "Calling EFI Application from Boot Option"
	actionReturning = "Returning from EFI Application from Boot Option"
	actionExit      = "Exit Boot Services Invocation"
	actionExited    = "Exit Boot Services Returned with Success"
	actionStayed    = "Exit Boot Services Returned with Failure"
	actionDebug     = "UEFI Debug Mode"
)

// The data of separators (PFP, 10.4.1): two that say nothing, one that tells of an error.
var (
	separatorZeros = []byte{0, 0, 0, 0}
	separatorOnes  = []byte{0xff, 0xff, 0xff, 0xff}
	separatorFault = []byte{1, 0, 0, 0}
)

// gptSignature begins the header of a partition table (UEFI 2.10, 5.3.2).
var gptSignature = []byte("EFI PART")

// sectionNames are the sections of a unified kernel image that are measured (UAPI.5).
var sectionNames = []string{
	".linux", ".osrel", ".cmdline", ".initrd", ".ucode", ".splash", ".dtb", ".dtbauto", ".hwids",
	".uname", ".sbat", ".pcrpkey", ".profile", ".efifw",
}

// constants are the digests of separators, actions and names of sections. An event
// with one of them is that, whatever its type says.
type constants struct {
	zeros, ones, fault digest
	texts              []digest
}

// constantsOf are the constants of the banks that claims are drawn from.
var constantsOf = map[Algorithm]*constants{SHA256: newConstants(SHA256), SHA384: newConstants(SHA384), SHA512: newConstants(SHA512)}

func newConstants(bank Algorithm) *constants {
	k := &constants{zeros: bank.sum(separatorZeros), ones: bank.sum(separatorOnes), fault: bank.sum(separatorFault)}
	for _, text := range []string{actionCalling, actionReturning, actionExit, actionExited, actionStayed, actionDebug} {
		k.texts = append(k.texts, bank.sum([]byte(text)))
	}
	for _, name := range sectionNames {
		k.texts = append(k.texts, bank.sum(append([]byte(name), 0)))
	}
	return k
}

// has reports whether a digest is one of the constants.
func (k *constants) has(digest []byte) bool {
	found := k.zeros.equals(digest) || k.ones.equals(digest) || k.fault.equals(digest)
	for i := range k.texts {
		found = found || k.texts[i].equals(digest)
	}
	return found
}

// classifier finds out what digests cover.
type classifier struct {
	bank Algorithm
	*constants
}

func (c classifier) covers(f *fact, data []byte) bool {
	sum := c.bank.sum(data)
	return sum.equals(f.digest)
}

// A digest may be one of anything: of an image, of a variable, of a text. Whoever
// hands over a log may give the very bytes of it as the data of another type, and
// the digest covers them. So a rule that says what an event is looks at the bytes:
// those of one kind must not pass for those of another.

// classify sets what is known of an event.
func (c classifier) classify(f *fact) {
	if !c.byContent(f) {
		c.byType(f, c.covers(f, f.Data))
	}
	switch f.kind {
	case separator, separatorError, action, sectionName:
		return
	case variableValue: // a boot order of the options 1 and 0 reads as the separator of an error
		if c.fault.equals(f.digest) {
			return
		}
	}
	if c.has(f.digest) {
		f.kind = refuted
	}
}

// byContent applies the rules that need not know whether the digest covers the
// whole of the data. It is false if none holds.
func (c classifier) byContent(f *fact) bool {
	switch f.Type {
	case EFIApplication, EFIBootDriver, EFIRuntimeDriver:
		f.kind = image
		return true
	case IPL:
		return c.grub(f)
	}
	return false
}

// byType applies the rule for the event's type; whole says that the digest
// covers exactly its data.
func (c classifier) byType(f *fact, whole bool) {
	if whole {
		f.kind = covered
	}
	switch f.Type {
	case Separator:
		c.separator(f, whole)
	case EFIAction:
		f.kind = refuted
		if text := string(f.Data); whole && isLine(text) { // no image is text: the offset of its header would be too large
			f.kind, f.text = action, text
		}
	case EFIGPT:
		if whole && bytes.HasPrefix(f.Data, gptSignature) {
			f.kind = partitions
		}
	case EFIVariableConfig, EFIVariableAuthority, EFIVariableBoot, EFIVariableBoot2:
		c.variable(f, whole)
	case IPL:
		c.ipl(f, whole)
	case EventTag, RuntimeEvent:
		c.application(f, whole)
	case SCRTMVersion:
		if text, ok := decodeVersion(f.Data); whole && ok {
			f.kind, f.text = firmwareVersion, text
		}
	}
}

func (c classifier) separator(f *fact, whole bool) {
	switch {
	case c.fault.equals(f.digest):
		f.kind = separatorError // the data may describe the error, and is not covered then
	case whole && (bytes.Equal(f.Data, separatorZeros) || bytes.Equal(f.Data, separatorOnes)):
		f.kind = separator
	case !whole || f.Register <= 7:
		f.kind = refuted // operating systems write separators of their own behind register 7
	}
}

// variable tells variables whose name and value were measured from those whose
// value alone was, as firmware does with boot options.
func (c classifier) variable(f *fact, whole bool) {
	v, ok := parseVariable(f.Data)
	switch {
	case !ok:
	case whole:
		f.kind, f.variable = variableWhole, v
	case (f.Type == EFIVariableBoot || f.Type == EFIVariableBoot2) && c.covers(f, v.value) && isBootVariable(v):
		f.kind, f.variable = variableValue, v
	}
}

// grubPrefixes are what GRUB writes before what it measured. They are not
// measured, so that they decide nothing.
var grubPrefixes = []string{"grub_cmd: ", "kernel_cmdline: ", "module_cmdline: "}

// grub applies the rule of GRUB: the digest covers the text behind the prefix.
func (c classifier) grub(f *fact) bool {
	data := trimNulls(f.Data)
	for _, prefix := range grubPrefixes {
		text, ok := bytes.CutPrefix(data, []byte(prefix))
		if ok && isText(string(text)) && c.covers(f, text) {
			f.kind, f.text = grubText, string(text)
			return true
		}
	}
	return false
}

// ipl applies the rules of the other boot loaders for EV_IPL.
func (c classifier) ipl(f *fact, whole bool) {
	text := string(trimNulls(f.Data))
	if whole && len(text) == len(f.Data) && slices.Contains(phases, text) {
		f.kind, f.text = phase, text
		return
	}
	wide, ok := decodeUTF16(trimWideNulls(f.Data))
	if !ok || wide == "" || !isLine(wide) {
		return
	}
	encoded := encodeUTF16(wide)
	switch {
	case isSectionName(wide) && c.covers(f, append([]byte(wide), 0)):
		f.kind, f.text = sectionName, wide
	case c.covers(f, encoded) || c.covers(f, append(encoded, 0, 0)):
		f.kind, f.text = wideText, wide
	}
}

// isSectionName reports whether text can name a section of a PE image.
func isSectionName(text string) bool {
	return len(text) >= 2 && len(text) <= 8 && text[0] == '.'
}

// tagApplication is the tag of an attestation agent's events: "AAEL" as a number.
const tagApplication = 0x4141454c

// application applies the two rules for events of applications. A tagged event's
// digest covers the whole of its data; its text is the name, up to its second
// space, and then the payload. A runtime event's digest covers its type, a colon
// and its data, which is a name, a colon and the payload.
func (c classifier) application(f *fact, whole bool) {
	if f.Type == RuntimeEvent {
		typ := []byte{byte(f.Type), byte(f.Type >> 8), byte(f.Type >> 16), byte(f.Type >> 24), ':'}
		name, payload, ok := bytes.Cut(f.Data, []byte(":"))
		if ok && isLine(string(name)) && c.covers(f, append(typ, f.Data...)) {
			f.kind, f.text, f.payload = application, string(name), payload
		}
		return
	}
	tagged := cursor.LittleEndian{Rest: f.Data}
	tag, data := tagged.U32(), tagged.Sized(uint64(tagged.U32()))
	if !whole || tag != tagApplication || !tagged.Done() {
		return
	}
	domain, rest, _ := bytes.Cut(data, []byte(" "))
	operation, payload, ok := bytes.Cut(rest, []byte(" "))
	if name := string(domain) + " " + string(operation); ok && isLine(name) {
		f.kind, f.text, f.payload = application, name, payload
	}
}

// label returns the name that a tagged event or a boot loader's event bears. It
// is hearsay.
func (f *fact) label() string {
	data := f.Data
	if f.Type == EventTag {
		tagged := cursor.LittleEndian{Rest: data}
		tagged.U32()
		data = tagged.Sized(uint64(tagged.U32()))
	}
	return string(trimNulls(data))
}

// decodeVersion reads a firmware's version: a text in UTF-16 with its null, or a
// GUID (PFP, 10.4.1).
func decodeVersion(data []byte) (string, bool) {
	if text, ended := bytes.CutSuffix(data, []byte{0, 0}); ended {
		version, ok := decodeUTF16(text)
		return version, ok && isLine(version)
	}
	if len(data) != len(guid{}) {
		return "", false
	}
	return guid(data).String(), true
}

func trimNulls(b []byte) []byte { return bytes.TrimRight(b, "\x00") }

// trimWideNulls takes nulls from the end of UTF-16LE, and puts back the half of
// the last character that may have been one of them.
func trimWideNulls(b []byte) []byte {
	n := len(trimNulls(b))
	if n%2 != 0 && n < len(b) {
		n++
	}
	return b[:n]
}

// isText reports whether s can be what a person wrote: UTF-8 without other
// control characters than new lines and tabs.
func isText(s string) bool {
	return s != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f })
}

// isLine is isText on one line.
func isLine(s string) bool { return isText(s) && !strings.Contains(s, "\n") }
