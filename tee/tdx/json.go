package tdx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// A collateral document is JSON that means one thing only: valid UTF-8, no key
// twice in an object (nor two that differ in case alone), bounded depth, nothing
// behind it. encoding/json's struct decoding is not used: it takes the last of
// several equal keys and folds case, so that what it returns need not be what
// was signed.

// object is a JSON object; values are object, []any, json.Number, string, bool or nil.
type object map[string]any

var errTrailing = errors.New("data behind the JSON value")

// splitSigned takes a document apart: an object with exactly two members, inner
// and "signature". It returns the exact bytes of the inner value, over which the
// signature is, and the signature's text.
func splitSigned(raw []byte, inner string) (body []byte, signature string, err error) {
	if len(raw) > maxDocument {
		return nil, "", fmt.Errorf("%d bytes; at most %d are read", len(raw), maxDocument)
	}
	if !utf8.Valid(raw) || !json.Valid(raw) {
		return nil, "", errors.New("not JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if token, err := dec.Token(); err != nil || token != json.Delim('{') {
		return nil, "", errors.New("not a JSON object")
	}
	members := map[string]json.RawMessage{}
	for dec.More() {
		token, err := dec.Token()
		key, ok := token.(string)
		if err != nil || !ok {
			return nil, "", errors.New("malformed object")
		}
		if _, twice := members[key]; twice || (key != inner && key != "signature") {
			return nil, "", fmt.Errorf("unknown or repeated member %q", brief(key))
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, "", err
		}
		members[key] = value
	}
	if len(members) != 2 {
		return nil, "", fmt.Errorf("%q or its signature is missing", inner)
	}
	if err := json.Unmarshal(members["signature"], &signature); err != nil || members["signature"][0] != '"' {
		return nil, "", errors.New("the signature is no text")
	}
	return members[inner], signature, nil
}

// parseObject decodes one strict JSON object.
func parseObject(data []byte) (object, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	value, err := parseValue(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errTrailing
	}
	o, ok := value.(object)
	if !ok {
		return nil, errors.New("not a JSON object")
	}
	return o, nil
}

func parseValue(dec *json.Decoder, depth int) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return parseMembers(dec, depth)
		}
		return parseList(dec, depth)
	case string:
		if len(t) > maxText {
			return nil, fmt.Errorf("a text of %d bytes; at most %d are read", len(t), maxText)
		}
	}
	return token, nil
}

// parseMembers reads an object's members up to its closing brace.
func parseMembers(dec *json.Decoder, depth int) (object, error) {
	out, folded := object{}, map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, ok := token.(string)
		fold := strings.ToLower(key)
		if !ok || !isASCII(key) || folded[fold] {
			return nil, fmt.Errorf("repeated or foreign key %q", brief(key))
		}
		folded[fold] = true
		if out[key], err = parseValue(dec, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := dec.Token()
	return out, err
}

// parseList reads a list's elements up to its closing bracket.
func parseList(dec *json.Decoder, depth int) ([]any, error) {
	out := []any{}
	for dec.More() {
		value, err := parseValue(dec, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, value)
	}
	_, err := dec.Token()
	return out, err
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
