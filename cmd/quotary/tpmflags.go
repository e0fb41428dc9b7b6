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
  --event-log FILE       the firmware's event log (binary_bios_measurements), to send along
  --ima-log FILE         the kernel's IMA log (binary_runtime_measurements), to send along
`

// tpmFlags name the parts of a TPM quote besides its message.
type tpmFlags struct {
	signature      string
	pcrs           string
	bank           string
	akPublic       string
	akCertificates list
	eventLog       string
	imaLog         string
}

// define defines the flags; prefix distinguishes them where a command takes
// parts of several kinds.
func (t *tpmFlags) define(fs *flag.FlagSet, prefix string) {
	fs.StringVar(&t.signature, prefix+"signature", "", "")
	fs.StringVar(&t.pcrs, prefix+"pcrs", "", "")
	fs.StringVar(&t.bank, prefix+"bank", "", "")
	fs.StringVar(&t.akPublic, "ak-public", "", "")
	fs.Var(&t.akCertificates, "ak-certificate", "")
	fs.StringVar(&t.eventLog, prefix+"event-log", "", "")
	fs.StringVar(&t.imaLog, "ima-log", "", "")
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
	case t.eventLog != "":
		return "event-log"
	case t.imaLog != "":
		return "ima-log"
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
	if item.AKCertificates, err = readCertificates(t.akCertificates); err != nil {
		return nil, err
	}
	return item, t.readLogs(item)
}

// readLogs reads the logs that are named. What is no log is for its verifier to refuse.
func (t *tpmFlags) readLogs(item *evidence.TPM) error {
	for _, log := range []struct {
		path, place string
		most        int
		value       *[]byte
	}{
		{t.eventLog, "/sys/kernel/security/tpm0/binary_bios_measurements", evidence.MaxEventLog, &item.EventLog},
		{t.imaLog, "/sys/kernel/security/ima/binary_runtime_measurements", evidence.MaxIMALog, &item.IMALog},
	} {
		if log.path == "" {
			continue
		}
		data, err := readFile(log.path, log.most)
		if err != nil {
			return err
		}
		if len(data) == 0 {
			return withHint(evidence.Errorf(evidence.CodeEvidenceEmpty, log.path, "there is no log in this file"),
				"Linux has the log in "+log.place+"; leave the flag out to send none")
		}
		*log.value = data
	}
	return nil
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
