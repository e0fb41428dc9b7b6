package daemon

import (
	"crypto/elliptic"
	"io"
	"path/filepath"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/pkcs11"
	"github.com/quotary/quotary/tee/tpm/guest"
	"github.com/quotary/quotary/tokens"
)

// Keys says where the private keys of the authorities and of the tokens' signer are made. A key that
// is there stays where it is, and its store must be configured for as long.
type Keys struct {
	// Source is where keys are made from now on: "files" of the data directory, the "tpm" of
	// this machine, or a token of "pkcs11". Defaults to files.
	Source string `yaml:"source"`
	// TPM is this machine's TPM, if any key is in it or is to be.
	TPM *HostTPM `yaml:"tpm"`
	// PKCS11 is a token, if any key is in it or is to be.
	PKCS11 *Token `yaml:"pkcs11"`
}

// HostTPM is the TPM of the machine that the service runs on.
type HostTPM struct {
	// Address is its device, or unix: and the path of a socket. Defaults to /dev/tpmrm0.
	Address string `yaml:"address"`
}

// Token is a token of PKCS #11, such as a hardware security module. The build must have PKCS #11.
type Token struct {
	// Module is the absolute path of the module's library, which runs as a part of the service.
	Module string `yaml:"module"`
	// TokenLabel is the token's label.
	TokenLabel string `yaml:"token_label"`
	// PINFile is a file with the user's PIN, of mode 0600.
	PINFile string `yaml:"pin_file"`
}

// What Source may be.
const (
	keysInFiles  = "files"
	keysInTPM    = "tpm"
	keysInPKCS11 = "pkcs11"
)

func (t *Token) options() pkcs11.Options { return pkcs11.Options(*t) }

func (k Keys) check() error {
	switch k.Source {
	case "", keysInFiles, keysInTPM:
	case keysInPKCS11:
		if k.PKCS11 == nil {
			return evidence.Errorf(evidence.CodeConfigMalformed, "authority.keys.pkcs11", "keys are to be made in a token, and it is not said in which")
		}
	default:
		return evidence.Errorf(evidence.CodeConfigMalformed, "authority.keys.source", "%q is none of %q, %q and %q", k.Source, keysInFiles, keysInTPM, keysInPKCS11)
	}
	if k.PKCS11 != nil {
		return k.PKCS11.options().Check()
	}
	return nil
}

// resolve makes a relative path relative to dir.
func (k Keys) resolve(dir string) {
	if k.PKCS11 != nil && k.PKCS11.PINFile != "" && !filepath.IsAbs(k.PKCS11.PINFile) {
		k.PKCS11.PINFile = filepath.Join(dir, k.PKCS11.PINFile)
	}
}

// open opens the stores that are configured. The closer is nil if there is nothing to close.
func (k Keys) open() (keys ca.Keys, closer io.Closer, err error) {
	if k.Source == keysInTPM && k.TPM == nil {
		k.TPM = &HostTPM{}
	}
	if k.TPM != nil {
		address := k.TPM.Address
		if address == "" {
			address = guest.DefaultAddress
		}
		store, err := guest.NewKeyStore(address)
		if err != nil {
			return keys, nil, evidence.Errorf(evidence.CodeConfigMalformed, "authority.keys.tpm.address", "%w", err)
		}
		keys.Known = append(keys.Known, store)
		if k.Source == keysInTPM {
			keys.New = store
		}
	}
	if k.PKCS11 != nil {
		store, err := pkcs11.Open(k.PKCS11.options())
		if err != nil {
			return keys, nil, err
		}
		keys.Known, closer = append(keys.Known, store), store
		if k.Source == keysInPKCS11 {
			keys.New = store
		}
	}
	return keys, closer, nil
}

// OpenKeys opens the stores of keys that are configured, for a command that ends soon.
func OpenKeys(c Config) (ca.Keys, error) {
	if err := c.Authority.Keys.check(); err != nil {
		return ca.Keys{}, err
	}
	keys, _, err := c.Authority.Keys.open() // the end of the process closes them
	return keys, err
}

// whereKeysAre are the names of places in the words of the configuration, by the labels of files.
var whereKeysAre = map[string]string{ca.InFile: keysInFiles, (*guest.KeyStore)(nil).Label(): keysInTPM, pkcs11.Label: keysInPKCS11}

// WhereKeysAre says in the configuration's words what [ca.Slot] says of an authority's keys.
func WhereKeysAre(label string) string { return whereKeysAre[label] }

// tokenKey is the key that signs tokens.
func (d *Daemon) tokenKey(data string) (*tokens.SigningKey, error) {
	key, _, err := d.keys.LoadOrCreate(filepath.Join(data, tokenKeyFile), elliptic.P256())
	if err != nil {
		return nil, err
	}
	return tokens.NewSigningKey(key)
}

// noteKeys says where the active authority's keys are, if that is not where keys are made.
func (d *Daemon) noteKeys() {
	source := d.Config.Authority.Keys.Source
	if source == "" {
		source = keysInFiles
	}
	for _, slot := range d.authority.Status().Slots {
		if where := WhereKeysAre(slot.Keys); slot.State == ca.Active && where != source {
			d.logger.Warn("the active authority's keys stay where they were made; docs/operations.md (Keys in a TPM or a token) says how others take their place", "keys", where, "source", source)
		}
	}
}
