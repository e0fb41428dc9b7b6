package policies

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/quotary/quotary/internal/strictjson"
)

// preAuthEncoding is what a DSSE signature is over (DSSE protocol 1.0.2, PAE).
func preAuthEncoding(payloadType string, payload []byte) []byte {
	text := "DSSEv1 " + strconv.Itoa(len(payloadType)) + " " + payloadType + " " + strconv.Itoa(len(payload)) + " "
	return append([]byte(text), payload...)
}

// dsseSignature is a signature of an envelope.
type dsseSignature struct {
	keyID     string
	signature []byte
}

// verifyDSSE returns what an envelope holds, and the names of the configured keys
// that signed it. Signatures of other keys do not count; one that claims to be of
// a configured key and is not refuses the whole.
func verifyDSSE(data []byte, keys []ReferenceKey) (payload []byte, signers []string, err error) {
	payload, signatures, err := parseDSSE(data)
	if err != nil {
		return nil, nil, err
	}
	message := preAuthEncoding(ReferencePayloadType, payload)
	for _, s := range signatures {
		candidates := named(keys, s.keyID)
		verified := len(signers)
		for _, key := range candidates {
			if key.verifies(message, s.signature) {
				if slices.Contains(signers, key.Name) {
					return nil, nil, fmt.Errorf("key %s signed it twice", key.Name)
				}
				signers = append(signers, key.Name)
				break
			}
		}
		if len(signers) == verified && s.keyID != "" && len(candidates) > 0 {
			return nil, nil, fmt.Errorf("the signature of key %q does not hold", clip(s.keyID))
		}
	}
	if len(signers) == 0 {
		return nil, nil, errors.New("no configured key signed it")
	}
	return payload, signers, nil
}

// parseDSSE reads an envelope: exactly its members, and nothing behind it.
func parseDSSE(data []byte) (payload []byte, signatures []dsseSignature, err error) {
	value, err := strictjson.Parse(data, strictjson.Rules{Depth: 4, Elements: maxSignatures, Text: MaxFileSize, NoNull: true})
	if err != nil {
		return nil, nil, fmt.Errorf("the envelope is no strict JSON: %w", err)
	}
	members, err := dsseMembers(&value, "the envelope", "payload", "payloadType", "signatures")
	if err != nil {
		return nil, nil, err
	}
	if kind := members[1]; kind.Kind != strictjson.Text || kind.Text != ReferencePayloadType {
		return nil, nil, fmt.Errorf("the envelope's payload type is %q, not %s", clip(kind.Text), ReferencePayloadType)
	}
	if payload, err = dsseBytes(members[0], "payload"); err != nil {
		return nil, nil, err
	}
	if members[2].Kind != strictjson.Array || len(members[2].Items) == 0 {
		return nil, nil, errors.New("the envelope has no list of signatures")
	}
	seen := map[string]bool{}
	for i := range members[2].Items {
		s, err := parseDSSESignature(&members[2].Items[i].Value)
		switch {
		case err != nil:
			return nil, nil, err
		case seen[s.keyID]:
			return nil, nil, fmt.Errorf("the envelope has two signatures with key ID %q", s.keyID)
		}
		seen[s.keyID] = true
		signatures = append(signatures, s)
	}
	return payload, signatures, nil
}

// parseDSSESignature reads {keyid, sig}; the key ID may be left out.
func parseDSSESignature(v *strictjson.Value) (s dsseSignature, err error) {
	names := []string{"sig"}
	if v.Get("keyid") != nil {
		names = append(names, "keyid")
	}
	members, err := dsseMembers(v, "a signature", names...)
	if err != nil {
		return s, err
	}
	if len(members) > 1 {
		if members[1].Kind != strictjson.Text || len(members[1].Text) > maxKeyID {
			return s, fmt.Errorf("a key ID is a text of at most %d characters", maxKeyID)
		}
		s.keyID = members[1].Text
	}
	s.signature, err = dsseBytes(members[0], "sig")
	return s, err
}

// dsseMembers returns the members of these names, and refuses others.
func dsseMembers(v *strictjson.Value, what string, names ...string) ([]*strictjson.Value, error) {
	members := make([]*strictjson.Value, len(names))
	for i, name := range names {
		if members[i] = v.Get(name); members[i] == nil {
			return nil, fmt.Errorf("%s has no member %s", what, name)
		}
	}
	if len(v.Items) != len(names) {
		return nil, fmt.Errorf("%s has other members than %s", what, strings.Join(names, ", "))
	}
	return members, nil
}

// dsseBytes decodes base64, in the standard or the URL-safe alphabet, with
// padding and in its one canonical form.
func dsseBytes(v *strictjson.Value, what string) ([]byte, error) {
	if v.Kind == strictjson.Text && v.Text != "" && !strings.ContainsAny(v.Text, "\r\n") {
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			if data, err := encoding.Strict().DecodeString(v.Text); err == nil {
				return data, nil
			}
		}
	}
	return nil, fmt.Errorf("%s is not base64", what)
}
