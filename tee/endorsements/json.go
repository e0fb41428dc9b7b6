package endorsements

import (
	"bytes"
	"encoding/json"
	"io"
)

// member is one name and value of a JSON object, the value in its exact bytes.
type member struct {
	name  string
	value json.RawMessage
}

// members reads data as one JSON object, in order. Names are compared exactly;
// a repeated name and anything behind the object are refused. Values are
// well-formed but not looked into.
func members(data []byte) ([]member, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, errMalformed("not a JSON object")
	}
	var all []member
	seen := map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, errMalformed("not JSON: %v", err)
		}
		m := member{name: token.(string)} // the decoder lets nothing else stand here
		if seen[m.name] {
			return nil, errMalformed("the JSON member %.40q is there twice", m.name)
		}
		if len(all) == MaxEntries {
			return nil, errMalformed("a JSON object with more than %d members", MaxEntries)
		}
		seen[m.name] = true
		if err := decoder.Decode(&m.value); err != nil {
			return nil, errMalformed("not JSON: %v", err)
		}
		all = append(all, m)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, errMalformed("not JSON: %v", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errMalformed("there is something behind the JSON object")
	}
	return all, nil
}

// get returns the value of a name, or nil.
func get(all []member, name string) json.RawMessage {
	for _, m := range all {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// text returns value if it is a JSON string.
func text(value json.RawMessage) (string, bool) {
	if len(value) == 0 || value[0] != '"' {
		return "", false
	}
	var s string
	return s, json.Unmarshal(value, &s) == nil
}
