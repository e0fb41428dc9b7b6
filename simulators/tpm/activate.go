package tpm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rsa"
	"fmt"
	"slices"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/tee"
)

// labelIdentity is what the seed of a credential is bound to (TPM 2.0 part 1, 24).
const labelIdentity = "IDENTITY"

// Activate does what TPM2_ActivateCredential does with the machine's endorsement
// and attestation keys (TPM 2.0 part 3, 12.5): it returns the secret in a credential
// that was made for both. Errors wrap the [tpm2.TPMRC] that a TPM gives, such as
// TPM_RC_INTEGRITY for a credential that was made for another attestation key.
func (m *Machine) Activate(credential tee.Credential) ([]byte, error) {
	ek, err := m.endorsement()
	if err != nil {
		return nil, err
	}
	blob, err := unsized(credential.Blob)
	if err != nil {
		return nil, err
	}
	encrypted, err := unsized(credential.Secret)
	if err != nil {
		return nil, err
	}
	seed, err := ek.decapsulate(encrypted)
	if err != nil {
		return nil, err
	}
	return ek.open(seed, m.ak.name, blob)
}

// unsized returns what is in a TPM2B.
func unsized(b []byte) ([]byte, error) {
	sized, err := tpm2.Unmarshal[tpm2.TPM2BData](b)
	if err != nil || len(b) != 2+len(sized.Buffer) {
		return nil, refuse(tpm2.TPMRCSize, "%d bytes are no TPM2B", len(b))
	}
	return sized.Buffer, nil
}

func refuse(code tpm2.TPMRC, format string, args ...any) error {
	return fmt.Errorf("tpm: "+format+": %w", append(args, code)...)
}

// decapsulate returns the seed that was encrypted to the endorsement key (TPM 2.0
// part 1, B.10.3 and C.6.3).
func (ek *endorsementKey) decapsulate(encrypted []byte) ([]byte, error) {
	switch key := ek.private.(type) {
	case *rsa.PrivateKey:
		seed, err := rsa.DecryptOAEP(ek.hash.New(), nil, key, encrypted, []byte(labelIdentity+"\x00"))
		if err != nil {
			return nil, refuse(tpm2.TPMRCValue, "the seed was not encrypted to this key")
		}
		return seed, nil
	case *ecdsa.PrivateKey:
		return ek.agree(key, encrypted)
	}
	return nil, refuse(tpm2.TPMRCType, "an endorsement key of type %T", ek.private)
}

// agree derives the seed from an ephemeral point by one-pass Diffie-Hellman.
func (ek *endorsementKey) agree(key *ecdsa.PrivateKey, encrypted []byte) ([]byte, error) {
	sent, err := tpm2.Unmarshal[tpm2.TPMSECCPoint](encrypted)
	if err != nil {
		return nil, refuse(tpm2.TPMRCInsufficient, "the seed is no point")
	}
	size := (ek.curve.Params().BitSize + 7) / 8
	raw := append([]byte{4}, leftPad(sent.X.Buffer, size)...)
	raw = append(raw, leftPad(sent.Y.Buffer, size)...)
	private, err := key.ECDH()
	if err != nil {
		return nil, fmt.Errorf("tpm: %w", err)
	}
	var ephemeral *ecdh.PublicKey
	if ephemeral, err = private.Curve().NewPublicKey(raw); err != nil {
		return nil, refuse(tpm2.TPMRCECCPoint, "the point is not on the curve")
	}
	z, err := private.ECDH(ephemeral)
	if err != nil {
		return nil, refuse(tpm2.TPMRCECCPoint, "no shared secret")
	}
	own := point(&key.PublicKey)
	return tpm2.KDFe(ek.hash, z, labelIdentity, raw[1:1+size], own.X.Buffer, ek.hash.Size()*8), nil
}

// open checks the integrity of a TPMS_ID_OBJECT and decrypts the credential in it
// (TPM 2.0 part 1, 24.4 and 24.5).
func (ek *endorsementKey) open(seed, name, blob []byte) ([]byte, error) {
	integrity, err := tpm2.Unmarshal[tpm2.TPM2BDigest](blob)
	if err != nil {
		return nil, refuse(tpm2.TPMRCInsufficient, "the credential has no HMAC")
	}
	encrypted := blob[2+len(integrity.Buffer):]
	mac := hmac.New(ek.hash.New, tpm2.KDFa(ek.hash, seed, "INTEGRITY", nil, nil, ek.hash.Size()*8))
	mac.Write(encrypted)
	mac.Write(name)
	if !hmac.Equal(mac.Sum(nil), integrity.Buffer) {
		return nil, refuse(tpm2.TPMRCIntegrity, "the credential is not for the attestation key %x", name)
	}
	block, err := aes.NewCipher(tpm2.KDFa(ek.hash, seed, "STORAGE", name, nil, int(ek.aes)))
	if err != nil {
		return nil, fmt.Errorf("tpm: %w", err)
	}
	plain := make([]byte, len(encrypted))
	cipher.NewCFBDecrypter(block, make([]byte, aes.BlockSize)).XORKeyStream(plain, encrypted) //lint:ignore SA1019 what TPMs use
	secret, err := tpm2.Unmarshal[tpm2.TPM2BDigest](plain)
	if err != nil || len(plain) != 2+len(secret.Buffer) || len(secret.Buffer) > ek.hash.Size() {
		return nil, refuse(tpm2.TPMRCSize, "the credential is no digest")
	}
	return secret.Buffer, nil
}

// leftPad fills a number with zeros to size bytes. One that is longer stays as it is.
func leftPad(number []byte, size int) []byte {
	if len(number) >= size {
		return number
	}
	return slices.Concat(make([]byte, size-len(number)), number)
}
