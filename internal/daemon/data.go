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
	authorityDir    = "ca"             // root and issuing CA
	attestationDir  = "attestation-ca" // certifies attestation keys of TPMs
	tokenKeyFile    = "token.key"      // signs tokens
	ledgerFile      = "quotary.db"     // issuances and audit trail
	adminFile       = "admin.sha256"   // of the administrator's credential
	lockFile        = "lock"           // held while the service runs
	policiesDir     = "policies"
	endorsementsDir = "endorsements"
	collateralDir   = "collateral" // fetched from vendors
	federationDir   = "federation" // bundles of other trust domains
)

// prepare makes the data directory, or checks that nobody else may put files
// into it.
func prepare(data string) error {
	for _, dir := range []string{data, filepath.Join(data, policiesDir), filepath.Join(data, endorsementsDir)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	for _, dir := range []string{data, filepath.Join(data, policiesDir), filepath.Join(data, authorityDir), filepath.Join(data, attestationDir), filepath.Join(data, federationDir)} {
		if err := checkOwners(dir); err != nil {
			return err
		}
	}
	return nil
}

// checkOwners refuses a directory that others than its owner may write to: who
// puts a policy there, or a key, decides who gets which identity.
func checkOwners(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it is made with the right mode
	}
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return evidence.Errorf(evidence.CodeDataPermissions, dir, "others may write to this directory (mode %04o); run: chmod 700 %s", mode, dir)
	}
	return nil
}

// openAdmin returns the digest of the administrator's credential. If there is
// none yet it makes one and returns it as well; [keepAdmin] then keeps its digest.
func openAdmin(data string) (digest [sha256.Size]byte, credential string, err error) {
	path := filepath.Join(data, adminFile)
	text, mode, err := keyfile.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		credential = rand.Text() // 130 bits
		return sha256.Sum256([]byte(credential)), credential, nil
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

// keepAdmin writes the digest of a new credential. The credential itself is kept
// nowhere: this is the last thing that a start does before it shows it.
func keepAdmin(data string, digest [sha256.Size]byte) error {
	return keyfile.WriteNew(filepath.Join(data, adminFile), []byte(hex.EncodeToString(digest[:])+"\n"), 0o600)
}

// LedgerPath is where the ledger of a data directory is.
func LedgerPath(data string) string { return filepath.Join(data, ledgerFile) }

// emptyDir reports whether path is a directory with nothing in it, as the first
// start leaves the default ones.
func emptyDir(path string) bool {
	entries, err := os.ReadDir(path)
	return err == nil && len(entries) == 0
}
