package policies

import (
	"crypto"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/veraison/go-cose"

	"github.com/quotary/quotary/evidence"
)

// SignatureForm is a way to sign reference values.
type SignatureForm string

// The forms.
const (
	DSSE      SignatureForm = "dsse" // an envelope in JSON (DSSE 1.0.2); files are called NAME.dsse.json
	COSESign1 SignatureForm = "cose" // a COSE_Sign1 message, tagged (RFC 9052); files are called NAME.cose
)

// SignReferences signs documents of reference values as they stand in text. An
// empty keyID is the key's own, [ReferenceKey.ID]. The error is a [Problems] where
// the documents do not load or are of another kind, and otherwise an
// *evidence.Error with CodePolicyReferenceKey.
func SignReferences(text []byte, signer crypto.Signer, keyID string, form SignatureForm) ([]byte, error) {
	algorithm, err := algorithmOf(signer.Public())
	if err != nil {
		return nil, errReferenceKey(keyID, err.Error())
	}
	if keyID == "" {
		keyID = ReferenceKey{Public: signer.Public()}.ID()
	}
	if len(keyID) > maxKeyID {
		return nil, errReferenceKey(keyID, fmt.Sprintf("a key ID has at most %d characters", maxKeyID))
	}
	if err := checkSignable(text); err != nil {
		return nil, err
	}
	var signed []byte
	switch form {
	case DSSE:
		signed, err = signDSSE(text, signer, algorithm, keyID)
	case COSESign1:
		signed, err = signCOSE(text, signer, algorithm, keyID)
	default:
		err = fmt.Errorf("signatures have the form %s or %s, not %q", DSSE, COSESign1, form)
	}
	if err != nil {
		return nil, errReferenceKey(keyID, err.Error())
	}
	return signed, nil
}

// checkSignable refuses what [Options.Load] would not take from a signed file.
func checkSignable(text []byte) error {
	_, documents, err := Options{}.compile([]File{{Name: "reference values", Data: text}})
	if err != nil {
		return err
	}
	var found problems
	for _, d := range documents {
		d.problems, d.signedBy = &found, []string{""}
		Options{}.checkSigned(d)
	}
	if sealing(text) != notSealed {
		found.add(problem{"reference values", 1, 1, evidence.CodePolicyReferenceSignature, "the documents are signed already"})
	}
	return found.err()
}

func signDSSE(text []byte, signer crypto.Signer, algorithm cose.Algorithm, keyID string) ([]byte, error) {
	digest, options := digestOf(algorithm, preAuthEncoding(ReferencePayloadType, text))
	signature, err := signer.Sign(rand.Reader, digest, options)
	if err != nil {
		return nil, err
	}
	type entry struct {
		KeyID string `json:"keyid"`
		Sig   string `json:"sig"`
	}
	envelope, err := json.MarshalIndent(struct {
		PayloadType string  `json:"payloadType"`
		Payload     string  `json:"payload"`
		Signatures  []entry `json:"signatures"`
	}{ReferencePayloadType, base64.StdEncoding.EncodeToString(text), []entry{{keyID, base64.StdEncoding.EncodeToString(signature)}}}, "", "  ")
	return append(envelope, '\n'), err
}

func signCOSE(text []byte, signer crypto.Signer, algorithm cose.Algorithm, keyID string) ([]byte, error) {
	by, err := cose.NewSigner(algorithm, signer)
	if err != nil {
		return nil, err
	}
	protected := cose.ProtectedHeader{
		cose.HeaderLabelAlgorithm:   algorithm,
		cose.HeaderLabelContentType: ReferencePayloadType,
		cose.HeaderLabelKeyID:       []byte(keyID),
	}
	return cose.Sign1(rand.Reader, by, cose.Headers{Protected: protected}, text, nil)
}
