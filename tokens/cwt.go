package tokens

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
	"github.com/quotary/quotary/evidence"
)

// tagSign1 is the encoding of the tag 18 of a COSE_Sign1 (RFC 9052 §4.2).
const tagSign1 = 0xd2

// sign1 is a COSE_Sign1.
type sign1 struct {
	_           struct{} `cbor:",toarray"`
	Protected   []byte
	Unprotected cbor.RawMessage
	Payload     []byte
	Signature   []byte
}

// coseHeader is the protected header of our CWTs: these labels and no other.
type coseHeader struct {
	Algorithm int64  `cbor:"1,keyasint"`
	KeyID     []byte `cbor:"4,keyasint"`
	Type      string `cbor:"16,keyasint"` // RFC 9596
}

// VerifyCWT returns the claims of an EAR in a COSE_Sign1, tagged. The error is an
// *evidence.Error with a token code. Claims that this build does not know are
// ignored (draft-ietf-rats-ear §4).
func (v *Verifier) VerifyCWT(token []byte) (Claims, error) {
	if len(token) > MaxToken {
		return Claims{}, evidence.Errorf(evidence.CodeTokenTooLarge, "", "a token has at most %d bytes", MaxToken)
	}
	if len(token) == 0 || token[0] != tagSign1 {
		return Claims{}, errMalformed("it is not a tagged COSE_Sign1")
	}
	var message sign1
	if err := exactCBOR.Unmarshal(token[1:], &message); err != nil {
		return Claims{}, errMalformed("the COSE_Sign1 is refused: %w", err)
	}
	if !bytes.Equal(message.Unprotected, emptyMap) {
		return Claims{}, evidence.Errorf(evidence.CodeTokenHeader, "", "there is an unprotected header; everything of ours is protected")
	}
	id, err := parseCOSEHeader(message.Protected)
	if err != nil {
		return Claims{}, err
	}
	if err := v.checkSignature(id, toBeSigned(message.Protected, message.Payload), message.Signature); err != nil {
		return Claims{}, err
	}
	c, err := decodeClaimsCBOR(message.Payload)
	if err != nil {
		return Claims{}, err
	}
	return v.check(c)
}

var emptyMap = []byte{0xa0}

// parseCOSEHeader returns the key's identifier. Any other label is refused, crit
// among them: there is nothing that we would understand.
func parseCOSEHeader(data []byte) (keyID, error) {
	var header coseHeader
	if err := exactCBOR.Unmarshal(data, &header); err != nil {
		return keyID{}, evidence.Errorf(evidence.CodeTokenHeader, "", "the protected header is refused: %w", err)
	}
	if header.Algorithm != coseES256 || header.Type != MediaTypeCWT {
		return keyID{}, evidence.Errorf(evidence.CodeTokenHeader, "", "alg is %d and typ %.32q, want %d and %q", header.Algorithm, header.Type, coseES256, MediaTypeCWT)
	}
	if again, err := deterministic.Marshal(header); err != nil || !bytes.Equal(again, data) {
		return keyID{}, evidence.Errorf(evidence.CodeTokenHeader, "", "the protected header is not encoded deterministically")
	}
	if len(header.KeyID) != len(keyID{}) {
		return keyID{}, evidence.Errorf(evidence.CodeTokenKey, "kid", "the kid is no key thumbprint")
	}
	return keyID(header.KeyID), nil
}

// toBeSigned is the Sig_structure of a COSE_Sign1 without external data (RFC 9052 §4.4).
func toBeSigned(protected, payload []byte) []byte {
	data, err := deterministic.Marshal([]any{"Signature1", protected, []byte{}, payload})
	if err != nil {
		panic("tokens: cannot encode a Sig_structure: " + err.Error()) // byte strings always encode
	}
	return data
}

func decodeClaimsCBOR(data []byte) (Claims, error) {
	var tree map[any]any
	if err := strictCBOR.Unmarshal(data, &tree); err != nil {
		return Claims{}, errMalformed("the claims are refused: %w", err)
	}
	if again, err := deterministic.Marshal(tree); err != nil || tree == nil || !bytes.Equal(again, data) {
		return Claims{}, errMalformed("the claims are not a map in deterministic encoding")
	}
	if err := scanTree(tree); err != nil {
		return Claims{}, errMalformed("the claims are refused: %w", err)
	}
	var c Claims
	if err := strictCBOR.Unmarshal(data, &c); err != nil {
		return Claims{}, errMalformed("the claims are refused: %w", err)
	}
	return c, nil
}

// scanTree refuses in CBOR what [scanJSON] refuses in JSON: null, and names and
// texts that JSON could not hold. The decoder bounds the tree.
func scanTree(value any) error {
	switch v := value.(type) {
	case nil:
		return errors.New("null says nothing")
	case string:
		return checkText(v)
	case []any:
		for _, element := range v {
			if err := scanTree(element); err != nil {
				return err
			}
		}
	case map[any]any:
		for key, element := range v {
			if name, ok := key.(string); ok && !isMemberName(name) {
				return fmt.Errorf("%.64q is no member name of ours", name)
			}
			if err := scanTree(element); err != nil {
				return err
			}
		}
	}
	return nil
}
