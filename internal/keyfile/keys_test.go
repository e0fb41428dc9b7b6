package keyfile

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/quotary/quotary/evidence"
)

// memory is a store of keys in memory.
type memory struct {
	mu    sync.Mutex
	made  int
	keys  map[string]*ecdsa.PrivateKey
	curve elliptic.Curve
	fails error
	sign  func(*ecdsa.PrivateKey, []byte) ([]byte, error) // nil is right
}

func newMemory() *memory {
	return &memory{keys: map[string]*ecdsa.PrivateKey{}, curve: elliptic.P256()}
}

func (m *memory) Label() string { return "MEMORY" }

func (m *memory) Create(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails != nil {
		return nil, m.fails
	}
	key, err := ecdsa.GenerateKey(m.curve, rand.Reader)
	m.made++
	reference := name + strconv.Itoa(m.made)
	m.keys[reference] = key
	return []byte(reference), err
}

func (m *memory) Open(reference []byte) (crypto.Signer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := m.keys[string(reference)]
	if key == nil {
		return nil, errors.New("no such key")
	}
	return remembered{m, key}, m.fails
}

func (m *memory) Destroy(reference []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.keys, string(reference))
	return m.fails
}

type remembered struct {
	*memory
	*ecdsa.PrivateKey
}

func (r remembered) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if r.memory.sign != nil {
		return r.memory.sign(r.PrivateKey, digest)
	}
	if opts.HashFunc() != crypto.SHA256 {
		return nil, errors.New("no hash")
	}
	return r.PrivateKey.Sign(random, digest, opts)
}

func unavailableFor(t *testing.T, what string, err error) {
	t.Helper()
	if evidence.CodeOf(err) != evidence.CodeAuthorityKeyUnavailable {
		t.Errorf("%s: %v", what, err)
	}
}

func stores(m *memory) Keys { return Keys{New: m, Known: []Store{m}} }

// A key is where its file says, whatever is configured for the next one.
func TestKeysStayWhereTheyAre(t *testing.T) {
	dir, m := t.TempDir(), newMemory()
	inFile, inStore := filepath.Join(dir, "one.key"), filepath.Join(dir, "two.key")
	first, created, err := Keys{}.LoadOrCreate(inFile, elliptic.P384())
	if err != nil || !created {
		t.Fatal(err)
	}
	second, created, err := stores(m).LoadOrCreate(inStore, elliptic.P384())
	if err != nil || !created {
		t.Fatal(err)
	}
	if _, ok := m.keys["two1"]; !ok {
		t.Errorf("the store knows the key by %v", m.keys)
	}
	for name, keys := range map[string]Keys{"files from now on": {Known: []Store{m}}, "the store": stores(m)} {
		for path, want := range map[string]crypto.Signer{inFile: first, inStore: second} {
			key, created, err := keys.LoadOrCreate(path, elliptic.P384())
			if err != nil || created || !want.Public().(*ecdsa.PublicKey).Equal(key.Public()) {
				t.Errorf("%s: %s: created %v, %v", name, path, created, err)
			}
		}
	}
	for path, want := range map[string]string{inFile: InFile, inStore: "MEMORY"} {
		if label, err := Label(path); label != want || err != nil {
			t.Errorf("%s: %q, %v", path, label, err)
		}
	}
	_, err = Keys{}.Load(inStore, elliptic.P384())
	unavailableFor(t, "without the store", err)
}

// That the device of a store is not there does not say that the file of the key is not: no other
// key is made, and nobody takes the key for one that is kept elsewhere.
func TestMissingStoreIsNoMissingFile(t *testing.T) {
	path, m := filepath.Join(t.TempDir(), "a.key"), newMemory()
	if _, _, err := stores(m).LoadOrCreate(path, elliptic.P256()); err != nil {
		t.Fatal(err)
	}
	m.fails = &fs.PathError{Op: "open", Path: "/dev/tpmrm0", Err: fs.ErrNotExist}
	_, _, err := stores(m).LoadOrCreate(path, elliptic.P256())
	unavailableFor(t, "the device is missing", err)
	if errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "the key cannot be opened") {
		t.Errorf("a missing device passes for a missing file: %v", err)
	}
}

// However many start at once, there is one key, and the store has no other.
func TestConcurrentCreationInStores(t *testing.T) {
	path, m := filepath.Join(t.TempDir(), "a.key"), newMemory()
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if _, _, err := stores(m).LoadOrCreate(path, elliptic.P256()); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if len(m.keys) != 1 {
		t.Errorf("%d keys are left of %d", len(m.keys), m.made)
	}
}

