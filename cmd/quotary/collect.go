package main

import (
	"fmt"

	"github.com/quotary/quotary/evidence"
)

const collectHelp = `usage: quotary evidence collect --report-data HEX [FLAG]… [--out FILE]

Make evidence (a CMW collection) of the machine that this runs on, under Linux: an
SEV-SNP guest, asked over configfs-tsm or /dev/sev-guest, or a TDX guest, asked
over configfs-tsm; and, if one is named, of its TPM. Certificates that the host put
beside an SNP report go along, and so do the event logs of TDX guests and TPMs. Nothing
is judged.

A TPM's quote carries the SHA-256 of the report data. Beside it, the TEE's report or
quote covers the TPM's attestation key, too: REPORT_DATA is then a digest of both, which
quotary verify --report-data knows.

flags:
  --report-data HEX      what the evidence is to carry: all 64 bytes of REPORT_DATA
  --vmpl N               SNP: the privilege level that the report is to name: 0, the most
                         privileged and the default, to 3
  --no-event-log         TDX, TPM: the quote alone
  -o json|cbor           encoding
  --out FILE             write to FILE, which must not exist yet, instead of standard output (-)
` + collectTPMHelp + `

examples:
  DATA=$(openssl rand -hex 64)
  sudo quotary evidence collect --report-data $DATA --out evidence.json
  quotary verify --endorsements ./amd --report-data $DATA evidence.json
  sudo quotary evidence collect --report-data $DATA --tpm /dev/tpmrm0 --ima --out evidence.json
`

// reportDataSize is the size of REPORT_DATA in bytes.
const reportDataSize = 64

// collectOptions are evidence collect's flags.
type collectOptions struct {
	reportData [reportDataSize]byte
	vmpl       uint
	noEventLog bool
	tpm        collectTPMFlags
	output     bundleOutput
}

func parseCollect(args []string) (*collectOptions, error) {
	o := &collectOptions{}
	fs := flagSet("evidence collect")
	var reportData hexBytes
	fs.Var(&reportData, "report-data", "")
	fs.UintVar(&o.vmpl, "vmpl", 0, "")
	fs.BoolVar(&o.noEventLog, "no-event-log", false, "")
	o.tpm.define(fs)
	o.output.define(fs)
	operands, err := parse(fs, args)
	switch {
	case err != nil:
		return nil, err
	case len(operands) > 0:
		return nil, usage(fmt.Sprintf("evidence collect takes no operand, got %q", operands[0]), "try: quotary evidence collect --help")
	case len(reportData) == 0:
		return nil, usage("there is no --report-data", "give the 64 bytes that the evidence is to carry; without a fresh value from its verifier it proves nothing of today")
	case len(reportData) != reportDataSize:
		return nil, usage(fmt.Sprintf("--report-data has %d bytes, not %d", len(reportData), reportDataSize), "REPORT_DATA is compared as a whole: hash a value with SHA-512, or pad it with zeros")
	case o.vmpl > 3:
		return nil, usage(fmt.Sprintf("there is no VMPL %d", o.vmpl), "privilege levels are 0 to 3")
	}
	o.reportData = [reportDataSize]byte(reportData)
	return o, o.tpm.check()
}

// teeData is what the report or quote of a TEE carries: the report data, or, with a
// TPM beside it, a digest of this and of the TPM's attestation key.
func (o *collectOptions) teeData() [reportDataSize]byte {
	if o.tpm.opened == nil {
		return o.reportData
	}
	return evidence.Binding(o.reportData).Covering(o.tpm.opened.AttestationKey())
}

// collector asks this machine for evidence of one kind. That the machine has none
// of it is [evidence.CodeAttesterAbsent].
type collector func(streams, *collectOptions) (evidence.Item, error)

// collectors lists all; a machine is asked for evidence of each kind.
func collectors(o *collectOptions) []collector {
	switch {
	case o.tpm.azure:
		return []collector{collectParavisor, collectTPM} // which keeps the hardware for itself
	case o.tpm.opened != nil:
		return []collector{collectSNP, collectTDX, collectTPM}
	}
	return []collector{collectSNP, collectTDX}
}

func collect(s streams, args []string) (exit, error) {
	o, err := parseCollect(args)
	if err != nil {
		return exitFailed, err
	}
	if err := o.tpm.open(s, o.noEventLog); err != nil {
		return exitFailed, err
	}
	var items []evidence.Item
	var absent []error
	for _, ask := range collectors(o) {
		item, err := ask(s, o)
		switch {
		case evidence.CodeOf(err) == evidence.CodeAttesterAbsent:
			absent = append(absent, err)
		case err != nil:
			return exitFailed, err
		default:
			items = append(items, item)
		}
	}
	if len(items) == 0 {
		for _, err := range absent[1:] {
			s.report(err)
		}
		return exitFailed, absent[0]
	}
	bundle, err := evidence.NewBundle(items...)
	if err != nil {
		return exitFailed, err
	}
	return exitAccepted, o.output.write(s, bundle)
}
