package tdx

import (
	"bytes"
	"strings"
	"testing"
)

// TestHostileDocuments: documents that are made to grow when they are read take no
// more than a multiple of their size, the largest ones included: a small one to
// take apart what anybody may send, and the size of what a value is kept in, for
// its few bytes, once a signature holds.
func TestHostileDocuments(t *testing.T) {
	for name, unit := range map[string]string{
		"numbers": "0", "empty objects": "{}", "members": `{"a":0}`, "escaped texts": `"\u0061\u0062"`, "deep": `[[[[[[[0]]]]]]]`,
		"long texts": `"` + strings.Repeat("x", maxText) + `"`, "long names": `{"` + strings.Repeat("x", maxText) + `":0}`,
	} {
		t.Run(name, func(t *testing.T) {
			list := "[" + strings.Repeat(unit+",", min(maxElements, maxDocument/2/len(unit))-1) + unit + "]"
			count := min(maxElements, (maxDocument-100)/(len(list)+1))
			body := []byte(`{"a":[` + strings.Repeat(list+",", count-1) + list + `]}`)
			if _, err := decodeTCBInfo(body); err == nil || err.Error() != `"id" is missing` {
				t.Fatalf("it is not read to its end: %v", err)
			}
			wrapped := bytes.Join([][]byte{[]byte(`{"tcbInfo":`), body, []byte(`,"signature":""}`)}, nil)
			if got := allocated(func() { _, _, _ = splitSigned(wrapped, "tcbInfo") }); got > uint64(4*len(wrapped)) {
				t.Errorf("taken apart: %d bytes allocated for %d", got, len(wrapped))
			}
			if got := allocated(func() { _, _ = decodeTCBInfo(body) }); got > uint64(50*len(body)) {
				t.Errorf("decoded: %d bytes allocated for %d", got, len(body))
			}
		})
	}
}
