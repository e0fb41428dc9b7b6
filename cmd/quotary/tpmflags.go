package main

import (
	"flag"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/endorsements"
)

const tpmFlagsHelp = `
for a TPM quote in tpm2-tools' files:
  --signature FILE       the quote's signature (default: FILE.sig beside FILE.msg)
  --pcrs FILE            the PCR values (default: FILE.pcrs): tpm2_quote's binary file,
                         tpm2_pcrread's text, or JSON
  --bank NAME            the bank of PCR values in a file that does not say it
  --ak-public FILE       the attestation key's public area, to send along
  --ak-certificate FILE  its certificate and intermediates, to send along; repeatable
`

// tpmFlags name the parts of a TPM quote besides its message.
type tpmFlags struct {
	signature      string
	pcrs           string
	bank           string
	akPublic       string
	akCertificates list
}

// define defines the flags; prefix distinguishes them where a command takes
// parts of several kinds.
func (t *tpmFlags) define(fs *flag.FlagSet, prefix string) {
	fs.StringVar(&t.signature, prefix+"signature", "", "")
	fs.StringVar(&t.pcrs, prefix+"pcrs", "", "")
	fs.StringVar(&t.bank, prefix+"bank", "", "")
	fs.StringVar(&t.akPublic, "ak-public", "", "")
	fs.Var(&t.akCertificates, "ak-certificate", "")
}

// given returns a flag that was given, or "".
func (t *tpmFlags) given() string {
	switch {
	case t.signature != "":
		return "signature"
	case t.pcrs != "":
		return "pcrs"
	case t.bank != "":
		return "bank"
	case t.akPublic != "":
		return "ak-public"
	case len(t.akCertificates) > 0:
		return "ak-certificate"
	}
	return ""
}

// complete looks for the files that were not named beside stem + ".msg".
func (t *tpmFlags) complete(stem string) {
	if t.signature == "" && isFile(stem+".sig") {
		t.signature = stem + ".sig"
	}
	if t.pcrs == "" && isFile(stem+".pcrs") {
		t.pcrs = stem + ".pcrs"
	}
}

// read makes evidence of the message and the other parts.
func (t *tpmFlags) read(message string) (*evidence.TPM, error) {
	item := &evidence.TPM{}
	for _, part := range []struct {
		path  string
		value *[]byte
		open  func([]byte) ([]byte, error)
	}{
		{message, &item.Attest, evidence.UnwrapTPMAttest},
		{t.signature, &item.Signature, evidence.UnwrapTPMSignature},
		{t.akPublic, &item.AKPublic, evidence.UnwrapTPMPublic},
	} {
		if part.path == "" {
			continue
		}
		data, err := readFile(part.path, evidence.MaxTPMStructure)
		if err != nil {
			return nil, err
		}
		if *part.value, err = part.open(data); err != nil {
			return nil, err
		}
	}
	data, err := readFile(t.pcrs, evidence.MaxTPMFile)
	if err != nil {
		return nil, err
	}
	if item.PCRs, err = evidence.ParsePCRs(data, t.bank); err != nil {
		return nil, err
	}
	item.AKCertificates, err = readCertificates(t.akCertificates)
	return item, err
}

// readCertificates reads certificates to send along with evidence, as DER.
func readCertificates(paths list) ([][]byte, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	certificates, err := endorsements.ReadCertificates(paths...)
	if err != nil {
		return nil, usage(detail(err), "certificates are read from DER, PEM, THIM JSON and auxiliary tables")
	}
	var der [][]byte
	for _, cert := range certificates {
		der = append(der, cert.Raw)
	}
	return der, nil
}
