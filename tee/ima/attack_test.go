package ima_test

import (
	"bytes"
	"crypto"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/ima"
)

// TestAttack_P34_ListsThatAreNot changes a list so that it is none: the log does not
// lead to PCR 10 then, but that must not be what saves the reader.
func TestAttack_P34_ListsThatAreNot(t *testing.T) {
	whole := encode(boot()...)
	for cut := 1; cut < len(whole); cut++ {
		list, err := ima.Parse(whole[:cut])
		ends := err == nil && slices.ContainsFunc(parse(t, whole).Entries, func(e ima.Entry) bool { return e.Offset == cut })
		if err == nil && !ends {
			t.Errorf("cut after %d bytes there are %d entries", cut, len(list.Entries))
		}
		if err != nil && evidence.CodeOf(err) != evidence.CodeTPMIMALog {
			t.Errorf("cut after %d bytes: %v", cut, err)
		}
	}
	le := binary.LittleEndian
	nameAt, dataAt := 4+20, 4+20+4+len("ima-ng")
	for name, mutate := range map[string]func(raw []byte){
		"register 24":              func(raw []byte) { le.PutUint32(raw, 24) },
		"register -1":              func(raw []byte) { le.PutUint32(raw, 0xffff_ffff) },
		"big-endian":               func(raw []byte) { binary.BigEndian.PutUint32(raw, ima.PCR) },
		"no template":              func(raw []byte) { le.PutUint32(raw[nameAt:], 0) },
		"a template longer":        func(raw []byte) { le.PutUint32(raw[nameAt:], 255) },
		"a vast template":          func(raw []byte) { le.PutUint32(raw[nameAt:], 0xffff_ffff) },
		"a template with a null":   func(raw []byte) { raw[nameAt+4] = 0 },
		"a template with a line":   func(raw []byte) { raw[nameAt+4] = '\n' },
		"a template beyond ASCII":  func(raw []byte) { raw[nameAt+4] = 0x80 },
		"vast data":                func(raw []byte) { le.PutUint32(raw[dataAt:], 0xffff_ffff) },
		"data over the next entry": func(raw []byte) { le.PutUint32(raw[dataAt:], le.Uint32(raw[dataAt:])+1) },
		"less data":                func(raw []byte) { le.PutUint32(raw[dataAt:], le.Uint32(raw[dataAt:])-1) },
	} {
		t.Run(name, func(t *testing.T) {
			raw := bytes.Clone(whole)
			mutate(raw)
			refused(t, raw)
		})
	}
	refused(t, append(bytes.Clone(whole), 0))
	refused(t, append(bytes.Clone(whole), make([]byte, 100)...))
}

// TestAttack_P34_FieldLengths changes the length of each field of an entry, with a TPM
// that measured it so. It then names nothing, and above all no other file.
func TestAttack_P34_FieldLengths(t *testing.T) {
	honest := signed("/usr/bin/evil", "evil", []byte("\x03signature")).data()
	offset := 0
	for range 3 {
		length := binary.LittleEndian.Uint32(honest[offset:])
		for _, other := range []uint32{0, 1, length - 1, length + 1, length + 4, uint32(len(honest)), 1 << 31, 0xffff_ffff} {
			data := bytes.Clone(honest)
			binary.LittleEndian.PutUint32(data[offset:], other)
			raw := binary.LittleEndian.AppendUint32(nil, ima.PCR)
			raw = append(raw, bytes.Repeat([]byte{1}, 20)...)
			raw = append(raw, "\x07\x00\x00\x00ima-sig"...)
			raw = binary.LittleEndian.AppendUint32(raw, uint32(len(data)))
			raw = append(raw, data...)
			if files, unread, _ := parse(t, raw).Claims(1); len(files) != 0 || unread != 1 {
				t.Errorf("length %d at %d: %v, unread %d", other, offset, files, unread)
			}
		}
		offset += 4 + int(length)
	}
}

