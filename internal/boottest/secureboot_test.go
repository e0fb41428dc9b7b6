//go:build boot

package boottest_test

import (
	"bytes"
	"encoding/binary"
	"os/exec"
	"path/filepath"
	"testing"
	"unicode/utf16"
)

// sign signs an image with the key that everybody has.
func (a *artefacts) sign(t *testing.T, image, name string) (path string) {
	t.Helper()
	key := filepath.Join(a.dir, "snakeoil.key")
	path = filepath.Join(a.dir, name)
	for _, command := range [][]string{
		{"openssl", "rsa", "-in", snakeoilKey, "-passin", "pass:snakeoil", "-out", key},
		{"sbsign", "--key", key, "--cert", snakeoilCert, "--output", path, image},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command[0], err, out)
		}
	}
	return path
}

// secureBoot saves the variables that firmware's store of variables has, and returns the
// flags of quotary measure that name them.
func (a *artefacts) secureBoot(t *testing.T) (flags []string) {
	t.Helper()
	store := read(t, snakeoil)
	flags = []string{"--secure-boot", "--authority", snakeoilCert}
	for _, name := range []string{"PK", "KEK", "db", "dbx"} {
		flags = append(flags, "--"+string(bytes.ToLower([]byte(name))), a.save(t, name+".esl", variable(t, store, name)))
	}
	return flags
}

// variable finds a variable in a store (EDK II, AUTHENTICATED_VARIABLE_HEADER): one that
// counts has the state 3f, and name and value behind 60 bytes.
func variable(t *testing.T, store []byte, name string) []byte {
	t.Helper()
	var wide []byte
	for _, unit := range utf16.Encode([]rune(name + "\x00")) {
		wide = binary.LittleEndian.AppendUint16(wide, unit)
	}
	for at := 0; ; {
		next := bytes.Index(store[at:], []byte{0xaa, 0x55, 0x3f, 0})
		if next < 0 || at+next+60 > len(store) {
			t.Fatalf("%s has no variable %s", snakeoil, name)
		}
		header, rest := store[at+next:][:60], store[at+next+60:]
		nameSize, size := binary.LittleEndian.Uint32(header[36:]), binary.LittleEndian.Uint32(header[40:])
		if int(nameSize) == len(wide) && bytes.HasPrefix(rest, wide) {
			return rest[nameSize:][:size]
		}
		at += next + 4
	}
}
