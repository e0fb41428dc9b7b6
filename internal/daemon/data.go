package daemon

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/keyfile"
)

// What the data directory holds; docs/operations.md says who may read what.
const (
	authorityDir    = "ca"           // root and issuing CA
	tokenKeyFile    = "token.key"    // signs tokens
	ledgerFile      = "quotary.db"   // issuances and audit trail
	adminFile       = "admin.sha256" // of the administrator's credential
	policiesDir     = "policies"
	endorsementsDir = "endorsements"
)

// prepare makes the data directory, or checks that nobody else may put files
// into it.
func prepare(data string) error {
	for _, dir := range []string{data, filepath.Join(data, policiesDir), filepath.Join(data, endorsementsDir)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	info, err := os.Stat(data)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return evidence.Errorf(evidence.CodeDataPermissions, data, "others may write to the data directory (mode %04o); run: chmod 700 %s", mode, data)
	}
	return nil
}

// openAdmin returns the digest of the administrator's credential. If there is
// none yet it makes one, returns it this one time and keeps only its digest.
func openAdmin(data string) (digest [sha256.Size]byte, credential string, err error) {
	path := filepath.Join(data, adminFile)
	text, mode, err := keyfile.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		credential = rand.Text() // 130 bits
		digest = sha256.Sum256([]byte(credential))
		return digest, credential, keyfile.WriteNew(path, []byte(hex.EncodeToString(digest[:])+"\n"), 0o600)
	}
	if err != nil {
		return digest, "", err
	}
	if mode.Perm()&0o077 != 0 {
		return digest, "", evidence.Errorf(evidence.CodeDataPermissions, path, "others than the owner may use this file (mode %04o); run: chmod 600 %s", mode.Perm(), path)
	}
	sum, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(sum) != sha256.Size {
		return digest, "", evidence.Errorf(evidence.CodeConfigMalformed, path, "this is no SHA-256 in hex; delete the file and restart to get a new credential")
	}
	return [sha256.Size]byte(sum), "", nil
}

// LedgerPath is where the ledger of a data directory is.
func LedgerPath(data string) string { return filepath.Join(data, ledgerFile) }

// exists reports whether the data directory was in use before.
func exists(data string) bool {
	_, err := os.Stat(filepath.Join(data, adminFile))
	return err == nil
}

// emptyDir reports whether path is a directory with nothing in it, as the first
// start leaves the default ones.
func emptyDir(path string) bool {
	entries, err := os.ReadDir(path)
	return err == nil && len(entries) == 0
}
