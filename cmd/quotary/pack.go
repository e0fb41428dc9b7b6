package main

import (
	"flag"
	"fmt"
)

const packHelp = `usage: quotary evidence pack [FLAG]… [--out FILE]

Make evidence (a CMW collection) of raw parts, one or several kinds in one
bundle. Nothing is judged.

flags:
  --snp-report FILE       SEV-SNP report, as /dev/sev-guest or configfs-tsm gives it
  --certificates FILE     certificates to send along with it: DER, PEM, THIM JSON or
                          the auxiliary table of configfs-tsm (auxblob); repeatable
  --tdx-quote FILE        TDX quote
  --hcl-report FILE       an Azure confidential VM's report, as its TPM has it at NV index
                          0x01400001: gives the SEV-SNP report and what the paravisor says,
                          or what it says beside --tdx-quote
  --event-log FILE        the guest's event log to send along with it, as Linux has it in
                          /sys/firmware/acpi/tables/data/CCEL; its padding is left out
  --tpm-quote FILE        a TPM quote's message (tpm2_quote -m)
  --tpm-signature FILE    its signature (tpm2_quote -s); default: FILE.sig beside FILE.msg. A
                          plain RSA signature is taken for RSASSA with SHA-256
  --tpm-pcrs FILE         its PCR values (tpm2_quote -o); default: FILE.pcrs
  --tpm-bank NAME         the bank of PCR values in a file that does not say it
  --ak-public FILE        the attestation key's public area (tpm2_createak -u, format tss)
  --ak-certificate FILE   its certificate and intermediates; repeatable
  --tpm-event-log FILE    the firmware's event log to send along with it, as Linux has it in
                          /sys/kernel/security/tpm0/binary_bios_measurements
  --ima-log FILE          the kernel's IMA log to send along with it, as Linux has it in
                          /sys/kernel/security/ima/binary_runtime_measurements
  -o json|cbor            encoding
  --out FILE              write to FILE, which must not exist yet, instead of standard output (-)

examples:
  quotary evidence pack --snp-report report.bin --certificates auxblob --out evidence.json
  quotary evidence pack --tdx-quote quote.bin --tpm-quote quote.msg -o cbor --out evidence.cbor
  quotary evidence pack --hcl-report hcl.bin --certificates vcek.der --tpm-quote quote.msg --out evidence.json
`

// packOptions are evidence pack's flags.
type packOptions struct {
	snpReport    string
	certificates list
	tdxQuote     string
	eventLog     string
	hclReport    string
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
	case o.snpReport == "" && o.tdxQuote == "" && o.hclReport == "" && o.tpmQuote == "":
		return nil, usage("there is nothing to pack", "name at least one of --snp-report, --tdx-quote, --hcl-report and --tpm-quote")
	case o.snpReport != "" && o.hclReport != "":
		return nil, usage("--snp-report and --hcl-report exclude each other", "the SEV-SNP report is in the VM's report")
	case len(o.certificates) > 0 && o.snpReport == "" && o.hclReport == "":
		return nil, usage("--certificates go with --snp-report or --hcl-report", "give an attestation key's with --ak-certificate")
	case o.eventLog != "" && o.tdxQuote == "":
		return nil, usage("--event-log goes with --tdx-quote", "registers that are quoted hold a log to the truth; give a TPM's with --tpm-event-log")
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
	fs.StringVar(&o.hclReport, "hcl-report", "", "")
	fs.StringVar(&o.tpmQuote, "tpm-quote", "", "")
	o.tpm.define(fs, "tpm-")
	o.output.define(fs)
}
