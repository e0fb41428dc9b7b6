// Package keyfile keeps the service's private keys in files that only their
// owner can read. A file is written once and never replaced: it appears whole or
// not at all, and a second writer finds the first one's. A file may have a reference in place
// of the key, into a [Store] that nobody can read keys out of.
//
// Start at [Keys].
package keyfile

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/quotary/quotary/evidence"
)

// maxFile bounds a key or certificate file: ours take under 2 KiB.
const maxFile = 16 << 10

// pemType is the PEM label of PKCS #8 (RFC 7468 §10).
const pemType = "PRIVATE KEY"

// Load returns the key in the file at path: PKCS #8 in PEM, of this curve. The
// file must be a regular one that nobody but its owner can read. The error wraps
// fs.ErrNotExist if there is no such file.
func Load(path string, curve elliptic.Curve) (*ecdsa.PrivateKey, error) {
	block, err := readBlock(path)
	if err != nil {
		return nil, err
	}
	return parse(path, block, curve)
}

// readBlock returns the one PEM block of a file that nobody but its owner can read.
func readBlock(path string) (*pem.Block, error) {
	data, mode, err := Read(path)
	if err != nil {
		return nil, err
	}
	if mode.Perm()&0o077 != 0 {
		return nil, refuse(path, "others can read it (mode %04o); set its mode to 0600, and replace the key if it may have been read", mode.Perm())
	}
	block, rest := pem.Decode(data)
	if block == nil || len(block.Headers) != 0 || len(rest) != 0 {
		return nil, refuse(path, "it is not one PEM block %q", pemType)
	}
	return block, nil
}

// parse reads a key that is in its file.
func parse(path string, block *pem.Block, curve elliptic.Curve) (*ecdsa.PrivateKey, error) {
	if block.Type != pemType {
		return nil, refuse(path, "it is not one PEM block %q", pemType)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, refuse(path, "it holds no PKCS #8 key") // the cause could quote the key
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != curve {
		return nil, refuse(path, "it holds no ECDSA %s key", curve.Params().Name)
	}
	return key, nil
}

// Read returns the contents and mode of a regular file of bounded size. A
// symbolic link is refused: its target may belong to somebody else.
func Read(path string) ([]byte, fs.FileMode, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, refuse(path, "it is not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	opened, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !os.SameFile(info, opened) {
		return nil, 0, refuse(path, "it was replaced while it was read")
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = refuse(path, "it is larger than %d bytes", maxFile)
	}
	return data, opened.Mode(), err
}

func create(path string, curve elliptic.Curve) error {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return WriteNew(path, pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), 0o600)
}

// WriteNew writes a file that must not exist yet, durably and all at once. The
// error wraps fs.ErrExist if there is one already, which stays as it is.
func WriteNew(path string, data []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	if err := fill(temp, data, mode); err != nil {
		return err
	}
	if err := os.Link(temp.Name(), path); err != nil { // unlike a rename, never replaces
		return err
	}
	return syncDir(dir)
}

func fill(file *os.File, data []byte, mode fs.FileMode) error {
	_, err := file.Write(data)
	if err == nil {
		err = file.Chmod(mode)
	}
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func refuse(path, format string, args ...any) error {
	return evidence.Errorf(evidence.CodeAuthorityKeyFile, path, format, args...)
}
