package guest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"
	"encoding/binary"
	"errors"

	"github.com/google/go-tpm/tpm2"
)

// keyFile is a TPMKey (draft-bottomley-tpm2-keys), of which nothing optional is used but
// emptyAuth: the key is authorized by nothing.
type keyFile struct {
	Type      asn1.ObjectIdentifier
	EmptyAuth bool `asn1:"explicit,tag:0"`
	Parent    int64
	Public    []byte // TPM2B_PUBLIC
	Private   []byte // TPM2B_PRIVATE
}

// oidLoadableKey says that a key is loaded below its parent.
var oidLoadableKey = asn1.ObjectIdentifier{2, 23, 133, 10, 1, 3}

// marshalKey encodes a key with its parent: a persistent handle, or the owner hierarchy
// for the storage key of the TCG's template.
func marshalKey(k *Key) ([]byte, error) {
	parent := k.parent
	if parent == 0 {
		parent = tpm2.TPMRHOwner
	}
	return asn1.Marshal(keyFile{oidLoadableKey, true, int64(parent), tpm2.Marshal(k.public), tpm2.Marshal(k.private)})
}

// parseKey is the inverse of marshalKey. It accepts keys of the workload's template alone.
func parseKey(der []byte) (*Key, error) {
	var f keyFile
	if len(der) > maxKeyFile {
		return nil, errors.New("it is too large")
	}
	if rest, err := asn1.Unmarshal(der, &f); err != nil || len(rest) != 0 || !f.Type.Equal(oidLoadableKey) || !f.EmptyAuth {
		return nil, errors.New("it is no loadable key without authorization (draft-bottomley-tpm2-keys)")
	}
	k := &Key{}
	switch f.Parent {
	case int64(tpm2.TPMRHOwner):
	case int64(persistentSRK):
		k.parent = persistentSRK
	default:
		return nil, errors.New("its parent is no storage key of the owner hierarchy")
	}
	area, ok := cutSized(f.Public)
	if !ok {
		return nil, errors.New("its public area is malformed")
	}
	private, ok := cutSized(f.Private)
	if !ok {
		return nil, errors.New("its private part is malformed")
	}
	var err error
	if k.key, err = workloadKey(area); err != nil {
		return nil, err
	}
	k.public, k.private = tpm2.BytesAs2B[tpm2.TPMTPublic](area), tpm2.TPM2BPrivate{Buffer: private}
	if again, err := marshalKey(k); err != nil || !bytes.Equal(again, der) {
		return nil, errors.New("it is not encoded canonically")
	}
	return k, nil
}

// cutSized returns what a TPM2B holds that is all there is.
func cutSized(data []byte) ([]byte, bool) {
	if len(data) < 2 || int(binary.BigEndian.Uint16(data)) != len(data)-2 || len(data) == 2 {
		return nil, false
	}
	return data[2:], true
}

// workloadKey reads the public area of a key of the workload's template: one that its TPM
// made, that stays there, and signs what it is given.
func workloadKey(area []byte) (*ecdsa.PublicKey, error) {
	head, ok := bytes.CutSuffix(tpm2.Marshal(workload()), make([]byte, 4)) // two coordinates of no size
	rest, same := bytes.CutPrefix(area, head)
	if !ok || !same {
		return nil, errors.New("it is no key of this type: ECDSA on P-256, made in a TPM and fixed to it")
	}
	point := []byte{4} // uncompressed (SEC 1, 2.3.3)
	for range 2 {
		if len(rest) < 2 || int(binary.BigEndian.Uint16(rest)) > min(32, len(rest)-2) {
			return nil, errors.New("its coordinates are malformed")
		}
		size := 2 + int(binary.BigEndian.Uint16(rest))
		point = append(append(point, make([]byte, 32+2-size)...), rest[2:size]...)
		rest = rest[size:]
	}
	if len(rest) > 0 {
		return nil, errors.New("something follows its coordinates")
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
}
