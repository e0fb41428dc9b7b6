package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/keyfile"
)

// adminIssue issues a certificate: with a new key, or for the key of a request.
func adminIssue(args []string, stdout io.Writer) error {
	var data, name, role, out, csr string
	var days int
	flags := flag.NewFlagSet("admin issue", flag.ContinueOnError)
	flags.StringVar(&data, "data", "", "")
	flags.StringVar(&name, "name", "", "")
	flags.StringVar(&role, "role", "", "")
	flags.StringVar(&out, "out", "", "")
	flags.StringVar(&csr, "csr", "", "")
	flags.IntVar(&days, "days", int(admin.DefaultLife/(24*time.Hour)), "")
	if err := parse(flags, args, &data); err != nil {
		return err
	}
	if name == "" || role == "" || out == "" {
		return errors.New("--name NAME, --role ROLE and --out FILE are needed; try: quotaryd admin --help")
	}
	if most := int(admin.MaxLife / (24 * time.Hour)); days < 1 || days > most {
		return fmt.Errorf("--days %d is not between 1 and %d", days, most)
	}
	request := admin.Request{Name: name, Life: time.Duration(days) * 24 * time.Hour}
	var err error
	if request.Role, err = admin.ParseRole(role); err != nil {
		return err
	}
	if _, err := os.Lstat(out); !errors.Is(err, fs.ErrNotExist) { // before anything is issued
		return fmt.Errorf("%s is there already; name a new file", out)
	}
	var private []byte
	if request.Key, private, err = administratorKey(csr); err != nil {
		return err
	}
	authority, err := openAdministrators(data)
	if err != nil {
		return err
	}
	issued, certificate, err := authority.Issue(request)
	if err != nil {
		return err
	}
	if err := writeAdministrator(out, certificate, private); err != nil {
		return fmt.Errorf("the certificate %s was issued, and cannot be written: %w", issued.Serial, err)
	}
	fmt.Fprintf(stdout, "%s %s, until %s\n  serial   %s\n  written  %s\n", issued.Role, issued.Name, issued.NotAfter.Format(time.RFC3339), issued.Serial, out)
	return nil
}

// administratorKey returns the key of a request, or a new one and its private half
// in PEM.
func administratorKey(csr string) (key evidence.Key, private []byte, err error) {
	if csr != "" {
		key, err = requestedKey(csr)
		return key, nil, err
	}
	made, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return evidence.Key{}, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(made)
	if err != nil {
		return evidence.Key{}, nil, err
	}
	key, err = evidence.NewKey(&made.PublicKey)
	return key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

func requestedKey(path string) (evidence.Key, error) {
	data, _, err := keyfile.Read(path)
	if err != nil {
		return evidence.Key{}, err
	}
	block, rest := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(bytes.TrimSpace(rest)) > 0 {
		return evidence.Key{}, fmt.Errorf("%s is not one PEM block \"CERTIFICATE REQUEST\"", path)
	}
	return evidence.ParseCSR(block.Bytes)
}

// writeAdministrator writes certificate and key into one file, as clients take
// them; only its owner may read it if there is a key.
func writeAdministrator(path string, certificate, private []byte) error {
	mode := fs.FileMode(0o600)
	if private == nil {
		mode = 0o644
	}
	return keyfile.WriteNew(path, append(certificate, private...), mode)
}