// TestAttack_P34_PathsThatLookLikeMore puts other entries, other lines and other
// fields into a path. It is one path of one file.
func TestAttack_P34_PathsThatLookLikeMore(t *testing.T) {
	for _, path := range []string{
		"/tmp/x\n10 0000000000000000000000000000000000000000 ima-ng sha256:00 /usr/bin/init",
		"/tmp/x sha256:00 /usr/bin/init", "/tmp/\x1b[2J", "/tmp/\xff\xfe", "/tmp/\u202etxt", "/usr/bin/../bin/init", "usr/bin/init", "\n", " ",
		strings.Repeat("/x", 2047),
	} {
		e := file(path, "evil")
		files, unread, violations := vouched(t, encode(e), pcr10(crypto.SHA256, e))
		if len(files) != 1 || files[0].Path != path || unread+violations != 0 {
			t.Errorf("%q became %q", path, files)
		}
	}
}

// TestAttack_P34_TemplatesInMessages names a template that would be lines in a
// message: it is refused, and what is quoted of others is printable.
func TestAttack_P34_TemplatesInMessages(t *testing.T) {
	for _, template := range []string{"ima-ng\nok", "ima\x1b[2J", "", strings.Repeat("x", 255)} {
		e := file("/x", "x")
		e.template = template
		refused(t, encode(e))
		_, err := ima.Parse(encode(e))
		if text := fmt.Sprint(err); strings.ContainsAny(text, "\n\x1b") || len(text) > 500 {
			t.Errorf("message %q", text)
		}
	}
}

// TestAttack_P34_SecondContent measures a good file and then another content under
// the same path: both show.
func TestAttack_P34_SecondContent(t *testing.T) {
	list := []entry{file("/usr/bin/init", "good"), file("/usr/bin/init", "evil"), file("/usr/bin/init", "good")}
	files, _, _ := vouched(t, encode(list...), pcr10(crypto.SHA256, list...))
	if len(files) != 2 || !bytes.Equal(files[0].Digest, contents("good")) || !bytes.Equal(files[1].Digest, contents("evil")) {
		t.Errorf("got %v", files)
	}
}

// TestAttack_P26_P34_OtherEntries leaves out, adds, changes or moves entries. Only the
// entries that the kernel measured, in their order, lead to PCR 10.
func TestAttack_P26_P34_OtherEntries(t *testing.T) {
	list := boot()
	register := pcr10(crypto.SHA256, list...)
	for i := range list {
		if list[i].pcr != ima.PCR {
			continue // nothing vouches for it, and nothing is claimed of it
		}
		unfounded(t, encode(slices.Delete(slices.Clone(list), i, i+1)...), register)
		unfounded(t, encode(slices.Insert(slices.Clone(list), i, file("/evil", "evil"))...), register)
		unfounded(t, encode(slices.Insert(slices.Clone(list), i, violation("/evil"))...), register)
		if i+1 < len(list) { // else the second one is behind the quote
			unfounded(t, encode(slices.Insert(slices.Clone(list), i, list[i])...), register)
		}
		for j := range i {
			if list[j].pcr == ima.PCR {
				swapped := slices.Clone(list)
				swapped[i], swapped[j] = swapped[j], swapped[i]
				unfounded(t, encode(swapped...), register)
			}
		}
		other := slices.Clone(list)
		other[i].violation = !other[i].violation
		unfounded(t, encode(other...), register)
		other = slices.Clone(list)
		other[i].pcr = 11
		unfounded(t, encode(other...), register)
	}
	unfounded(t, nil, register)
}

// TestAttack_P34_EveryBit flips each bit of a list: it is refused, does not lead to
// PCR 10, or says the same.
func TestAttack_P34_EveryBit(t *testing.T) {
	list := boot()
	raw, register := encode(list...), pcr10(crypto.SHA256, list...)
	want, _, _ := vouched(t, raw, register)
	for bit := range 8 * len(raw) {
		flipped := bytes.Clone(raw)
		flipped[bit/8] ^= 1 << (bit % 8)
		parsed, err := ima.Parse(flipped)
		if err != nil {
			continue
		}
		covered, ok := parsed.Replay(nil, crypto.SHA256).Find(register)
		if !ok {
			continue
		}
		files, unread, violations := parsed.Claims(covered)
		same := slices.EqualFunc(files, want, func(a, b evidence.IMAFile) bool {
			return a.Path == b.Path && bytes.Equal(a.Digest, b.Digest) && bytes.Equal(a.Signature, b.Signature)
		})
		if !same || unread != 0 || violations != 1 {
			t.Errorf("bit %d of byte %d: %v, unread %d, violations %d", bit%8, bit/8, files, unread, violations)
		}
	}
}

