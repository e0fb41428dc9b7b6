package evidence

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"unicode/utf8"
)

// jsonWalker reads a CMW in JSON token by token: encoding/json keeps the last of
// two equal keys, and so would hide one from whoever looks.
type jsonWalker struct {
	tokens *json.Decoder
	found  records
}

// decodeJSON returns the records of a CMW record or collection in JSON.
func decodeJSON(data []byte) (records, error) {
	if !utf8.Valid(data) {
		return nil, errJSON("evidence")
	}
	w := jsonWalker{tokens: json.NewDecoder(bytes.NewReader(data))}
	w.tokens.UseNumber()
	if err := w.message("evidence", 1); err != nil {
		return nil, err
	}
	if _, err := w.tokens.Token(); err != io.EOF {
		return nil, errJSON("evidence")
	}
	return w.found, nil
}

// next returns the next token, or nil where the text is no JSON or at its end:
// nil is nothing that a caller expects.
func (w *jsonWalker) next() json.Token {
	token, err := w.tokens.Token()
	if err != nil {
		return nil
	}
	return token
}

// end reads the delimiter that closes a record or a collection.
func (w *jsonWalker) end(field string, delimiter json.Delim) error {
	if w.next() != delimiter {
		return errJSON(field)
	}
	return nil
}

// message reads a record or a collection.
func (w *jsonWalker) message(field string, depth int) error {
	switch w.next() {
	case json.Delim('['):
		return w.record(field)
	case json.Delim('{'):
		return w.collection(field, depth)
	}
	return Errorf(CodeEvidenceMalformed, field, "neither a CMW record (an array) nor a collection (an object)")
}

func (w *jsonWalker) collection(field string, depth int) error {
	if err := checkDepth(field, depth); err != nil {
		return err
	}
	labels := map[string]bool{}
	entries := 0
	for w.tokens.More() {
		label, ok := w.next().(string)
		if !ok {
			return errJSON(field)
		}
		if labels[label] {
			return Errorf(CodeEvidenceDuplicate, under(field, label), "the label occurs twice")
		}
		labels[label] = true
		if label == collectionTypeLabel {
			typ, _ := w.next().(string)
			if err := checkCollectionType(field, typ); err != nil {
				return err
			}
			continue
		}
		entries++
		if err := w.message(under(field, label), depth+1); err != nil {
			return err
		}
	}
	if err := w.end(field, '}'); err != nil {
		return err
	}
	return checkEntries(field, entries)
}

// record reads ["media/type", "base64url", indicator?] behind its opening bracket.
func (w *jsonWalker) record(field string) error {
	var elements [3]json.Token
	n := 0
	for ; w.tokens.More(); n++ {
		if n == len(elements) {
			return errRecord(field)
		}
		elements[n] = w.next()
	}
	if err := w.end(field, ']'); err != nil {
		return err
	}
	if _, number := elements[0].(json.Number); number && n >= 2 {
		return errContentFormat(field)
	}
	mediaType, ok1 := elements[0].(string)
	text, ok2 := elements[1].(string)
	if !ok1 || !ok2 {
		return errRecord(field)
	}
	indicators, err := jsonIndicators(field, elements[2:n])
	if err != nil {
		return err
	}
	value, err := decodeBase64URL(field, text)
	if err != nil {
		return err
	}
	return w.found.add(record{field, mediaType, value}, indicators)
}

// jsonIndicators reads the last element of a record, if it is there.
func jsonIndicators(field string, rest []json.Token) (*uint64, error) {
	if len(rest) == 0 {
		return nil, nil
	}
	number, ok := rest[0].(json.Number)
	if !ok {
		return nil, errRecord(field)
	}
	n, err := strconv.ParseUint(number.String(), 10, 64)
	if err != nil {
		return nil, errRecord(field)
	}
	return &n, nil
}

func decodeBase64URL(field, text string) ([]byte, error) {
	value, ok := canonicalBase64URL(text)
	if !ok {
		return nil, Errorf(CodeEvidenceMalformed, field, "the record's value is not canonical base64url without padding")
	}
	return value, nil
}

func errJSON(field string) error {
	return Errorf(CodeEvidenceMalformed, field, "this is not one complete JSON text")
}

func errRecord(field string) error {
	return Errorf(CodeEvidenceMalformed, field, "a CMW record is an array of media type, value and at most one indicator")
}
