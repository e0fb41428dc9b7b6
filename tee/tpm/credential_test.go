package tpm

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/tee"
)

// activate does in software what TPM2_ActivateCredential does, with the library's
// structures and key derivations instead of ours.
func activate(key crypto.Signer, area, name []byte, credential tee.Credential) ([]byte, error) {
	public, err := tpm2.Unmarshal[tpm2.TPMTPublic](area)
	if err != nil {
		return nil, err
	}
	hash, err := public.NameAlg.Hash()
	if err != nil {
		return nil, err
	}
	encrypted := credential.Secret[2:]
	var seed []byte
	var symmetric tpm2.TPMTSymDefObject
	switch key := key.(type) {
	case *rsa.PrivateKey:
		seed, err = rsa.DecryptOAEP(hash.New(), nil, key, encrypted, []byte("IDENTITY\x00"))
		parameters, _ := public.Parameters.RSADetail()
		symmetric = parameters.Symmetric
	case *ecdsa.PrivateKey:
		seed, err = agreed(hash, key, encrypted)
		parameters, _ := public.Parameters.ECCDetail()
		symmetric = parameters.Symmetric
	}
	if err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint16(credential.Blob[2:]))
	mac, identity := credential.Blob[4:4+size], credential.Blob[4+size:]
	want := hmac.New(hash.New, tpm2.KDFa(hash, seed, "INTEGRITY", nil, nil, 8*hash.Size()))
	want.Write(identity)
	want.Write(name)
	if !hmac.Equal(mac, want.Sum(nil)) {
		return nil, errors.New("integrity")
	}
	bits, err := symmetric.KeyBits.AES()
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(tpm2.KDFa(hash, seed, "STORAGE", name, nil, int(*bits)))
	if err != nil {
		return nil, err
	}
	plain := make([]byte, len(identity))
	cipher.NewCFBDecrypter(block, make([]byte, block.BlockSize())).XORKeyStream(plain, identity) //lint:ignore SA1019 what TPMs use
	return plain[2:], nil
}

func agreed(hash crypto.Hash, key *ecdsa.PrivateKey, encrypted []byte) ([]byte, error) {
	point, err := tpm2.Unmarshal[tpm2.TPMSECCPoint](encrypted)
	if err != nil {
		return nil, err
	}
	own, err := key.ECDH()
	if err != nil {
		return nil, err
	}
	theirs, err := own.Curve().NewPublicKey(append(append([]byte{4}, point.X.Buffer...), point.Y.Buffer...))
	if err != nil {
		return nil, err
	}
	shared, err := own.ECDH(theirs)
	if err != nil {
		return nil, err
	}
	x, _ := coordinates(&key.PublicKey)
	return tpm2.KDFe(hash, shared, "IDENTITY", point.X.Buffer, x, 8*hash.Size()), nil
}

// With the same randomness the library makes the same credential for RSA. For ECC it does
// not use the randomness that it is given, so that is compared by activating.
func TestMakeCredential_SameAsLibrary(t *testing.T) {
	name, secret := append([]byte{0, 0x0b}, make([]byte, 32)...), []byte("0123456789abcdef")
	for _, key := range []string{"rsa2048", "rsa3072"} {
		for _, template := range ekTemplatesOf(ekKeys()[key].Public()) {
			area := template.area(ekKeys()[key].Public())
			ours, err := makeCredential(rand.NewChaCha8([32]byte{1}), template, ekKeys()[key].Public(), name, secret)
			if err != nil {
				t.Fatal(err)
			}
			public, err := tpm2.Unmarshal[tpm2.TPMTPublic](area)
			if err != nil {
				t.Fatal(err)
			}
			imported, err := tpm2.ImportEncapsulationKey(public)
			if err != nil {
				t.Fatal(err)
			}
			blob, encrypted, err := tpm2.CreateCredential(rand.NewChaCha8([32]byte{1}), imported, name, secret)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(ours.Blob, appendSized(nil, blob)) || !bytes.Equal(ours.Secret, appendSized(nil, encrypted)) {
				t.Errorf("%s: %x and %x, the library has %x and %x", template.name, ours.Blob, ours.Secret, blob, encrypted)
			}
		}
	}
}

// The same randomness gives the same credential, and broken randomness none.
func TestMakeCredential_Randomness(t *testing.T) {
	for name, key := range ekKeys() {
		template := ekTemplatesOf(key.Public())[0]
		var made []tee.Credential
		for _, seed := range []byte{1, 1, 2} {
			credential, err := makeCredential(rand.NewChaCha8([32]byte{seed}), template, key.Public(), []byte("name"), []byte("secret"))
			if err != nil {
				t.Fatal(err)
			}
			made = append(made, credential)
		}
		if !bytes.Equal(made[0].Secret, made[1].Secret) || !bytes.Equal(made[0].Blob, made[1].Blob) || bytes.Equal(made[0].Secret, made[2].Secret) {
			t.Errorf("%s: not determined by the randomness", name)
		}
		if _, err := makeCredential(bytes.NewReader(nil), template, key.Public(), nil, []byte("secret")); err == nil {
			t.Errorf("%s: made without randomness", name)
		}
	}
	if _, err := ephemeralKey(zeros{}, ecdh.P256(), 32); err == nil {
		t.Error("zeros are a key")
	}
}

// zeros is a source of randomness that is broken.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// A shared point whose coordinates begin with zeros keeps its size.
func TestMakeCredential_LeadingZeros(t *testing.T) {
	source := rand.NewChaCha8([32]byte{9})
	for found := 0; found < 2; {
		key, err := ecdsa.GenerateKey(elliptic.P256(), nil)
		if err != nil {
			t.Fatal(err)
		}
		x, y := coordinates(&key.PublicKey)
		if x[0] != 0 && y[0] != 0 {
			continue
		}
		found++
		template := ekTemplatesOf(key.Public())[0]
		area := template.area(key.Public())
		credential, err := makeCredential(source, template, key.Public(), []byte("name"), []byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := activate(key, area, []byte("name"), credential); err != nil || string(got) != "secret" {
			t.Errorf("activated %q, %v", got, err)
		}
	}
}
