package guest

import (
	"context"
	"crypto"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/internal/tsm"
)

// KeyStore has a TPM keep signing keys that outlast this process: each is a [Key] whose
// private part, which the TPM alone can decrypt, is kept by the caller. The TPM itself has
// no room for them, and keeps none. It is safe for concurrent use; the TPM does one thing
// at a time.
//
// Who has the caller's files needs this TPM to sign, and who has this TPM needs the
// files: a root of this machine has both, and can sign for as long as he is there.
type KeyStore struct{ tpm *TPM }

// NewKeyStore returns the store of the TPM at an address; see [ParseAddress]. The TPM is
// not asked yet.
func NewKeyStore(address string) (*KeyStore, error) {
	device, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	return &KeyStore{&TPM{device: device, slot: tsm.NewSlot()}}, nil
}

// Label is what PEM blocks with its references are labelled with.
func (*KeyStore) Label() string { return "TSS2 PRIVATE KEY" }

// Create makes a key and returns what it is opened with. The TPM does not keep its name.
func (s *KeyStore) Create(string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), signTimeout)
	defer cancel()
	key, err := s.tpm.NewKey(ctx)
	if err != nil {
		return nil, err
	}
	return marshalKey(key)
}

// Open returns the key that was made with this reference, once the TPM has loaded it. It
// refuses a reference to anything but a key that was made in this TPM and stays there.
func (s *KeyStore) Open(reference []byte) (crypto.Signer, error) {
	key, err := parseKey(reference)
	if err != nil {
		return nil, evidence.Errorf(evidence.CodeAttesterFailed, s.tpm.device.String(), "the file holds no key of a TPM: %w", err)
	}
	key.tpm = s.tpm
	ctx, cancel := context.WithTimeout(context.Background(), signTimeout)
	defer cancel()
	_, err = do(ctx, s.tpm, func(l *link) (*object, error) { return l.load(key) })
	if err != nil {
		return nil, err
	}
	return key, nil
}

// Destroy has nothing to destroy: the reference is all that there is of a key.
func (*KeyStore) Destroy([]byte) error { return nil }
