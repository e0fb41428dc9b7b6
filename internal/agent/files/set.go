package files

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"slices"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/quotary/quotary/internal/agent"
)

// The names of the files.
const (
	NameChain      = "tls.crt"        // the certificate and its chain, PEM
	NameKey        = "tls.key"        // the key, PKCS #8, PEM
	NameCombined   = "tls.pem"        // both, in one file
	NameRoots      = "ca.crt"         // the trust domain's roots, PEM
	NameBundle     = "bundle.json"    // the SPIFFE trust bundle
	NameLists      = "crl.pem"        // the revocation lists of all CAs, PEM, if they are known
	NameToken      = "ear.jwt"        // the attestation result, if there is one
	NamePKCS12     = "identity.p12"   // chain and key, if there is a password
	NameTrustStore = "truststore.p12" // the roots, likewise
)

// publicMode is the mode of files without key.
const publicMode fs.FileMode = 0o644

// file is one file of a set.
type file struct {
	name string
	data []byte
	mode fs.FileMode
}

// contents makes the files of an identity. Where its key lives in the TPM, there is none
// of those that have it.
func (w *Writer) contents(identity *agent.Identity) ([]file, error) {
	bundle, err := identity.Bundle.Marshal()
	if err != nil {
		return nil, err
	}
	chain := identity.ChainPEM()
	set := []file{
		{NameChain, chain, publicMode},
		{NameRoots, agent.AuthoritiesPEM(identity.Bundle), publicMode},
		{NameBundle, append(bundle, '\n'), publicMode},
	}
	if len(identity.ListFile) > 0 {
		set = append(set, file{NameLists, identity.ListFile, publicMode})
	}
	if identity.Token != nil && identity.Token.JWT != "" {
		set = append(set, file{NameToken, []byte(identity.Token.JWT), w.config.KeyMode})
	}
	key, err := identity.KeyPEM()
	if errors.Is(err, agent.ErrKeyInTPM) && w.config.Password == nil {
		return set, nil
	}
	if err != nil {
		return nil, err
	}
	set = append(set, file{NameKey, key, w.config.KeyMode}, file{NameCombined, slices.Concat(chain, key), w.config.KeyMode})
	if w.config.Password == nil {
		return set, nil
	}
	stores, err := w.stores(identity)
	return append(set, stores...), err
}

// stores makes the PKCS #12 files.
func (w *Writer) stores(identity *agent.Identity) ([]file, error) {
	var issuers []*x509.Certificate
	for _, der := range identity.Certificate.Certificate[1:] {
		issuer, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		issuers = append(issuers, issuer)
	}
	own, err := pkcs12.Modern.Encode(identity.Certificate.PrivateKey, identity.Certificate.Leaf, issuers, *w.config.Password)
	if err != nil {
		return nil, err
	}
	trust, err := pkcs12.Modern.EncodeTrustStore(identity.Bundle.X509Authorities(), *w.config.Password)
	if err != nil {
		return nil, err
	}
	return []file{{NamePKCS12, own, w.config.KeyMode}, {NameTrustStore, trust, publicMode}}, nil
}
