package main

import (
	"flag"
	"fmt"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/eventlog"
)

const packHelp = `usage: quotary evidence pack [FLAG]… [--out FILE]

Make evidence (a CMW collection) of raw parts, one or several kinds in one
bundle. Nothing is judged.

flags:
  --snp-report FILE       SEV-SNP report, as /dev/sev-guest or configfs-tsm gives it
  --certificates FILE     certificates to send along with it: DER, PEM, THIM JSON or
                          the auxiliary table of configfs-tsm (auxblob); repeatable
  --tdx-quote FILE        TDX quote
  --event-log FILE        the guest's event log to send along with it, as Linux has it in
                          /sys/firmware/acpi/tables/data/CCEL; its padding is left out
  --tpm-quote FILE        a TPM quote's message (tpm2_quote -m)
  --tpm-signature FILE    its signature (tpm2_quote -s); default: FILE.sig beside FILE.msg
  --tpm-pcrs FILE         its PCR values (tpm2_quote -o); default: FILE.pcrs
  --tpm-bank NAME         the bank of PCR values in a file that does not say it
  --ak-public FILE        the attestation key's public area (tpm2_createak -u, format tss)
  --ak-certificate FILE   its certificate and intermediates; repeatable
  -o json|cbor            encoding
  --out FILE              write to FILE, which must not exist yet, instead of standard output (-)

examples:
  quotary evidence pack --snp-report report.bin --certificates auxblob --out evidence.json
  quotary evidence pack --tdx-quote quote.bin --tpm-quote quote.msg -o cbor --out evidence.cbor
`

// packOptions are evidence pack's flags.
type packOptions struct {
	snpReport    string
	certificates list
	tdxQuote     string
	eventLog     string
	tpmQuote     string
	tpm          tpmFlags
	output       bundleOutput
}

func pack(s streams, args []string) (exit, error) {
	o, err := parsePack(args)
	if err != nil {
		return exitFailed, err
	}
	bundle, err := o.bundle()
	if err != nil {
		return exitFailed, err
	}
	return exitAccepted, o.output.write(s, bundle)
}

func parsePack(args []string) (*packOptions, error) {
	o := &packOptions{}
	fs := flagSet("evidence pack")
	o.define(fs)
	operands, err := parse(fs, args)
	switch {
	case err != nil:
		return nil, err
	case len(operands) > 0:
		return nil, usage(fmt.Sprintf("evidence pack takes no operand, got %q", operands[0]), "each part has a flag that says what it is; try: quotary evidence pack --help")
	case o.snpReport == "" && o.tdxQuote == "" && o.tpmQuote == "":
		return nil, usage("there is nothing to pack", "name at least one of --snp-report, --tdx-quote and --tpm-quote")
	case len(o.certificates) > 0 && o.snpReport == "":
		return nil, usage("--certificates go with --snp-report", "give an attestation key's with --ak-certificate")
	case o.eventLog != "" && o.tdxQuote == "":
		return nil, usage("--event-log goes with --tdx-quote", "registers that are quoted hold a log to the truth; without them it says nothing")
	case o.tpm.given() != "" && o.tpmQuote == "":
		return nil, usage("parts of a TPM quote without the quote", "name its message with --tpm-quote")
	}
	return o, nil
}

func (o *packOptions) define(fs *flag.FlagSet) {
	fs.StringVar(&o.snpReport, "snp-report", "", "")
	fs.Var(&o.certificates, "certificates", "")
	fs.StringVar(&o.tdxQuote, "tdx-quote", "", "")
	fs.StringVar(&o.eventLog, "event-log", "", "")
	fs.StringVar(&o.tpmQuote, "tpm-quote", "", "")
	o.tpm.define(fs, "tpm-")
	o.output.define(fs)
}

// bundle reads the parts.
func (o *packOptions) bundle() (evidence.Bundle, error) {
	var items []evidence.Item
	if o.snpReport != "" {
		report, err := readFile(o.snpReport, evidence.MaxReport)
		if err != nil {
			return nil, err
		}
		certificates, err := readCertificates(o.certificates)
		if err != nil {
			return nil, err
		}
		items = append(items, &evidence.SNP{Report: report, Certificates: certificates})
	}
	if o.tdxQuote != "" {
		quote, err := readFile(o.tdxQuote, evidence.MaxReport)
		if err != nil {
			return nil, err
		}
		log, err := readEventLog(o.eventLog)
		if err != nil {
			return nil, err
		}
		items = append(items, &evidence.TDX{Quote: quote, EventLog: log})
	}
	if o.tpmQuote != "" {
		message, isQuote, err := findQuote(o.tpmQuote, &o.tpm)
		if err != nil {
			return nil, err
		}
		if !isQuote {
			return nil, usage("--tpm-quote needs its signature and PCR values", "name them with --tpm-signature and --tpm-pcrs")
		}
		item, err := o.tpm.read(message)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return evidence.NewBundle(items...)
}

// readEventLog reads the memory with an event log, if one is named, and leaves its
// padding out. What is no log is for its verifier to refuse.
func readEventLog(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	area, err := readFile(path, maxLogArea)
	if err != nil {
		return nil, err
	}
	if len(area) == 0 {
		return nil, withHint(evidence.Errorf(evidence.CodeEvidenceEmpty, path, "there is no event log in this file"),
			"Linux has the log in /sys/firmware/acpi/tables/data/CCEL; leave --event-log out to send none")
	}
	if log, err := eventlog.Parse(area, eventlog.RTMRs); err == nil {
		return area[:log.Size], nil
	}
	return area, nil
}
