package policies

import (
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
	"github.com/veraison/go-cose"
)

// sign1CBOR decodes a COSE_Sign1 message in one form alone: definite lengths, no
// repeated labels, nothing behind it.
var sign1CBOR = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:       cbor.DupMapKeyEnforcedAPF,
		IndefLength:     cbor.IndefLengthForbidden,
		MaxNestedLevels: 4,
		MaxMapPairs:     16,
	}.DecMode()
	if err != nil {
		panic("policies: " + err.Error())
	}
	return mode
}()

// verifyCOSE returns what a COSE_Sign1 message holds, and the name of the
// configured key that signed it.
func verifyCOSE(data []byte, keys []ReferenceKey) (payload []byte, signers []string, err error) {
	message, keyID, err := parseCOSE(data)
	if err != nil {
		return nil, nil, err
	}
	signer, err := VerifySign1(message, keyID, keys)
	if err != nil {
		return nil, nil, err
	}
	return message.Payload, []string{signer}, nil
}

// VerifySign1 returns the name of the key that signed a message, of those that
// keyID may mean: a key's name, its ID, or empty for any. Each key signs with one
// algorithm alone: ES256, ES384, EdDSA or PS256.
func VerifySign1(message *cose.Sign1Message, keyID string, keys []ReferenceKey) (name string, err error) {
	candidates := named(keys, keyID)
	if len(candidates) == 0 {
		return "", fmt.Errorf("key %q, which signed it, is not configured", clip(keyID))
	}
	for _, key := range candidates {
		if verifiesCOSE(message, key) {
			return key.Name, nil
		}
	}
	if keyID == "" {
		return "", errors.New("no configured key signed it")
	}
	return "", fmt.Errorf("the signature of key %q does not hold", clip(keyID))
}

// parseCOSE reads a message whose headers say the algorithm and the content type,
// which are protected, perhaps the key, and nothing else.
func parseCOSE(data []byte) (message *cose.Sign1Message, keyID string, err error) {
	if err := sign1CBOR.Wellformed(data); err != nil {
		return nil, "", fmt.Errorf("the COSE_Sign1 message is no strict CBOR: %w", err)
	}
	message = &cose.Sign1Message{}
	if err := message.UnmarshalCBOR(data); err != nil {
		return nil, "", fmt.Errorf("the COSE_Sign1 message cannot be read: %w", err)
	}
	protected := message.Headers.Protected
	if kind, _ := protected[cose.HeaderLabelContentType].(string); kind != ReferencePayloadType {
		return nil, "", fmt.Errorf("the protected content type is not %s", ReferencePayloadType)
	}
	if len(message.Payload) == 0 {
		return nil, "", errors.New("the message holds no payload")
	}
	keyID, err = coseKeyID(message.Headers)
	return message, keyID, err
}

func coseKeyID(h cose.Headers) (string, error) {
	var id any
	known := 2 // algorithm and content type, which are there
	if protected, ok := h.Protected[cose.HeaderLabelKeyID]; ok {
		id, known = protected, 3
	}
	if _, err := h.Protected.Algorithm(); err != nil || len(h.Protected) != known {
		return "", errors.New("the protected headers are others than algorithm, content type and key ID")
	}
	if len(h.Unprotected) > 0 {
		unprotected, ok := h.Unprotected[cose.HeaderLabelKeyID]
		if !ok || len(h.Unprotected) > 1 || id != nil {
			return "", errors.New("the unprotected headers are others than one key ID")
		}
		id = unprotected
	}
	keyID, ok := id.([]byte)
	if id != nil && !ok || len(keyID) > maxKeyID {
		return "", fmt.Errorf("the key ID is no byte string of at most %d bytes", maxKeyID)
	}
	return string(keyID), nil
}

// verifiesCOSE reports whether the key signed the message, by the one algorithm
// that is the key's.
func verifiesCOSE(message *cose.Sign1Message, key ReferenceKey) bool {
	algorithm, err := algorithmOf(key.Public)
	if err != nil {
		return false
	}
	if named, err := message.Headers.Protected.Algorithm(); err != nil || named != algorithm {
		return false
	}
	verifier, err := cose.NewVerifier(algorithm, key.Public)
	return err == nil && message.Verify(nil, verifier) == nil
}