func TestRemove(t *testing.T) {
	dir, m := t.TempDir(), newMemory()
	path := filepath.Join(dir, "a.key")
	if _, _, err := stores(m).LoadOrCreate(path, elliptic.P256()); err != nil {
		t.Fatal(err)
	}
	unavailableFor(t, "without the store", Keys{}.Remove(path))
	m.fails = errors.New("unplugged")
	unavailableFor(t, "while the store fails", stores(m).Remove(path))
	m.fails = nil
	for range 2 {
		if err := stores(m).Remove(path); err != nil || len(m.keys) != 0 {
			t.Errorf("%d keys are left: %v", len(m.keys), err)
		}
	}
	if err := os.WriteFile(path, []byte("out of order"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := stores(m).Remove(path); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

// What a store fails to do is no reason to go on with another key.
func TestStoresThatFail(t *testing.T) {
	path, m := filepath.Join(t.TempDir(), "a.key"), newMemory()
	m.fails = errors.New("unplugged")
	_, _, err := stores(m).LoadOrCreate(path, elliptic.P256())
	unavailableFor(t, "made", err)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a file: %v", err)
	}
	m.fails, m.curve = nil, elliptic.P384()
	if _, _, err := stores(m).LoadOrCreate(path, elliptic.P384()); evidence.CodeOf(err) != evidence.CodeAuthorityKeyFile {
		t.Errorf("of another curve: %v", err)
	}
	m.keys = nil
	_, created, err := stores(m).LoadOrCreate(path, elliptic.P256())
	if unavailableFor(t, "lost", err); created {
		t.Error("another key was made for one that is lost")
	}
}

// A store that is wrong, or somebody else's, signs nothing that gets out.
func TestAttack_A16_StoresThatSignWrong(t *testing.T) {
	m := newMemory()
	key, _, err := stores(m).LoadOrCreate(filepath.Join(t.TempDir(), "a.key"), elliptic.P256())
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("message"))
	for _, opts := range []crypto.SignerOpts{crypto.SHA256, nil} { // go-cose gives none
		if signature, err := key.Sign(rand.Reader, digest[:], opts); err != nil || !ecdsa.VerifyASN1(key.Public().(*ecdsa.PublicKey), digest[:], signature) {
			t.Errorf("%v: %v", opts, err)
		}
	}
	_, err = key.Sign(rand.Reader, digest[:], crypto.SHA384)
	unavailableFor(t, "another hash", err)
	_, err = key.Sign(rand.Reader, digest[:20], nil)
	unavailableFor(t, "another size", err)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, wrong := range map[string]func(*ecdsa.PrivateKey, []byte) ([]byte, error){
		"by another key": func(_ *ecdsa.PrivateKey, digest []byte) ([]byte, error) {
			return ecdsa.SignASN1(rand.Reader, stranger, digest)
		},
		"of other content": func(key *ecdsa.PrivateKey, digest []byte) ([]byte, error) {
			return ecdsa.SignASN1(rand.Reader, key, digest[1:])
		},
		"empty":    func(*ecdsa.PrivateKey, []byte) ([]byte, error) { return nil, nil },
		"an error": func(*ecdsa.PrivateKey, []byte) ([]byte, error) { return nil, errors.New("no") },
	} {
		m.sign = wrong
		signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
		if unavailableFor(t, name, err); len(signature) > 0 {
			t.Errorf("%s: there is a signature", name)
		}
	}
}

// A reference is kept as strictly as a key.
func TestAttack_A16_ReferencesThatOthersRead(t *testing.T) {
	path, m := filepath.Join(t.TempDir(), "a.key"), newMemory()
	if _, _, err := stores(m).LoadOrCreate(path, elliptic.P256()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]struct {
		text []byte
		mode fs.FileMode
	}{
		"others can read it": {text, 0o640},
		"two references":     {append(bytes.Clone(text), text...), 0o600},
		"with headers":       {pem.EncodeToMemory(&pem.Block{Type: "MEMORY", Headers: map[string]string{"a": "b"}, Bytes: []byte("a1")}), 0o600},
	} {
		if err := os.WriteFile(path, file.text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, file.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := stores(m).Load(path, elliptic.P256()); evidence.CodeOf(err) != evidence.CodeAuthorityKeyFile {
			t.Errorf("%s: %v", name, err)
		}
	}
	if strings.Contains(string(text), InFile) {
		t.Error("the file has a private key")
	}
}
