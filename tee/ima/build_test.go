package ima_test

import (
	"bytes"
	"crypto"
	"crypto/sha1"
	"encoding/binary"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/ima"
)

// entry is an entry as a kernel would write it.
type entry struct {
	pcr       uint32
	template  string
	fields    [][]byte
	violation bool
}

// digestField is the field d-ng: "sha256:", a null, a digest.
func digestField(algorithm string, digest []byte) []byte {
	return append([]byte(algorithm+":\x00"), digest...)
}

func nameField(path string) []byte { return []byte(path + "\x00") }

// contents are files' contents in tests: a digest follows from a word.
func contents(word string) []byte {
	h := crypto.SHA256.New()
	h.Write([]byte(word))
	return h.Sum(nil)
}

// file is an entry of the template ima-ng.
func file(path, word string) entry {
	return entry{pcr: ima.PCR, template: "ima-ng", fields: [][]byte{digestField("sha256", contents(word)), nameField(path)}}
}

// signed is an entry of the template ima-sig.
func signed(path, word string, signature []byte) entry {
	e := file(path, word)
	e.template, e.fields = "ima-sig", append(e.fields, signature)
	return e
}

// buffer is an entry of the template ima-buf.
func buffer(name, word string) entry {
	e := file(name, word)
	e.template, e.fields = "ima-buf", append(e.fields, []byte(word))
	return e
}

// violation is an entry of a file that could not be measured.
func violation(path string) entry {
	return entry{
		pcr: ima.PCR, template: "ima-ng", violation: true,
		fields: [][]byte{digestField("sha256", make([]byte, 32)), nameField(path)},
	}
}

// data is the template's data: each field behind its length.
func (e entry) data() []byte {
	var b []byte
	for _, field := range e.fields {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(field)))
		b = append(b, field...)
	}
	return b
}

func (e entry) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, e.pcr)
	digest := sha1.Sum(e.data())
	if e.violation {
		clear(digest[:])
	}
	b = append(b, digest[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(e.template)))
	b = append(b, e.template...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(e.data())))
	return append(b, e.data()...)
}

// extend is what a TPM does with the entry.
func (e entry) extend(register []byte, bank crypto.Hash) []byte {
	h := bank.New()
	h.Write(e.data())
	digest := h.Sum(nil)
	if e.violation {
		digest = bytes.Repeat([]byte{0xff}, bank.Size())
	}
	h.Reset()
	h.Write(register)
	h.Write(digest)
	return h.Sum(nil)
}

// encode is the list of a kernel with these entries.
func encode(entries ...entry) []byte {
	var b []byte
	for _, e := range entries {
		b = e.append(b)
	}
	return b
}

// pcr10 is what a kernel with these entries leaves in PCR 10.
func pcr10(bank crypto.Hash, entries ...entry) []byte {
	register := make([]byte, bank.Size())
	for _, e := range entries {
		if e.pcr == ima.PCR {
			register = e.extend(register, bank)
		}
	}
	return register
}

func parse(t testing.TB, raw []byte) *ima.List {
	t.Helper()
	list, err := ima.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// vouched are the files of a list that PCR 10 vouches for.
func vouched(t testing.TB, raw, register []byte) (files []evidence.IMAFile, unread, violations uint64) {
	t.Helper()
	list := parse(t, raw)
	covered, ok := list.Replay(nil, crypto.SHA256).Find(register)
	if !ok {
		t.Fatal("the list does not lead to PCR 10")
	}
	return list.Claims(covered)
}

// refused fails the test if the list parses, or is refused with another code.
func refused(t testing.TB, raw []byte) {
	t.Helper()
	if list, err := ima.Parse(raw); evidence.CodeOf(err) != evidence.CodeTPMIMALog {
		t.Errorf("got %v with error %v", list, err)
	}
}

// unfounded fails the test if the list leads to this value of PCR 10.
func unfounded(t testing.TB, raw, register []byte) {
	t.Helper()
	if covered, ok := parse(t, raw).Replay(nil, crypto.SHA256).Find(register); ok {
		t.Errorf("%d entries lead to PCR 10", covered)
	}
}