// TestAttack_P34_EntriesBehindTheQuote adds entries that PCR 10 does not vouch for.
func TestAttack_P34_EntriesBehindTheQuote(t *testing.T) {
	list := boot()
	register := pcr10(crypto.SHA256, list...)
	elsewhere := file("/elsewhere", "elsewhere")
	elsewhere.pcr = 11
	longer := append(slices.Clone(list), elsewhere, file("/later", "later"), violation("/later"))
	files, unread, violations := vouched(t, encode(longer...), register)
	if len(files) != 4 || unread != 0 || violations != 1 {
		t.Errorf("%v, unread %d, violations %d", files, unread, violations)
	}
}

// TestAttack_P34_TemplateSwap keeps the data, which the register vouches for, and
// changes the template's name, which it does not: the file does not hide behind a name that is unknown,
// or for something else, nor is a field taken for another.
func TestAttack_P34_TemplateSwap(t *testing.T) {
	// The third field is the guest's choice: 20 bytes that could be another file's SHA-1.
	for _, signature := range [][]byte{nil, []byte("\x03signature"), append([]byte{0x03}, make([]byte, 19)...), []byte("\x05of EVM")} {
		e := signed("/usr/bin/evil", "evil", signature)
		register := pcr10(crypto.SHA256, e)
		for _, template := range []string{
			"ima-ng", "ima-sigv2", "ima-buf", "ima-modsig", "evm-sig", "d-ng|n-ng", "n-ng|d-ng|sig", "d-modsig|n-ng|d", "d|n-ng|sig",
			"sig|n-ng|d-ng", "d-ng|n-ng|modsig", "d-ng|xattrnames|n-ng", "unknown", "x|y", "|",
		} {
			swapped := e
			swapped.template = template
			files, unread, violations := vouched(t, encode(swapped), register)
			if len(files) != 1 || files[0].Path != "/usr/bin/evil" || !bytes.Equal(files[0].Digest, contents("evil")) || unread+violations != 0 {
				t.Errorf("%s: %v, unread %d, violations %d", template, files, unread, violations)
			}
		}
	}
}

// TestAttack_P34_OriginalTemplateSwap says of data that a register vouches for that they are
// of the first template, in which they are measured in another way.
func TestAttack_P34_OriginalTemplateSwap(t *testing.T) {
	const name = "/usr/bin/evil"
	_, measured := original(make([]byte, 20), name, ima.PCR)
	// A kernel measured a template that has a field of 20 bytes and a name; and the first template.
	for _, e := range []entry{
		{template: "d|n", fields: [][]byte{make([]byte, 20), nameField(name)}, pcr: ima.PCR},
		{template: "ima-ng", fields: [][]byte{digestField("sha1", make([]byte, 20)), nameField(name)}, pcr: ima.PCR},
	} {
		raw, _ := original(make([]byte, 20), name, ima.PCR)
		unfounded(t, raw, pcr10(crypto.SHA256, e))
	}
	// And the other way round: what the first template measured is read as nothing else.
	raw := binary.LittleEndian.AppendUint32(nil, ima.PCR)
	raw = append(raw, bytes.Repeat([]byte{1}, 20)...)
	raw = append(raw, "\x06\x00\x00\x00ima-ng"...)
	raw = binary.LittleEndian.AppendUint32(raw, uint32(len(measured)))
	if files, unread, _ := parse(t, append(raw, measured...)).Claims(1); len(files) != 0 || unread != 1 {
		t.Errorf("%v, unread %d", files, unread)
	}
}

