package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// defaultProfile is the profile of those who have one.
const defaultProfile = "default"

// userConfig is what the user's configuration file says: which services there are,
// and as whom to speak to them. It names credentials and holds none.
type userConfig struct {
	Current  string             `yaml:"current,omitempty"`
	Profiles map[string]profile `yaml:"profiles"`

	path string
}

// profile is a service and a credential for it.
type profile struct {
	URL         string         `yaml:"url"`
	TrustDomain string         `yaml:"trust_domain"`
	Root        string         `yaml:"root"` // of the service's authority, PEM
	Credential  credentialName `yaml:"credential"`
}

var profileName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// readUserConfig reads the file $XDG_CONFIG_HOME/quotary/config.yaml; an empty one
// if there is none.
func readUserConfig() (*userConfig, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return nil, withHint(err, "set XDG_CONFIG_HOME, or HOME")
	}
	c := &userConfig{path: filepath.Join(dir, "quotary", "config.yaml"), Profiles: map[string]profile{}}
	data, err := readPrivate(c.path, maxUserConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	if err := c.decode(data); err != nil {
		return nil, withHint(fmt.Errorf("%s: %w", c.path, err), "put it right, or remove it and log in again: quotary login --help")
	}
	return c, nil
}

// decode reads one document strictly.
func (c *userConfig) decode(data []byte) error {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(c); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("the file holds more than one document")
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil || aliased(&root) {
		return errors.New("the file has anchors or aliases")
	}
	for name, p := range c.Profiles {
		if err := p.check(name); err != nil {
			return fmt.Errorf("profile %q: %w", name, err)
		}
	}
	return nil
}

// aliased reports whether something in a document stands for something else.
func aliased(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || n.Anchor != "" || slices.ContainsFunc(n.Content, aliased)
}

func (p profile) check(name string) error {
	if !profileName.MatchString(name) {
		return errors.New("a profile's name has up to 63 of a-z, 0-9, point, hyphen and underscore")
	}
	if _, err := p.root(); err != nil {
		return err
	}
	if p.URL == "" || p.TrustDomain == "" {
		return errors.New("url and trust_domain are needed")
	}
	return p.Credential.check()
}

// root returns the root of the service's authority.
func (p profile) root() (*x509.Certificate, error) {
	block, rest := pem.Decode([]byte(p.Root))
	if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("root is no certificate in PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

// write replaces the file, which only its owner may read.
func (c *userConfig) write() error {
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(c); err != nil {
		return err
	}
	return writePrivate(c.path, text.Bytes())
}

// credentialFile is where a profile's credential is kept, if this program keeps it.
func (c *userConfig) credentialFile(name string) string {
	return filepath.Join(filepath.Dir(c.path), "credentials", name)
}

// names lists the profiles.
func (c *userConfig) names() string {
	return strings.Join(slices.Sorted(maps.Keys(c.Profiles)), ", ")
}

// readPrivate reads a file that nobody but its owner may read: the error says what
// to do where others may.
func readPrivate(path string, most int) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, withHint(fmt.Errorf("%s may be read or changed by others than its owner (mode %04o)", path, mode),
			"chmod 600 "+path+", and replace what it holds if others may have read it")
	}
	data, err := readAll(file, most)
	if err == nil && len(data) > most {
		err = fmt.Errorf("%s is larger than any file of its purpose", path)
	}
	return data, err
}

// writePrivate writes a file for its owner alone, whole or not at all.
func writePrivate(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(data)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
