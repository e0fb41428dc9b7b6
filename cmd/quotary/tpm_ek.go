package main

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/tpm/guest"
)

const tpmEKHelp = `usage: quotary tpm ek [--tpm ADDRESS] [FLAG]…

Show the endorsement keys of a TPM that have a certificate, or, if none has, the one
on P-256. Their SHA-256 (of the SubjectPublicKeyInfo) is what an operator's list names
them by. Nothing is judged: that a key is the TPM's shows when it is enrolled.

flags:
  --tpm ADDRESS          the TPM: a device (/dev/tpmrm0, the default), or a socket that
                         takes raw commands (unix:PATH, tcp:HOST:PORT)
  --ek-certificate FILE  the endorsement key's certificate and intermediates, where the
                         TPM does not have them; repeatable
  --out DIR              write certificates (ek-TYPE.pem) and public areas (ek-TYPE.pub,
                         TPMT_PUBLIC) to DIR, where they must not exist yet
  -o text|json           output format
`

// ekOptions are tpm ek's flags.
type ekOptions struct {
	address      string
	certificates list
	dir          string
	output       *choice
}

func tpmEK(s streams, args []string) (exit, error) {
	o := &ekOptions{}
	fs := flagSet("tpm ek")
	fs.StringVar(&o.address, "tpm", guest.DefaultAddress, "")
	fs.Var(&o.certificates, "ek-certificate", "")
	fs.StringVar(&o.dir, "out", "", "")
	o.output = outputFlag(fs, "text", "json")
	if err := parseWithout(fs, args); err != nil {
		return exitFailed, err
	}
	certificates, err := readCertificates(o.certificates)
	if err != nil {
		return exitFailed, err
	}
	keys, err := endorsementKeys(s, o.address, guest.Options{EKCertificates: certificates})
	if err != nil {
		return exitFailed, err
	}
	if o.dir != "" {
		if err := writeEKs(s, o.dir, keys); err != nil {
			return exitFailed, err
		}
	}
	shown := make([]shownEK, len(keys))
	for i, key := range keys {
		if shown[i], err = showEK(key); err != nil {
			return exitFailed, err
		}
	}
	if o.output.value == "json" {
		return exitAccepted, writeJSON(s, shown)
	}
	writeEKText(s, shown)
	return exitAccepted, nil
}

// endorsementKeys asks the TPM for its endorsement keys.
func endorsementKeys(s streams, address string, options guest.Options) ([]guest.EndorsementKey, error) {
	tpm, err := guest.Open(context.Background(), address, options)
	if err != nil {
		return nil, explainTPM(err)
	}
	keys, skipped, err := tpm.EndorsementKeys(context.Background())
	if err != nil {
		return nil, explainTPM(err)
	}
	for _, err := range skipped {
		s.note("left out: %s", printable(err.Error()))
	}
	return keys, nil
}

// shownEK is an endorsement key as it is shown.
type shownEK struct {
	Type         string             `json:"type"`
	SHA256       evidence.Hex       `json:"ek_sha256"`
	Certificates []shownCertificate `json:"certificates"`
}

type shownCertificate struct {
	Subject  string       `json:"subject"`
	Issuer   string       `json:"issuer"`
	NotAfter time.Time    `json:"not_after"`
	SHA256   evidence.Hex `json:"sha256"`
}

func showEK(key guest.EndorsementKey) (shownEK, error) {
	shown := shownEK{Type: key.Template, SHA256: key.SHA256[:], Certificates: []shownCertificate{}}
	for _, der := range key.Certificates {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return shown, fmt.Errorf("a certificate of the endorsement key %s cannot be read: %w", key.Template, err)
		}
		sum := sha256.Sum256(der)
		shown.Certificates = append(shown.Certificates, shownCertificate{cert.Subject.String(), cert.Issuer.String(), cert.NotAfter.UTC(), sum[:]})
	}
	return shown, nil
}

func writeEKText(s streams, keys []shownEK) {
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for _, key := range keys {
		fmt.Fprintf(table, "%s\tsha256\t%s\n", key.Type, key.SHA256)
		for _, c := range key.Certificates {
			fmt.Fprintf(table, "\tcertificate\tissued by %s, valid until %s\n", printable(c.Issuer), c.NotAfter.Format(time.RFC3339))
		}
		if len(key.Certificates) == 0 {
			fmt.Fprintf(table, "\tcertificate\tnone in the TPM: list the key by its SHA-256, or get its certificate from the manufacturer\n")
		}
	}
	table.Flush()
}

// writeEKs writes what a manufacturer's or an operator's tools need of the keys.
func writeEKs(s streams, dir string, keys []guest.EndorsementKey) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, key := range keys {
		var chain []byte
		for _, der := range key.Certificates {
			chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
		}
		if chain != nil {
			if err := writeNew(s, filepath.Join(dir, "ek-"+key.Template+".pem"), chain); err != nil {
				return err
			}
		}
		if err := writeNew(s, filepath.Join(dir, "ek-"+key.Template+".pub"), key.Public); err != nil {
			return err
		}
	}
	return nil
}
