package cases

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/strictjson"
)

// ReadClaims reads claims as verdicts show them: a JSON array of at least one set of
// claims, or one alone. Unknown and repeated members are errors, and so is a name
// in another case. The error has [evidence.CodePolicyClaims].
func ReadClaims(data []byte) ([]evidence.Claims, error) {
	if len(data) > maxFile {
		return nil, evidence.Errorf(evidence.CodePolicyClaims, "", "claims have at most %d bytes", maxFile)
	}
	err := strictjson.Check(data, strictjson.Rules{
		Depth: maxDepth, Elements: maxElements, Text: maxClaimText, NoNull: true,
		Name: func(name string) bool { return name == strings.ToLower(name) },
	})
	if err != nil {
		return nil, evidence.Errorf(evidence.CodePolicyClaims, "", "the claims are not strict JSON: %w", err)
	}
	if data = bytes.TrimSpace(data); data[0] != '[' {
		data = append(append([]byte{'['}, data...), ']')
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var claims []evidence.Claims
	if err := decoder.Decode(&claims); err != nil {
		return nil, evidence.Errorf(evidence.CodePolicyClaims, "", "not claims as verdicts show them: %w", err)
	}
	if len(claims) == 0 {
		return nil, evidence.Errorf(evidence.CodePolicyClaims, "", "there are no claims")
	}
	return claims, nil
}

// claims reads claims that are written into a case.
func (r *reader) claims(n *yaml.Node) []evidence.Claims {
	claims, err := ReadClaims(appendJSON(nil, n))
	var refused *evidence.Error
	if errors.As(err, &refused) {
		r.problem(n, refused.Code, "%s", refused.Detail)
	}
	return claims
}

// appendJSON writes a node in JSON: numbers and booleans that are not quoted, and
// texts. A digest of digits alone is a text only in quotes, as in any YAML.
func appendJSON(b []byte, n *yaml.Node) []byte {
	switch n.Kind {
	case yaml.MappingNode:
		b = append(b, '{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, n.Content[i].Value), ':')
			b = appendJSON(b, n.Content[i+1])
		}
		return append(b, '}')
	case yaml.SequenceNode:
		b = append(b, '[')
		for i, entry := range n.Content {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, entry)
		}
		return append(b, ']')
	}
	if isNull(n) {
		return append(b, "null"...)
	}
	if _, err := strconv.ParseUint(n.Value, 10, 64); n.Style == 0 && (n.Value == "true" || n.Value == "false" || err == nil && json.Valid([]byte(n.Value))) {
		return append(b, n.Value...)
	}
	return appendText(b, n.Value)
}

func appendText(b []byte, text string) []byte {
	quoted, _ := json.Marshal(text) // a text of valid UTF-8 always has a form
	return append(b, quoted...)
}
