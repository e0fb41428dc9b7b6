package tokens

import (
	"crypto"
	"maps"
	"slices"

	"github.com/fxamacker/cbor/v2"
)

// Labels and values of COSE keys (RFC 9053 §7, RFC 8230 §4).
const (
	coseKeyType      = 1
	coseKeyID        = 2
	coseKeyAlgorithm = 3
	coseCurve        = -1 // also an RSA key's modulus
	coseX            = -2 // also an RSA key's exponent
	coseY            = -3

	coseTypeOKP = 1
	coseTypeEC2 = 2
	coseTypeRSA = 3

	coseES256 = -7
)

// coseCurves are the curves by their JWK names.
var coseCurves = map[string]int64{"P-256": 1, "P-384": 2, "Ed25519": 6}

// coseKey is a COSE_Key: the value of a label is an int64 or a byte string.
type coseKey map[int64]any

func (j jwk) cose() coseKey {
	switch j.Type {
	case "EC":
		return coseKey{coseKeyType: int64(coseTypeEC2), coseCurve: coseCurves[j.Curve], coseX: []byte(j.X), coseY: []byte(j.Y)}
	case "OKP":
		return coseKey{coseKeyType: int64(coseTypeOKP), coseCurve: coseCurves[j.Curve], coseX: []byte(j.X)}
	default:
		return coseKey{coseKeyType: int64(coseTypeRSA), coseCurve: []byte(j.Modulus), coseX: []byte(j.Exponent)}
	}
}

// jwk reads a COSE key that has exactly the labels of its type.
func (k coseKey) jwk() (jwk, error) {
	var j jwk
	switch k[coseKeyType] {
	case int64(coseTypeEC2):
		j = jwk{Type: "EC", Curve: k.curve(), X: k.bytes(coseX), Y: k.bytes(coseY)}
	case int64(coseTypeOKP):
		j = jwk{Type: "OKP", Curve: k.curve(), X: k.bytes(coseX)}
	case int64(coseTypeRSA):
		j = jwk{Type: "RSA", Modulus: k.bytes(coseCurve), Exponent: k.bytes(coseX)}
	default:
		return jwk{}, errKey
	}
	labels := slices.Sorted(maps.Keys(k))
	if !slices.Equal(labels, slices.Sorted(maps.Keys(j.cose()))) {
		return jwk{}, errKey
	}
	return j, nil
}

func (k coseKey) bytes(label int64) Bytes {
	b, _ := k[label].([]byte)
	return b
}

func (k coseKey) curve() string {
	for name, number := range coseCurves {
		if k[coseCurve] == number {
			return name
		}
	}
	return ""
}

// UnmarshalCBOR reads a map from integers to integers and byte strings.
func (k *coseKey) UnmarshalCBOR(data []byte) error {
	var raw map[int64]any
	if err := strictCBOR.Unmarshal(data, &raw); err != nil {
		return err
	}
	for label, value := range raw {
		switch v := value.(type) {
		case []byte:
		case uint64:
			raw[label] = int64(v) // every number of a key is small; a huge one matches nothing
		case int64:
		default:
			return errKey
		}
	}
	*k = raw
	return nil
}

// newCOSEKey returns a public signing key with its identifier and algorithm.
func newCOSEKey(public crypto.PublicKey, id keyID) (coseKey, error) {
	j, err := newJWK(public)
	if err != nil {
		return nil, err
	}
	k := j.cose()
	k[coseKeyID], k[coseKeyAlgorithm] = id[:], int64(coseES256)
	return k, nil
}

// strictCBOR refuses what has more than one reading or reason: duplicate keys,
// indefinite lengths, tags, deep nesting, long lists.
// exactCBOR refuses unknown keys as well.
var strictCBOR, exactCBOR = func() (strict, exact cbor.DecMode) {
	options := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		MaxNestedLevels:   maxDepth,
		MaxArrayElements:  maxMembers,
		MaxMapPairs:       maxMembers,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
	}
	strict, err := options.DecMode()
	if err != nil {
		panic("tokens: " + err.Error())
	}
	options.ExtraReturnErrors = cbor.ExtraDecErrorUnknownField
	exact, err = options.DecMode()
	if err != nil {
		panic("tokens: " + err.Error())
	}
	return strict, exact
}()

// deterministic is RFC 8949 core deterministic encoding.
var deterministic = func() cbor.EncMode {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic("tokens: " + err.Error())
	}
	return mode
}()
