package tokens

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// decodeJSON reads data into v. Unknown members are refused, and what [scanJSON]
// refuses.
func decodeJSON(data []byte, v any) error {
	if err := scanJSON(data); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	return dec.Decode(v) // scanJSON saw that there is one value only
}

// scanJSON refuses JSON that two readers could read differently: duplicate
// members, members that differ from known ones in case only, null, invalid UTF-8,
// deep nesting, more than one value. The standard library folds case and lets
// the last duplicate win, so this is looked at before it decodes the same bytes.
func scanJSON(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("it is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := scanValue(dec, 0); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}

func scanValue(dec *json.Decoder, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("it is nested deeper than %d", maxDepth)
	}
	token, err := dec.Token()
	if err != nil {
		return err
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return scanObject(dec, depth)
		}
		return scanArray(dec, depth)
	case string:
		return checkText(t)
	case nil:
		return errors.New("null says nothing")
	}
	return nil
}

func scanObject(dec *json.Decoder, depth int) error {
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		name, ok := token.(string)
		if !ok || !isMemberName(name) {
			return fmt.Errorf("%.64q is no member name of ours", token)
		}
		if seen[name] {
			return fmt.Errorf("the member %q stands there twice", name)
		}
		seen[name] = true
		if len(seen) > maxMembers {
			return fmt.Errorf("an object has more than %d members", maxMembers)
		}
		if err := scanValue(dec, depth+1); err != nil {
			return err
		}
	}
	_, err := dec.Token() // the closing brace
	return err
}

func scanArray(dec *json.Decoder, depth int) error {
	for n := 0; dec.More(); n++ {
		if n == maxMembers {
			return fmt.Errorf("an array has more than %d elements", maxMembers)
		}
		if err := scanValue(dec, depth+1); err != nil {
			return err
		}
	}
	_, err := dec.Token() // the closing bracket
	return err
}

// isMemberName accepts lower-case ASCII, which every name of ours is, so that no
// other name can fold to one of them.
func isMemberName(name string) bool {
	return name != "" && len(name) <= 128 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_:/.") == ""
}

// checkText refuses what a lone surrogate is decoded to.
func checkText(s string) error {
	if strings.ContainsRune(s, utf8.RuneError) {
		return errors.New("a text holds a character that cannot be encoded")
	}
	return nil
}
