package policies

import (
	"bytes"
	"encoding/pem"
	"errors"

	"github.com/quotary/quotary/evidence"
)

// ReferencePayloadType says what a signature is over: the YAML of documents of
// reference values. It is the payload type of a DSSE envelope and the content
// type of a COSE_Sign1 message.
const ReferencePayloadType = "application/vnd.quotary.reference-values+yaml"

// Options say how documents are read. The zero value has no keys: it takes
// reference values without signatures, and none with.
type Options struct {
	// ReferenceKeys are the keys that may sign reference values. With any, every document
	// of reference values must be signed by one of them.
	ReferenceKeys []ReferenceKey
	// TrustDomain is the one that the set is for, which [Options.Lint] looks at; empty if
	// that is not known.
	TrustDomain string
}

// Load is [Load] with options.
func (o Options) Load(files ...File) (*Set, error) {
	set, _, err := o.compile(files)
	return set, err
}

// Signed reports whether a file is a signed one, by its form: whether the
// signature holds, [Options.Text] and [Options.Load] say.
func (f File) Signed() bool { return sealing(f.Data) != notSealed }

// Text returns the YAML of a file and the names of the keys that signed it: of a
// signed file what was signed, of others what is in them, with no names. The error is
// a [Problems]. What the text says is not looked at.
func (o Options) Text(f File) (text []byte, signedBy []string, err error) {
	var keyError *evidence.Error
	if errors.As(checkReferenceKeys(o.ReferenceKeys), &keyError) {
		return nil, nil, Problems{keyError}
	}
	var found problems
	s := source{file: f.Name, data: f.Data, problems: &found}
	if !s.unseal(o.ReferenceKeys) {
		return nil, nil, found.err()
	}
	return s.data, s.signedBy, nil
}

// coseLabel is the PEM label of a COSE_Sign1 message, so that it travels as text.
const coseLabel = "COSE SIGN1"

// coseSign1Tag begins a tagged COSE_Sign1 message: tag 18 and an array of four
// (RFC 9052, 4.2). No policy document in YAML begins so.
var coseSign1Tag = []byte{0xd2, 0x84}

// sealed is a signed file that was not looked at yet: its form tells it from
// YAML, whatever its name is.
type sealed byte

const (
	notSealed sealed = iota
	sealedDSSE
	sealedCOSE
)

// sealing tells what data is. What is neither is read as YAML, which refuses it.
func sealing(data []byte) sealed {
	text := bytes.TrimLeft(data, " \t\r\n")
	switch {
	case bytes.HasPrefix(data, coseSign1Tag), bytes.HasPrefix(text, []byte("-----BEGIN "+coseLabel)):
		return sealedCOSE
	// A policy document in JSON names its apiVersion; an envelope's payload is base64.
	case bytes.HasPrefix(text, []byte("{")) && bytes.Contains(text, []byte(`"payloadType"`)) && !bytes.Contains(text, []byte("apiVersion")):
		return sealedDSSE
	}
	return notSealed
}

// armoured is a COSE_Sign1 message as PEM; other data stays as it is.
func armoured(data []byte) []byte {
	if !bytes.HasPrefix(data, coseSign1Tag) {
		return data
	}
	return pem.EncodeToMemory(&pem.Block{Type: coseLabel, Bytes: data})
}

// unarmoured undoes [armoured]. PEM has one form here: nothing before or behind
// the block, and no headers.
func unarmoured(data []byte) ([]byte, error) {
	if bytes.HasPrefix(data, coseSign1Tag) {
		return data, nil
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != coseLabel || !bytes.Equal(pem.EncodeToMemory(block), data) {
		return nil, errors.New("it is not one PEM block " + coseLabel + " and nothing else")
	}
	return block.Bytes, nil
}

// unseal gives s the text that was signed, and who signed it. Of a file that is
// not signed it changes nothing. Problems are told by the line of the text.
func (s *source) unseal(keys []ReferenceKey) bool {
	form := sealing(s.data)
	if form == notSealed {
		return true
	}
	refuse := func(format string, args ...any) bool {
		s.add(1, 1, evidence.CodePolicyReferenceSignature, format, args...)
		return false
	}
	if len(s.data) > MaxFileSize {
		s.add(1, 1, evidence.CodePolicyTooLarge, "a policy file has at most %d bytes, this one has %d", MaxFileSize, len(s.data))
		return false
	}
	if len(keys) == 0 {
		return refuse("the file is signed, and no key is configured that could tell whether the signature holds; configure the signer's key, or use the document without its signature")
	}
	payload, signers, err := verifySealed(form, s.data, keys)
	switch {
	case err != nil:
		return refuse("the signed reference values are refused: %s", err)
	case sealing(payload) != notSealed:
		return refuse("the signed reference values are refused: what is signed is a signed file itself")
	}
	s.data, s.signedBy = payload, signers
	return true
}

func verifySealed(form sealed, data []byte, keys []ReferenceKey) (payload []byte, signers []string, err error) {
	if form == sealedDSSE {
		return verifyDSSE(data, keys)
	}
	message, err := unarmoured(data)
	if err != nil {
		return nil, nil, err
	}
	return verifyCOSE(message, keys)
}

// checkSigned holds a document against the signature of its file.
func (o Options) checkSigned(d document) {
	isReference := d.kind == kindReferenceValues
	switch {
	case len(d.signedBy) > 0 && !isReference:
		d.problem(d.root, evidence.CodePolicyReferenceSignature, "a signed file holds reference values alone, not a document of kind %s", d.kind)
	case len(o.ReferenceKeys) > 0 && len(d.signedBy) == 0 && isReference:
		d.problem(d.root, evidence.CodePolicyReferenceUnsigned, "reference values must be signed, because keys for them are configured; sign the file with one of them")
	}
}