// TestAttack_P34_ViolationSmuggling hides a file's data in a violation, whose data
// nothing covers: it counts, and names nothing.
func TestAttack_P34_ViolationSmuggling(t *testing.T) {
	honest := []entry{file("/a", "a"), violation("/log")}
	register := pcr10(crypto.SHA256, honest...)
	smuggled := violation("/usr/bin/init")
	smuggled.fields[0] = digestField("sha256", contents("a good init"))
	odd := violation("")
	odd.fields = [][]byte{[]byte("no form at all")}
	for _, e := range []entry{smuggled, odd} {
		files, unread, violations := vouched(t, encode(honest[0], e), register)
		if len(files) != 1 || files[0].Path != "/a" || unread != 0 || violations != 1 {
			t.Errorf("%v, unread %d, violations %d", files, unread, violations)
		}
	}
	// A violation that is said to be of another register would not count; and then does not replay.
	elsewhere := honest[1]
	elsewhere.pcr = 11
	unfounded(t, encode(honest[0], elsewhere), register)
}

// TestAttack_P34_FileNamedLikeTheAggregate measures a file that is named like the
// kernel's first entry, which is possible out of reach of the root directory: it shows.
func TestAttack_P34_FileNamedLikeTheAggregate(t *testing.T) {
	list := []entry{file(ima.AggregateName, "the PCRs"), file(ima.AggregateName, "evil")}
	files, _, _ := vouched(t, encode(list...), pcr10(crypto.SHA256, list...))
	if len(files) != 2 || files[1].Path != ima.AggregateName || !bytes.Equal(files[1].Digest, contents("evil")) {
		t.Errorf("got %v", files)
	}
}

// TestAttack_P34_FileThatPassesForABuffer makes a file's signature, which root can
// write as it likes, its own content: then its digest is that of the third field, as with a buffer.
func TestAttack_P34_FileThatPassesForABuffer(t *testing.T) {
	for _, typ := range []string{"\x03", "\x05", "\x06"} {
		content := typ + "a configuration"
		e := signed("/etc/evil.conf", content, []byte(content))
		e.template = "ima-buf"
		files, unread, _ := vouched(t, encode(e), pcr10(crypto.SHA256, e))
		if len(files) != 1 || files[0].Path != "/etc/evil.conf" || unread != 0 {
			t.Errorf("%x: %v, unread %d", typ, files, unread)
		}
	}
}

// TestAttack_P34_BufferNamedLikeAFile measures a buffer under a name that the guest
// chose, a keyring's: it is not a file, whatever the template is said to be.
func TestAttack_P34_BufferNamedLikeAFile(t *testing.T) {
	e := buffer("/usr/bin/init", "good")
	for _, template := range []string{"ima-buf", "ima-sig"} {
		e.template = template
		if files, unread, _ := vouched(t, encode(e), pcr10(crypto.SHA256, e)); len(files) != 0 || unread != 0 {
			t.Errorf("%v, unread %d", files, unread)
		}
	}
}

// TestAttack_P34_OlderKernel extends the SHA-256 bank with SHA-1 digests and zeros,
// as kernels before 5.8 did: such a bank vouches for less than it seems to, and is not accepted.
func TestAttack_P34_OlderKernel(t *testing.T) {
	list := boot()[:3]
	register := make([]byte, 32)
	for _, e := range list {
		h := crypto.SHA1.New()
		h.Write(e.data())
		h2 := crypto.SHA256.New()
		h2.Write(register)
		h2.Write(append(h.Sum(nil), make([]byte, 12)...))
		register = h2.Sum(nil)
	}
	unfounded(t, encode(list...), register)
}

// TestAttack_P31_IMASizes reads lists of more bytes or entries than are read at
// once, and asks for memory in vain.
func TestAttack_P31_IMASizes(t *testing.T) {
	refused(t, make([]byte, evidence.MaxIMALog+1))
	small := entry{pcr: ima.PCR, template: "x"}
	raw := bytes.Repeat(encode(small), evidence.MaxIMALog/64)
	if list := parse(t, raw); len(list.Entries) != evidence.MaxIMALog/64 {
		t.Errorf("%d entries", len(list.Entries))
	}
	refused(t, append(raw, encode(small)...))
}
