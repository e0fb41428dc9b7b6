package server

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// What the strict decoder accepts is an object whose members the standard
// library sees alike, and has no others.
func FuzzDecodeObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"challenge":"a","evidence":{"x":["y","z"]},"token":["jwt"]}`, `{"challenge":"a","challenge":"b"}`, `{"Challenge":"a"}`,
		`{"evidence":"AAAA","csr":"-----BEGIN CERTIFICATE REQUEST-----\nAA==\n-----END CERTIFICATE REQUEST-----\n"}`,
		`{"audience":"\ud800"}`, `[]`, `null`, `{"token":[null]}`, `{"evidence":1e999}`, "{\"to\u212aen\":1}", `{"report_data":"00"} {}`,
	} {
		f.Add([]byte(seed))
	}
	members := []string{"challenge", "evidence", "csr", "public_key", "token", "audience", "report_data"}
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := decodeObject(body, members...)
		if err != nil {
			return
		}
		var std map[string]json.RawMessage
		if err := json.Unmarshal(body, &std); err != nil {
			t.Fatalf("the standard library refuses: %v", err)
		}
		if len(std) != len(o) {
			t.Fatalf("%d members, the standard library has %d", len(o), len(std))
		}
		for name, raw := range o {
			if !reflect.DeepEqual(strings.TrimSpace(string(raw)), strings.TrimSpace(string(std[name]))) {
				t.Errorf("%s is %s, the standard library has %s", name, raw, std[name])
			}
		}
		_, _ = o.evidence()
		_, _ = o.formats()
		_, _ = o.audience("x")
		_, _ = o.reportData()
		_, _ = o.der("csr", "CERTIFICATE REQUEST")
	})
}
