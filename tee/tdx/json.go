package tdx

import (
	"errors"
	"fmt"

	"github.com/quotary/quotary/internal/strictjson"
)

// object is a JSON object, or nil behind an error.
type object = *strictjson.Value

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
	value, err := strictjson.Parse(text, strictjson.Rules{Text: maxText})
	if err != nil || value.Kind != strictjson.Text {
		return nil, "", errors.New("the signature is no text")
	}
	return body, value.Text, nil
}

// parseObject reads one strict JSON object.
func parseObject(data []byte) (object, error) {
	o, err := strictjson.Parse(data, strictjson.Rules{Depth: maxDepth, Elements: maxElements, Text: maxText})
	if err != nil {
		return nil, err
	}
	if o.Kind != strictjson.Object {
		return nil, errors.New("not a JSON object")
	}
	return &o, nil
}
