package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/quotary/quotary/client/admin"
)

// credentialHelp explains the flags of credentialFlags.
const credentialHelp = `  --cert FILE            the administrator's certificate, PEM (quotaryd admin issue)
  --key FILE             its key, if it is not in the same file; mode 0600
  --token-file FILE      a file with a token of the identity provider; mode 0600
`

// credentialName says where a credential is. One of its kinds is given. Secrets
// themselves stand neither here nor in command lines.
type credentialName struct {
	Certificate  string   `yaml:"certificate,omitempty"` // files, both of them
	Key          string   `yaml:"key,omitempty"`
	TokenFile    string   `yaml:"token_file,omitempty"`
	TokenCommand []string `yaml:"token_command,omitempty,flow"` // program and arguments
	Stored       bool     `yaml:"stored,omitempty"`             // in the directory credentials beside the configuration
}

// kinds lists what is given.
func (n credentialName) kinds() []string {
	var kinds []string
	for kind, given := range map[string]bool{
		"certificate": n.Certificate != "" || n.Key != "", "token file": n.TokenFile != "",
		"token command": n.TokenCommand != nil, "stored credential": n.Stored,
	} {
		if given {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

func (n credentialName) check() error {
	if len(n.kinds()) != 1 || (n.Certificate == "") != (n.Key == "") || n.TokenCommand != nil && (len(n.TokenCommand) == 0 || n.TokenCommand[0] == "") {
		return errors.New("credential is one of certificate with key, token_file, token_command and stored")
	}
	return nil
}

// load returns the credential. stored is the file that a stored one is in.
func (n credentialName) load(s streams, stored string) (admin.Credential, error) {
	switch {
	case n.Certificate != "":
		return loadCertificate(n.Certificate, n.Key)
	case n.TokenFile != "":
		return tokenIn(n.TokenFile)
	case n.Stored:
		return tokenIn(stored)
	}
	command := tokenCommand{argv: n.TokenCommand, notes: s.err}
	return admin.Bearer(command.token), nil
}

// loadCertificate reads a certificate with its key, which only its owner may read.
func loadCertificate(certificate, key string) (admin.Credential, error) {
	chain, err := readFile(certificate, maxCredential)
	if err != nil {
		return admin.Credential{}, withHint(err, "--cert takes the administrator's certificate, as quotaryd admin issue writes it")
	}
	secret, err := readPrivate(key, maxCredential)
	if err != nil {
		return admin.Credential{}, err
	}
	pair, err := tls.X509KeyPair(chain, secret)
	if err != nil { // whose text might quote a file
		return admin.Credential{}, usage(fmt.Sprintf("%s and %s are not a certificate and its key in PEM", certificate, key), "give both as quotaryd admin issue wrote them")
	}
	if end := pair.Leaf.NotAfter; time.Now().After(end) {
		return admin.Credential{}, usage(fmt.Sprintf("the certificate in %s ended %s", certificate, end.UTC().Format(time.RFC3339)), "have another issued (quotaryd admin issue), and quotary login again")
	}
	return admin.Certificate(pair), nil
}

// tokenIn returns a credential that is read anew for each request, so that it may be
// replaced meanwhile.
func tokenIn(file string) (admin.Credential, error) {
	read := func(context.Context) (string, error) {
		data, err := readPrivate(file, maxCredential)
		return strings.TrimSpace(string(data)), err
	}
	if _, err := read(context.Background()); err != nil {
		return admin.Credential{}, err
	}
	return admin.Bearer(read), nil
}

// tokenCommand is a program that prints a token. What it printed is used for a
// while: a list may take many requests.
type tokenCommand struct {
	argv  []string
	notes io.Writer // takes what it says beside

	mu     sync.Mutex
	asked  time.Time
	result string
}

func (c *tokenCommand) token(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.result != "" && time.Since(c.asked) < tokenReuse {
		return c.result, nil
	}
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	out := &bounded{most: maxCredential}
	command := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...) // no shell
	command.Stdout, command.Stderr, command.WaitDelay = out, c.notes, time.Second
	if err := command.Run(); err != nil {
		return "", withHint(fmt.Errorf("the token command %s failed: %w", filepath.Base(c.argv[0]), err), "run it by itself: it has to print a token and nothing else")
	}
	c.result, c.asked = strings.TrimSpace(out.text.String()), time.Now()
	return c.result, nil
}

// bounded keeps what is written to it, and fails when that is too much.
type bounded struct {
	text bytes.Buffer
	most int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > b.most {
		return 0, errors.New("too much output")
	}
	return b.text.Write(p)
}

// credentialFlags name a credential for one command.
type credentialFlags struct{ certificate, key, tokenFile string }

func (f *credentialFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&f.certificate, "cert", "", "")
	fs.StringVar(&f.key, "key", "", "")
	fs.StringVar(&f.tokenFile, "token-file", "", "")
}

// name returns what the flags name, with whole paths; nothing if they were not given.
func (f *credentialFlags) name() (n credentialName, given bool, err error) {
	if f.key != "" && f.certificate == "" {
		return n, false, usage("--key is for --cert", "give the certificate as well")
	}
	for _, file := range []struct {
		path *string
		name string
	}{{&n.Certificate, f.certificate}, {&n.Key, f.key}, {&n.TokenFile, f.tokenFile}} {
		if file.name == "" {
			continue
		}
		if *file.path, err = filepath.Abs(file.name); err != nil {
			return n, false, err
		}
	}
	if n.Key == "" {
		n.Key = n.Certificate
	}
	return n, n.Certificate != "" || n.TokenFile != "", nil
}
