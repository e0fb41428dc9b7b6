//go:build pkcs11 && cgo

package pkcs11

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/ThalesGroup/crypto11"
	module "github.com/miekg/pkcs11"

	"github.com/quotary/quotary/evidence"
)

// store is a token, which does one thing at a time.
type store struct {
	options Options
	pin     string

	mu      sync.Mutex
	session *crypto11.Context          // nil after a failure: the next use begins another
	found   map[string]crypto11.Signer // by id, in this session
	refused error                      // the PIN was; it is not tried again, because tokens lock themselves
}

// Open loads the module and logs into the token. The error is an *evidence.Error with
// CodeConfigMalformed, CodeAuthorityKeyFile for the PIN's file, or CodeAuthorityKeyUnavailable.
func Open(o Options) (Store, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	pin, err := readPIN(o.PINFile)
	if err != nil {
		return nil, err
	}
	s := &store{options: o, pin: pin}
	if err := s.use(func(*crypto11.Context) error { return nil }); err != nil {
		return nil, evidence.Errorf(evidence.CodeAuthorityKeyUnavailable, o.Module, "%w", err)
	}
	return s, nil
}

// use has f work with the token. After a failure a new session is begun: a token that was
// unplugged, or a daemon behind the module that was restarted, knows the old one no more.
func (s *store) use(f func(*crypto11.Context) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.connect(); err != nil {
		return err
	}
	err := f(s.session)
	if err != nil {
		s.disconnect()
	}
	return err
}

func (s *store) connect() error {
	if s.session != nil || s.refused != nil {
		return s.refused
	}
	session, err := crypto11.Configure(&crypto11.Config{
		Path: s.options.Module, TokenLabel: s.options.TokenLabel, Pin: s.pin, MaxSessions: sessions, PoolWaitTimeout: sessionWait,
	})
	for _, refusal := range []module.Error{module.CKR_PIN_INCORRECT, module.CKR_PIN_INVALID, module.CKR_PIN_LEN_RANGE, module.CKR_PIN_EXPIRED, module.CKR_PIN_LOCKED} {
		if errors.Is(err, refusal) {
			s.refused = fmt.Errorf("the token %q refuses the PIN in %s, which is not tried again until a restart: %w", s.options.TokenLabel, s.options.PINFile, err)
			return s.refused
		}
	}
	if err != nil {
		return fmt.Errorf("the token %q cannot be used: %w", s.options.TokenLabel, err)
	}
	s.session, s.found = session, map[string]crypto11.Signer{}
	return nil
}

func (s *store) disconnect() {
	s.session.Close() // always nil
	s.session, s.found = nil, nil
}

// Close logs out and unloads the module.
func (s *store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != nil {
		s.disconnect()
	}
	return nil
}

// Label is what PEM blocks with references are labelled with.
func (*store) Label() string { return Label }

// Create makes a key pair in the token, labelled with the name and a part of its identifier.
func (s *store) Create(name string) ([]byte, error) {
	r := reference{token: s.options.TokenLabel, id: make([]byte, idSize)}
	rand.Read(r.id) // never fails (crypto/rand)
	r.name = "quotary " + name + " " + hex.EncodeToString(r.id[:4])
	err := s.use(func(c *crypto11.Context) error {
		made, err := c.GenerateECDSAKeyPairWithLabel(r.id, []byte(r.name), elliptic.P256())
		if err != nil {
			return fmt.Errorf("the token makes no key: %w", err)
		}
		if err := stays(c, made); err != nil {
			return errors.Join(err, made.Delete())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r.marshal()
}

// stays returns an error if the token lets its user read the key out.
func stays(c *crypto11.Context, key crypto11.Signer) error {
	for _, want := range []struct {
		attribute crypto11.AttributeType
		value     byte
	}{{crypto11.CkaSensitive, 1}, {crypto11.CkaExtractable, 0}} {
		got, err := c.GetAttribute(key, want.attribute)
		if err != nil {
			return err
		}
		if got == nil || len(got.Value) != 1 || got.Value[0] != want.value {
			return errors.New("the token lets the key be read out (CKA_SENSITIVE is false, or CKA_EXTRACTABLE true); replace it")
		}
	}
	return nil
}

// Open finds the key in the token.
func (s *store) Open(der []byte) (crypto.Signer, error) {
	r, err := s.parse(der)
	if err != nil {
		return nil, err
	}
	k := &key{store: s, id: r.id, name: r.name}
	err = s.use(func(c *crypto11.Context) error {
		pair, err := s.find(c, r.id)
		if err != nil {
			return err
		}
		if pair == nil {
			return k.lost()
		}
		public, ok := pair.Public().(*ecdsa.PublicKey)
		if !ok {
			return fmt.Errorf("the key %q is not of ECDSA", r.name)
		}
		k.public = public
		return stays(c, pair)
	})
	return k, err
}

// parse reads a reference into this token.
func (s *store) parse(der []byte) (reference, error) {
	r, err := parseReference(der)
	if err != nil {
		return r, fmt.Errorf("the file refers to no key in a token: %w", err)
	}
	if r.token != s.options.TokenLabel {
		return r, fmt.Errorf("the key is in the token %q, and %q is configured (authority.keys.pkcs11.token_label)", r.token, s.options.TokenLabel)
	}
	return r, nil
}

// find returns the key pair with this id, or nil if there is none. The token is ours.
func (s *store) find(c *crypto11.Context, id []byte) (crypto11.Signer, error) {
	if known := s.found[string(id)]; known != nil {
		return known, nil
	}
	pairs, err := c.FindKeyPairs(id, nil)
	if err != nil {
		return nil, fmt.Errorf("the token cannot be searched: %w", err)
	}
	switch len(pairs) {
	case 0:
		return nil, nil
	case 1:
		s.found[string(id)] = pairs[0]
		return pairs[0], nil
	}
	return nil, errors.New("the token has more than one key with this identifier")
}

// Destroy destroys the key pair.
func (s *store) Destroy(der []byte) error {
	r, err := s.parse(der)
	if err != nil {
		return err
	}
	return s.use(func(c *crypto11.Context) error {
		pair, err := s.find(c, r.id)
		if err != nil || pair == nil {
			return err
		}
		delete(s.found, string(r.id))
		return pair.Delete()
	})
}

// key is a key in the token. It outlasts sessions.
type key struct {
	store  *store
	id     []byte
	name   string
	public *ecdsa.PublicKey
}

func (k *key) Public() crypto.PublicKey { return k.public }

// Sign signs a digest; the token uses its own randomness.
func (k *key) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) (signature []byte, err error) {
	err = k.store.use(func(c *crypto11.Context) error {
		pair, err := k.store.find(c, k.id)
		if err != nil {
			return err
		}
		if pair == nil {
			return k.lost()
		}
		signature, err = pair.Sign(random, digest, opts)
		return err
	})
	return signature, err
}

func (k *key) lost() error {
	return fmt.Errorf("the token %q does not have the key %q: was it deleted, or the token initialised anew?", k.store.options.TokenLabel, k.name)
}
