package control

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/strictjson"
)

var rules = strictjson.Rules{Depth: maxDepth, Elements: maxElements, Text: maxText, NoNull: true}

// read returns the body of a request, which must be JSON that means one thing only.
func read(r *http.Request) ([]byte, error) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return nil, evidence.Errorf(evidence.CodeRequestMediaType, "Content-Type", "send application/json")
	}
	body, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, evidence.Errorf(evidence.CodeRequestTooLarge, "", "a body has at most %d bytes", maxBody)
	case err != nil:
		return nil, malformed("", "the body ended early")
	}
	if err := strictjson.Check(body, rules); err != nil {
		return nil, malformed("", "%w", err)
	}
	return body, nil
}

// decode reads a body into a flat struct. There may be no other members than its fields',
// spelled exactly so.
func decode[T any](r *http.Request) (out T, err error) {
	body, err := read(r)
	if err != nil {
		return out, err
	}
	members, err := strictjson.Members(body, maxElements)
	if err != nil {
		return out, malformed("", "%w", err)
	}
	var names []string
	for f := range reflect.TypeFor[T]().Fields() {
		names = append(names, f.Tag.Get("json"))
	}
	for _, m := range members {
		if !slices.Contains(names, m.Name) {
			return out, malformed(m.Name, "there is no such member here; the members are %q", names)
		}
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return out, malformed("", "%w", err)
	}
	return out, nil
}
