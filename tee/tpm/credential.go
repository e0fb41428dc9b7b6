package tpm

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/quotary/quotary/tee"
)

// The labels of credential protection (TPM 2.0 part 1, 24).
const (
	labelIdentity  = "IDENTITY"
	labelStorage   = "STORAGE"
	labelIntegrity = "INTEGRITY"
)

// makeCredential does what TPM2_MakeCredential does (TPM 2.0 part 1, 24.4): it
// encrypts secret so that only the TPM with the endorsement key decrypts it, and
// only while an object of this name is loaded in it. secret is no longer than a
// digest of the template's nameAlg.
func makeCredential(random io.Reader, t ekTemplate, key crypto.PublicKey, name, secret []byte) (tee.Credential, error) {
	hash := t.nameAlg.hash()
	seed, encrypted, err := shareSeed(random, hash, key)
	if err != nil {
		return tee.Credential{}, fmt.Errorf("tpm: cannot encrypt for the endorsement key: %w", err)
	}
	block, err := aes.NewCipher(kdfa(hash, seed, labelStorage, name, t.aes))
	if err != nil {
		return tee.Credential{}, fmt.Errorf("tpm: %w", err)
	}
	identity := encryptCFB(block, appendSized(nil, secret))
	mac := hmac.New(hash.New, kdfa(hash, seed, labelIntegrity, nil, 8*hash.Size()))
	mac.Write(identity)
	mac.Write(name)
	object := append(appendSized(nil, mac.Sum(nil)), identity...) // TPMS_ID_OBJECT
	return tee.Credential{Blob: appendSized(nil, object), Secret: appendSized(nil, encrypted)}, nil
}

// shareSeed makes a seed and returns it, and what the key's TPM gets it from: for RSA
// the seed encrypted by OAEP (part 1, B.10.4), for ECC the point of an ephemeral key
// (part 1, C.6.1).
func shareSeed(random io.Reader, hash crypto.Hash, key crypto.PublicKey) (seed, encrypted []byte, err error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		seed = make([]byte, hash.Size())
		if _, err := io.ReadFull(random, seed); err != nil {
			return nil, nil, err
		}
		encrypted, err = rsa.EncryptOAEP(hash.New(), random, key, seed, []byte(labelIdentity+"\x00"))
		return seed, encrypted, err
	case *ecdsa.PublicKey:
		return agreeSeed(random, hash, key)
	}
	return nil, nil, fmt.Errorf("a key of type %T", key)
}

// agreeSeed agrees on a seed by one-pass Diffie-Hellman.
func agreeSeed(random io.Reader, hash crypto.Hash, key *ecdsa.PublicKey) (seed, encrypted []byte, err error) {
	theirs, err := key.ECDH()
	if err != nil {
		return nil, nil, err
	}
	own, err := ephemeralKey(random, theirs.Curve(), len(theirs.Bytes())/2)
	if err != nil {
		return nil, nil, err
	}
	shared, err := own.ECDH(theirs)
	if err != nil {
		return nil, nil, err
	}
	point := own.PublicKey().Bytes()[1:] // behind 04: X, Y
	x, y := point[:len(point)/2], point[len(point)/2:]
	theirX := theirs.Bytes()[1:][:len(x)]
	seed = kdfe(hash, shared, labelIdentity, x, theirX)
	return seed, appendSized(appendSized(nil, x), y), nil
}

// ephemeralKey makes a private key of size bytes from random, which the standard
// library's own way to make keys does not use.
func ephemeralKey(random io.Reader, curve ecdh.Curve, size int) (*ecdh.PrivateKey, error) {
	scalar := make([]byte, size)
	for range maxDraws {
		if _, err := io.ReadFull(random, scalar); err != nil {
			return nil, err
		}
		if key, err := curve.NewPrivateKey(scalar); err == nil {
			return key, nil // all but one in 2^32 strings are a key
		}
	}
	return nil, errors.New("the source of randomness is broken")
}

// encryptCFB encrypts in CFB mode with an initialization vector of zeros, as TPMs do
// with keys that they use once (part 1, 24.4). What protects it is the HMAC.
func encryptCFB(block cipher.Block, plain []byte) []byte {
	out := make([]byte, 0, len(plain))
	previous, pad := make([]byte, block.BlockSize()), make([]byte, block.BlockSize())
	for part := range slices.Chunk(plain, block.BlockSize()) {
		block.Encrypt(pad, previous)
		n := subtle.XORBytes(previous, part, pad)
		out = append(out, previous[:n]...)
	}
	return out
}

// kdfa derives bits of key material in counter mode (part 1, 11.4.10.2), with one
// context: the other is empty wherever it is used here.
func kdfa(hash crypto.Hash, key []byte, label string, context []byte, bits int) []byte {
	var out []byte
	for counter := uint32(1); len(out) < bits/8; counter++ {
		mac := hmac.New(hash.New, key)
		mac.Write(binary.BigEndian.AppendUint32(nil, counter))
		mac.Write(append([]byte(label), 0))
		mac.Write(context)
		mac.Write(binary.BigEndian.AppendUint32(nil, uint32(bits)))
		out = mac.Sum(out)
	}
	return out[:bits/8]
}

// kdfe derives one digest from a shared secret, the x coordinate of a point, and
// the x coordinates of the two public keys (part 1, 11.4.10.3).
func kdfe(hash crypto.Hash, shared []byte, label string, partyU, partyV []byte) []byte {
	h := hash.New()
	h.Write(binary.BigEndian.AppendUint32(nil, 1)) // the counter
	for _, part := range [][]byte{shared, append([]byte(label), 0), partyU, partyV} {
		h.Write(part)
	}
	return h.Sum(nil)
}
