package endorsements

import (
	"encoding/json"

	"github.com/quotary/quotary/internal/strictjson"
)

// members reads data as one JSON object, its values as they are.
func members(data []byte) ([]strictjson.Member, error) {
	all, err := strictjson.Members(data, MaxEntries)
	if err != nil {
		return nil, errMalformed("%w", err)
	}
	return all, nil
}

// text returns value if it is a JSON string.
func text(value json.RawMessage) (string, bool) {
	if len(value) == 0 || value[0] != '"' {
		return "", false
	}
	var s string
	return s, json.Unmarshal(value, &s) == nil
}
