package main

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"flag"
	"fmt"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/tpm/guest"
)

const collectTPMHelp = `
for a TPM:
  --tpm ADDRESS          quote this TPM: a device (/dev/tpmrm0), or a socket that takes raw
                         commands (unix:PATH, tcp:HOST:PORT)
  --ak-certificate FILE  the attestation key's certificate and intermediates, to send
                         along; repeatable
  --ima                  send the kernel's IMA measurement list along
  --google               quote by the key that Google's Compute Engine made for its virtual
                         TPMs, and send its certificate along
  --azure                the TPM of an Azure confidential VM with SEV-SNP: quote by its
                         paravisor's key, and send the report that covers this key
`

// collectTPMFlags are the flags of evidence collect for a TPM.
type collectTPMFlags struct {
	address      string
	certificates list
	ima          bool
	google       bool
	azure        bool

	opened *guest.Attester // nil without --tpm
}

func (f *collectTPMFlags) define(fs *flag.FlagSet) {
	fs.StringVar(&f.address, "tpm", "", "")
	fs.Var(&f.certificates, "ak-certificate", "")
	fs.BoolVar(&f.ima, "ima", false, "")
	fs.BoolVar(&f.google, "google", false, "")
	fs.BoolVar(&f.azure, "azure", false, "")
}

func (f *collectTPMFlags) check() error {
	for name, given := range map[string]bool{"ak-certificate": len(f.certificates) > 0, "ima": f.ima, "google": f.google, "azure": f.azure} {
		if given && f.address == "" {
			return usage(fmt.Sprintf("--%s without --tpm", name), "name the TPM: --tpm "+guest.DefaultAddress)
		}
	}
	if f.google && f.azure {
		return usage("--google and --azure are different clouds", "name the one that the machine is in")
	}
	return nil
}

// open opens the TPM, if one was named, with its attestation key.
func (f *collectTPMFlags) open(s streams, noEventLog bool) error {
	if f.address == "" {
		return nil
	}
	certificates, err := readCertificates(f.certificates)
	if err != nil {
		return err
	}
	options := guest.Options{}
	switch {
	case f.azure:
		options.AKHandle = guest.ParavisorAK
	case f.google:
		options.AKTemplate = guest.GoogleAKTemplate
	}
	tpm, err := guest.Open(context.Background(), f.address, options)
	if err == nil && f.google && len(certificates) == 0 {
		certificates = make([][]byte, 1)
		certificates[0], err = tpm.Certificate(context.Background(), guest.GoogleAKCertificate)
	}
	if err != nil {
		return f.explain(err)
	}
	if err := certifies(certificates, tpm.AttestationKey()); err != nil {
		return err
	}
	f.opened, err = tpm.Attester(guest.Quoting{AKCertificates: certificates, WithoutEventLog: noEventLog, IMA: f.ima})
	return err
}

// certifies refuses certificates of which the first is not for the TPM's attestation
// key: no verifier would accept the quote with them.
func certifies(certificates [][]byte, key evidence.Digest) error {
	if len(certificates) == 0 {
		return nil
	}
	cert, err := x509.ParseCertificate(certificates[0])
	if err != nil {
		return err
	}
	spki, err := x509.MarshalPKIXPublicKey(cert.PublicKey)
	if err != nil || sha256.Sum256(spki) != key {
		return usage("the certificate is for another key than this TPM's attestation key "+hex.EncodeToString(key[:]),
			"name the key's own certificate first; quotary tpm enrol gets one")
	}
	return nil
}

// explain says what to look at where the TPM cannot be opened with the key that is wanted.
func (f *collectTPMFlags) explain(err error) error {
	hint := ""
	switch {
	case evidence.CodeOf(err) != evidence.CodeAttesterFailed:
	case f.google:
		hint = "leave out --google where the machine is not in Google's Compute Engine"
	case f.azure:
		hint = "leave out --azure where the machine is no Azure confidential VM"
	}
	if hint == "" {
		return explainTPM(err)
	}
	return withHint(fmt.Errorf("this machine gives no TPM quote: %w", err), hint)
}

// collectTPM asks the TPM for a quote.
func collectTPM(s streams, o *collectOptions) (evidence.Item, error) {
	got, err := o.tpm.opened.Collect(context.Background(), evidence.Binding(o.reportData).ReportData(evidence.KindTPM))
	if err != nil {
		return nil, explainTPM(err)
	}
	for _, omitted := range got.Omitted {
		s.note("the TPM's quote: %s", printable(omitted.Error()))
	}
	return got.Item, nil
}

// collectParavisor reads the report that a paravisor left in the TPM.
func collectParavisor(_ streams, o *collectOptions) (evidence.Item, error) {
	machine, err := o.tpm.opened.Paravisor(context.Background())
	if err != nil {
		// Without the report the quote is worth nothing: nobody vouches for its key.
		return nil, withHint(fmt.Errorf("this machine gives no report of a paravisor: %s", detail(err)), "leave out --azure where the machine is no Azure confidential VM")
	}
	return machine.Report(), nil
}

// explainTPM says what to look at where a TPM gives nothing. Most of it the error says
// itself.
func explainTPM(err error) error {
	hint := "the kernel's log may say more: dmesg | grep -i tpm"
	switch evidence.CodeOf(err) {
	case evidence.CodeAttesterAbsent:
		hint = "name the TPM with --tpm: " + guest.DefaultAddress + ", unix:PATH or tcp:HOST:PORT"
	case evidence.CodeAttesterDenied:
		hint = "TPMs are for root and the group tss: try sudo"
	case evidence.CodeAttesterEndorsementKey:
		hint = "quotary tpm ek shows the TPM's endorsement keys and what their certificates say"
	case evidence.CodeAttesterBusy, evidence.CodeAttesterLocked:
		hint = "nothing is wrong with the machine; try again later"
	}
	return withHint(fmt.Errorf("this machine gives no TPM quote: %w", err), hint)
}
