package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

// tpmOfSite is a simulated TPM as the SDK enrols it.
type tpmOfSite struct{ *tpm.Machine }

func (m tpmOfSite) EnrolmentRequest(context.Context) (evidence.Enrolment, error) {
	return m.Enrolment()
}

func (m tpmOfSite) Activate(_ context.Context, c tee.Credential) ([]byte, error) {
	return m.Machine.Activate(c)
}

// makeTPM makes the site's TPM, and writes its maker's root.
func (s *site) makeTPM(dir string) error {
	maker, err := tpm.NewVendor(tpm.Options{Seed: "administration"})
	if err != nil {
		return err
	}
	machine, err := maker.NewMachine(tpm.MachineOptions{Name: "tpm-1", WithoutCertificate: true})
	if err != nil {
		return err
	}
	s.tpm = tpmOfSite{machine}
	return writeFile(dir, "vendor/roots/tpm.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: maker.EKAnchor().DER}))
}

// enrol has the simulated TPM enrol its key, which is then $KEY.
func enrol(ts *testscript.TestScript, neg bool, _ []string) {
	s := ts.Value(siteKey{}).(*site)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.root)
	c, err := client.New(client.Config{URL: s.url, TrustDomain: "example.org", Roots: roots})
	ts.Check(err)
	defer c.Close()
	key, err := c.Enrol(context.Background(), s.tpm, client.EnrolOptions{})
	switch {
	case neg && err == nil:
		ts.Fatalf("the TPM is enrolled")
	case neg:
		fmt.Fprintln(ts.Stderr(), err)
	case err != nil:
		ts.Fatalf("%v", err)
	default:
		ts.Setenv("KEY", key.AKSHA256.String())
	}
}
