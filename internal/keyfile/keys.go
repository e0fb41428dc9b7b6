package keyfile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// Store keeps private keys that nobody can read out of it: a TPM, a token of PKCS #11.
// It is safe for concurrent use.
type Store interface {
	// Label is what a reference to one of its keys is labelled with in PEM.
	Label() string
	// Create makes a key of ECDSA P-256 and returns the reference that Open finds it
	// by. The name is for people who look at what the store has.
	Create(name string) (reference []byte, err error)
	// Open returns the key that the reference leads to, once it is certain that the
	// store has it. It signs digests of SHA-256 as [ecdsa.SignASN1] does.
	Open(reference []byte) (crypto.Signer, error)
	// Destroy destroys the key. That it is not there (any more) is no error.
	Destroy(reference []byte) error
}

// Keys are where private keys are. Each has a file, with the key itself or with a reference
// into a store: so each key says where it is, and what is configured concerns only those that are made
// next. The zero value has all keys in files.
type Keys struct {
	// New is where keys are made: nil has them in files.
	New Store
	// Known are the stores that files may refer to.
	Known []Store
}

// LoadOrCreate returns the key of the file at path, or makes one if there is no file.
// A key in a file is of this curve; one in a store is of P-256. created says which.
func (k Keys) LoadOrCreate(path string, curve elliptic.Curve) (key crypto.Signer, created bool, err error) {
	key, err = k.Load(path, curve)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, false, err
	}
	if k.New == nil {
		err = create(path, curve)
	} else {
		err = k.create(path)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, false, err
	}
	key, loadErr := k.Load(path, curve) // what is used is what is on disk
	return key, err == nil, loadErr
}

// create makes a key in the store, and the file that refers to it. A key that no file
// refers to is destroyed.
func (k Keys) create(path string) error {
	reference, err := k.New.Create(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)))
	if err != nil {
		return unavailable(path, "cannot be made", err)
	}
	err = WriteNew(path, pem.EncodeToMemory(&pem.Block{Type: k.New.Label(), Bytes: reference}), 0o600)
	if err != nil {
		err = errors.Join(err, k.New.Destroy(reference))
	}
	return err
}

// Load returns the key of the file at path, which nobody but its owner can read. The
// error wraps fs.ErrNotExist if there is no such file, and has CodeAuthorityKeyUnavailable
// if the key's store does not give it.
func (k Keys) Load(path string, curve elliptic.Curve) (crypto.Signer, error) {
	block, err := readBlock(path)
	if err != nil {
		return nil, err
	}
	if block.Type == pemType {
		key, err := parse(path, block, curve)
		if err != nil {
			return nil, err
		}
		return key, nil
	}
	store, err := k.store(path, block.Type)
	if err != nil {
		return nil, err
	}
	key, err := store.Open(block.Bytes)
	if err != nil {
		return nil, unavailable(path, "cannot be opened", err)
	}
	public, ok := key.Public().(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, refuse(path, "it leads to a key that is not of ECDSA P-256")
	}
	return &stored{path: path, key: key, public: public}, nil
}

// Remove destroys the key of the file at path, in whatever store, and then the file, also
// one that is out of order. That there is none is no error.
func (k Keys) Remove(path string) error {
	data, _, _ := Read(path) // nothing of what cannot be read
	if block, _ := pem.Decode(data); block != nil && block.Type != pemType {
		store, err := k.store(path, block.Type)
		if err != nil {
			return err
		}
		if err := store.Destroy(block.Bytes); err != nil {
			return unavailable(path, "cannot be destroyed; if its store is lost, remove the file", err)
		}
	}
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// store is the one that a reference is labelled for.
func (k Keys) store(path, label string) (Store, error) {
	for _, s := range k.Known {
		if s.Label() == label {
			return s, nil
		}
	}
	return nil, evidence.Errorf(evidence.CodeAuthorityKeyUnavailable, path,
		"its PEM block is a %.64q, and authority.keys does not say where such keys are; a command on authorities needs the service's configuration (--config)", label)
}

// InFile is what [Label] says of a key that is in its file.
const InFile = pemType

// Label says what the file of a key has: InFile, or the label of the store that it refers to.
// The error wraps fs.ErrNotExist if there is no such file.
func Label(path string) (string, error) {
	block, err := readBlock(path)
	if err != nil {
		return "", err
	}
	return block.Type, nil
}

// stored is a key in a store. What the store signs is verified before it leaves.
type stored struct {
	path   string
	key    crypto.Signer
	public *ecdsa.PublicKey
}

func (s *stored) Public() crypto.PublicKey { return s.public }

func (s *stored) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts != nil && opts.HashFunc() != crypto.SHA256 || len(digest) != sha256.Size { // nil is what go-cose gives
		return nil, evidence.Errorf(evidence.CodeAuthorityKeyUnavailable, s.path, "the key signs digests of SHA-256 alone")
	}
	signature, err := s.key.Sign(random, digest, crypto.SHA256)
	if err != nil {
		return nil, unavailable(s.path, "cannot sign", err)
	}
	if !ecdsa.VerifyASN1(s.public, digest, signature) {
		return nil, evidence.Errorf(evidence.CodeAuthorityKeyUnavailable, s.path, "its store returned a signature that does not verify")
	}
	return signature, nil
}

// unavailable does not wrap a store's error: that its device is not there must not pass for the
// key's file not being there.
func unavailable(path, what string, err error) error {
	return evidence.Errorf(evidence.CodeAuthorityKeyUnavailable, path, "the key %s: %v", what, err)
}
