package evidence

import (
	"encoding/base64"
	"strings"
)

// canonicalBase64URL decodes base64url without padding in its one canonical
// form. The standard decoder passes over line breaks, which would give one value
// many texts, so these are refused here.
func canonicalBase64URL(text string) ([]byte, bool) {
	value, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, false
	}
	return value, true
}
