package tdx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/quotary/quotary/internal/strictjson"
)

// object is a JSON object; values are object, []any, json.Number, string, bool or nil.
type object = map[string]any

// splitSigned takes a document apart: an object with exactly two members, inner
// and "signature". It returns the exact bytes of the inner value, over which the
// signature is, and the signature's text.
func splitSigned(raw []byte, inner string) (body []byte, signature string, err error) {
	if len(raw) > maxDocument {
		return nil, "", fmt.Errorf("%d bytes; at most %d are read", len(raw), maxDocument)
	}
	members, err := strictjson.Members(raw, 2)
	if err != nil {
		return nil, "", err
	}
	body = strictjson.Get(members, inner)
	text := strictjson.Get(members, "signature")
	if body == nil || text == nil {
		return nil, "", fmt.Errorf("%q or its signature is missing", inner)
	}
	if text[0] != '"' || json.Unmarshal(text, &signature) != nil {
		return nil, "", errors.New("the signature is no text")
	}
	return body, signature, nil
}

// parseObject decodes one strict JSON object, into a map: decoding into a
// struct would fold the case of its members.
func parseObject(data []byte) (object, error) {
	if err := strictjson.Check(data, strictjson.Rules{Depth: maxDepth, Elements: maxElements, Text: maxText}); err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var o object
	if err := decoder.Decode(&o); err != nil || o == nil {
		return nil, errors.New("not a JSON object")
	}
	return o, nil
}
