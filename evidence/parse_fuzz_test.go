package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	sevtest "github.com/google/go-sev-guest/verify/testdata"
	tdxtest "github.com/google/go-tdx-guest/testing/testdata"
)

// FuzzParse holds Parse to this: it never panics; it refuses with a typed error
// that has a registered code; and what it accepts encodes, in both encodings, to
// bytes that mean the same and encode to themselves.
func FuzzParse(f *testing.F) {
	bundle := sampleBundle()
	f.Add(mustJSON(f, bundle))
	f.Add(mustCBOR(f, bundle))
	f.Add(mustJSON(f, bundle[1:2]))
	f.Add(mustCBOR(f, bundle[2:]))
	withLog := Bundle{&TDX{Quote: []byte{4, 0, 2, 0, 0x81, 0, 0, 0}, EventLog: []byte{1, 0, 0, 0, 3}}}
	f.Add(mustJSON(f, withLog))
	f.Add(mustCBOR(f, withLog))
	f.Add(sevtest.AttestationBytes)
	f.Add(tdxtest.RawQuote)
	f.Add([]byte(`["application/vnd.quotary.tdx.quote","BAACAIEAAAA",4]`))
	f.Add([]byte(`{"a":{"b":["application/vnd.quotary.tdx.quote","BAACAIEAAAA",4]}}`))
	f.Add([]byte(`{"a":["application/vnd.quotary.tdx.quote","BAACAIEAAAA",4,],}`))
	f.Add([]byte(unhex(f, "a101a1208300430400020004")))
	f.Fuzz(func(t *testing.T, data []byte) {
		bundle, err := Parse(data)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Code.Description() == "" || e.Detail == "" || bundle != nil {
				t.Fatalf("refused with %#v and bundle %v", err, bundle)
			}
			return
		}
		if first := bytes.TrimSpace(data)[0]; bareItem(data) == nil && (first == '{' || first == '[') && !json.Valid(data) {
			t.Fatal("accepted as JSON, but is none")
		}
		for _, encode := range []func() ([]byte, error){bundle.MarshalJSON, bundle.MarshalCBOR} {
			encoded, err := encode()
			if CodeOf(err) == CodeEvidenceTooLarge && len(data) > MaxEncoded/2 {
				continue // base64 takes a bundle near the bound past it
			}
			if err != nil {
				t.Fatalf("accepted, but does not encode: %v", err)
			}
			again, err := Parse(encoded)
			if err != nil {
				t.Fatalf("does not decode again: %v", err)
			}
			sameBundle(t, again, bundle)
			twice, _ := again.MarshalCBOR()
			once, _ := bundle.MarshalCBOR()
			if !bytes.Equal(twice, once) {
				t.Fatal("encodes to other bytes the second time")
			}
		}
	})
}
