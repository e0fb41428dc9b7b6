package evidence

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestAttack_D03_ParseMemory: no input of the largest size makes Parse take more than a
// few times its own size.
func TestAttack_D03_ParseMemory(t *testing.T) {
	const most = 16 * MaxEncoded
	full := func(s string) []byte { return []byte(strings.Repeat(s, MaxEncoded/len(s))) }
	deep := strings.Repeat("[", MaxEncoded/2)
	for name, data := range map[string][]byte{
		"JSON, deep arrays":      []byte(deep + strings.Repeat("]", MaxEncoded/2)),
		"JSON, deep objects":     full(`{"a":`),
		"JSON, long record":      append(full(`[1,`), ']'),
		"JSON, many labels":      manyLabels(),
		"JSON, one long string":  []byte(`["` + strings.Repeat("a", MaxEncoded-10) + `"]`),
		"JSON, escapes":          []byte(`["` + strings.Repeat(`\u0061`, MaxEncoded/7) + `"]`),
		"CBOR, deep arrays":      bytes.Repeat([]byte{0x82}, MaxEncoded),
		"CBOR, deep maps":        bytes.Repeat([]byte{0xa1, 0x61, 0x61}, MaxEncoded/3),
		"CBOR, a wide map":       append([]byte{0xb9, 0xff, 0xff}, bytes.Repeat([]byte{0x01}, MaxEncoded-3)...),
		"CBOR, a wide array":     append([]byte{0x99, 0xff, 0xff}, bytes.Repeat([]byte{0x80}, MaxEncoded-3)...),
		"payload, deep and wide": []byte(fmt.Sprintf(`[%q,%q]`, MediaTypeTPM, base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xa1, 0x60}, MaxEncoded/3)))),
	} {
		if len(data) > MaxEncoded {
			data = data[:MaxEncoded]
		}
		if got := allocated(func() { _, _ = Parse(data) }); got > most {
			t.Errorf("%s: %d bytes allocated for %d", name, got, len(data))
		}
	}
}

func manyLabels() []byte {
	var b strings.Builder
	b.WriteByte('{')
	for i := 0; b.Len() < MaxEncoded-20; i++ {
		fmt.Fprintf(&b, `"%x":{},`, i)
	}
	return []byte(b.String() + `"x":{}}`)
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func BenchmarkParse(b *testing.B) {
	bundle := Bundle{&SNP{Report: append([]byte{3, 0, 0, 0}, make([]byte, snpReportSize-4)...), Certificates: [][]byte{make([]byte, 1400)}}}
	inJSON, inCBOR := mustJSON(b, bundle), mustCBOR(b, bundle)
	for name, data := range map[string][]byte{"JSON": inJSON, "CBOR": inCBOR, "bare": bundle[0].(*SNP).Report} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := Parse(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
