package tokens

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/quotary/quotary/internal/strictjson"
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

// scanJSON refuses JSON that two readers could read differently, names that are
// not of ours, and null.
func scanJSON(data []byte) error {
	return strictjson.Check(data, strictjson.Rules{
		Depth: maxDepth, Elements: maxMembers, Text: MaxToken, Name: isMemberName, NoNull: true,
	})
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
