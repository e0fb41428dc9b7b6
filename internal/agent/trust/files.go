package trust

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/boundedfile"
)

// kept is the file that the newest bundle is kept in.
type kept struct {
	// Origin is the digest of what the operator gave: with other trust given, what
	// followed from this one counts no more.
	Origin      string          `json:"origin"`
	TrustDomain string          `json:"trust_domain"`
	Bundle      json.RawMessage `json:"bundle"`
}

// given reads what the operator gave; nil if that is only a digest.
func (t *Trust) given() (*spiffebundle.Bundle, error) {
	c := t.config
	if c.RootSHA256 != nil {
		t.origin = origin(c, c.RootSHA256[:])
		return nil, nil
	}
	data, err := boundedfile.Read(c.BundleFile, maxBundle)
	if err != nil {
		return nil, fmt.Errorf("service.bundle: %w", err)
	}
	t.origin = origin(c, data)
	if trimmed := bytes.TrimSpace(data); len(trimmed) > 0 && trimmed[0] == '{' {
		return t.ofJSON(data)
	}
	var roots []*x509.Certificate
	for len(bytes.TrimSpace(data)) > 0 {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil || block.Type != "CERTIFICATE" {
			return nil, evidence.Errorf(evidence.CodeConfigMalformed, "service.bundle", "%s is neither a SPIFFE bundle in JSON nor certificates in PEM", c.BundleFile)
		}
		root, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, evidence.Errorf(evidence.CodeConfigMalformed, "service.bundle", "a certificate in %s cannot be decoded: %w", c.BundleFile, err)
		}
		roots = append(roots, root)
	}
	if len(roots) == 0 {
		return nil, evidence.Errorf(evidence.CodeConfigMalformed, "service.bundle", "%s is empty", c.BundleFile)
	}
	return t.ofRoots("service.bundle", roots)
}

// ofJSON decodes a SPIFFE bundle. Which trust domain it is of, its roots say.
func (t *Trust) ofJSON(data []byte) (*spiffebundle.Bundle, error) {
	bundle, err := spiffebundle.Parse(unnamed, data)
	if err != nil || len(bundle.X509Authorities()) == 0 {
		return nil, evidence.Errorf(evidence.CodeConfigMalformed, "service.bundle", "%s is no SPIFFE bundle with a root", t.config.BundleFile)
	}
	domain, err := t.domain("service.bundle", bundle.X509Authorities())
	if err != nil {
		return nil, err
	}
	return spiffebundle.Parse(domain, data)
}

// unnamed is the trust domain of a bundle that is only looked at.
var unnamed = spiffeid.RequireTrustDomainFromString("unnamed")

// origin identifies what the operator gave.
func origin(c Config, given []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q ", c.URL, c.TrustDomain)
	h.Write(given)
	return hex.EncodeToString(h.Sum(nil))
}

// kept reads the bundle of an earlier run; nil if there is none. given is what the
// operator gave, nil if that is only a digest.
func (t *Trust) kept(given *spiffebundle.Bundle) (*spiffebundle.Bundle, error) {
	if t.config.Keep == "" {
		return nil, nil
	}
	info, err := os.Lstat(t.config.Keep)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o022 != 0 || !ours(info) {
		return nil, fmt.Errorf("it is another user's, others may write to it (mode %04o), or it is no regular file", info.Mode().Perm())
	}
	data, err := boundedfile.Read(t.config.Keep, maxBundle)
	if err != nil {
		return nil, err
	}
	var k kept
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&k); err != nil {
		return nil, errors.New("it cannot be decoded")
	}
	if k.Origin != t.origin {
		return nil, errors.New("it rests on other trust than what is configured now")
	}
	domain, err := spiffeid.TrustDomainFromString(k.TrustDomain)
	if err != nil || given != nil && given.TrustDomain() != domain {
		return nil, errors.New("it is of another trust domain")
	}
	bundle, err := spiffebundle.Parse(domain, k.Bundle)
	if err != nil || len(bundle.X509Authorities()) == 0 {
		return nil, errors.New("it holds no bundle with a root")
	}
	return bundle, nil
}

// ours reports whether a file is the agent's own, or root's: whoever else put it there would say
// whom the agent believes.
func ours(info fs.FileInfo) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	return ok && (owner.Uid == 0 || int64(owner.Uid) == int64(os.Geteuid()))
}

// keep replaces the kept file as a whole.
func (t *Trust) keep(bundle *spiffebundle.Bundle) error {
	if t.config.Keep == "" {
		return nil
	}
	raw, err := bundle.Marshal()
	if err != nil {
		return err
	}
	data, err := json.Marshal(kept{t.origin, bundle.TrustDomain().Name(), raw})
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(t.config.Keep), ".trust-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), t.config.Keep)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
