package keyfile

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/quotary/quotary/evidence"
)

var inFiles Keys

func TestLoadOrCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := Load(path, elliptic.P256()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	first, created, err := inFiles.LoadOrCreate(path, elliptic.P256())
	if err != nil || !created {
		t.Fatalf("%v, created %v", err, created)
	}
	second, created, err := inFiles.LoadOrCreate(path, elliptic.P256())
	if err != nil || created || !second.(*ecdsa.PrivateKey).Equal(first) {
		t.Errorf("%v, created %v", err, created)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
	if _, err := Load(path, elliptic.P384()); evidence.CodeOf(err) != evidence.CodeAuthorityKeyFile {
		t.Errorf("of another curve: %v", err)
	}
}

// However many start at once, there is one key, and one of them made it.
func TestConcurrentCreation(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	var made atomic.Int32
	var wait sync.WaitGroup
	keys := make([]string, 16)
	for i := range keys {
		wait.Go(func() {
			key, created, err := inFiles.LoadOrCreate(path, elliptic.P256())
			if err != nil {
				t.Error(err)
				return
			}
			if created {
				made.Add(1)
			}
			keys[i] = string(mustPKCS8(t, key.(*ecdsa.PrivateKey)))
		})
	}
	wait.Wait()
	for _, key := range keys {
		if key != keys[0] {
			t.Fatal("two keys were made")
		}
	}
	if entries, _ := os.ReadDir(dir); made.Load() != 1 || len(entries) != 1 {
		t.Errorf("made %d times, %d files are left", made.Load(), len(entries))
	}
}

func TestWriteNewNeverReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := WriteNew(path, []byte("one"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := WriteNew(path, []byte("two"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second time: %v", err)
	}
	data, mode, err := Read(path)
	if err != nil || string(data) != "one" || mode != 0o644 {
		t.Errorf("%q, %v (%v)", data, mode, err)
	}
	if err := WriteNew(filepath.Join(t.TempDir(), "no", "file"), nil, 0o600); err == nil {
		t.Error("a folder that is not there was made")
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	if _, _, err := inFiles.LoadOrCreate(good, elliptic.P256()); err != nil {
		t.Fatal(err)
	}
	pemText, _, err := Read(good)
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(good, link); err != nil {
		t.Fatal(err)
	}
	paths := map[string]string{"a link": link, "a folder": t.TempDir()}
	for name, data := range map[string][]byte{
		"empty": {}, "two keys": append(pemText[:len(pemText):len(pemText)], pemText...), "large": make([]byte, maxFile+1), "not PEM": []byte("x"),
	} {
		paths[name] = filepath.Join(dir, name)
		if err := os.WriteFile(paths[name], data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, path := range paths {
		if _, err := Load(path, elliptic.P256()); evidence.CodeOf(err) != evidence.CodeAuthorityKeyFile {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAttack_A16_KeyFileReadableByOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.key")
	if _, _, err := inFiles.LoadOrCreate(path, elliptic.P256()); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o644, 0o610} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, _, err := inFiles.LoadOrCreate(path, elliptic.P256()); evidence.CodeOf(err) != evidence.CodeAuthorityKeyFile {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
}

// A damaged key is an error, never a reason to make another one.
func TestDamagedFilesStay(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "text": "hello", "block": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		path := filepath.Join(t.TempDir(), "a.key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := inFiles.LoadOrCreate(path, elliptic.P256()); evidence.CodeOf(err) != evidence.CodeAuthorityKeyFile {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != text {
			t.Errorf("%s: the file was changed (%v)", name, err)
		}
	}
}

func mustPKCS8(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Error(err)
	}
	return der
}
