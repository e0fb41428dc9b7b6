package main

import (
	"context"
	"errors"
	"flag"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier"
)

const verifyHelp = `usage: quotary verify [FLAG]… EVIDENCE

Judge evidence: its format, signatures, chain to a vendor's root, revocation and
validity; and, with --policy, whether it is good enough. Without --fetch nothing is
fetched.

EVIDENCE is one of
  a file        CMW (JSON or CBOR), a bare SEV-SNP report or TDX quote
  FILE.msg      a quote as tpm2_quote writes it, with FILE.sig and FILE.pcrs beside
                it (or named with --signature and --pcrs)
  a directory   with quote.msg, quote.sig and quote.pcrs
  -             standard input

flags:
  --kind KIND            refuse evidence of another kind: sev-snp, tdx or tpm
  --endorsements PATH    certificates, CRLs and collateral: a file, directory or
                         archive (tar, tar.gz, zip); repeatable
  --trust PATH           further vendor roots; whatever rests on them is marked:
                         simulated for SEV-SNP and TDX, configured for TPMs; repeatable
  --ak FILE              a trusted TPM attestation key, PEM or TPM2B_PUBLIC; repeatable
  --policy PATH          policy documents, a file or directory; repeatable
` + keysHelp + `  --fetch                fetch what is missing from AMD's and Intel's services, and
                         judge again
  --store DIR            with --fetch: a store that is asked first, and keeps what
                         was fetched or given; see quotary endorsements --help
  --at TIME              judge as of this time (RFC 3339) instead of now
  --report-data HEX      what the evidence must carry: all 64 bytes of REPORT_DATA,
                         or a TPM quote's qualifying data
  -o text|json           output format
` + tpmFlagsHelp + vendorFlagsHelp + `
exit codes: 0 accepted by policy, 2 rejected, 3 undecided (an endorsement is
missing), 4 genuine but no policy given, 1 usage or internal error

examples:
  quotary verify --endorsements ./amd report.bin
  quotary verify --fetch --store ./collateral report.bin
  quotary verify --fetch --intel-pccs https://pccs.example:8081 quote.bin
  quotary verify --endorsements ./collateral report.bin   (offline, from a store)
  quotary verify --at 2025-07-04T10:00:00Z --endorsements collateral.zip quote.bin
  quotary verify --ak ak.pem --policy ./policy quote.msg
  cat evidence.json | quotary verify --endorsements ./intel -o json -
`

// verifyOptions are verify's flags and operand.
type verifyOptions struct {
	kind         string
	endorsements list
	trust        list
	ak           list
	policy       list
	keys         signingKeys
	fetch        bool
	store        string
	vendors      vendorFlags
	at           instant
	reportData   hexBytes
	output       *choice
	tpm          tpmFlags
	operand      string
}

func parseVerify(args []string) (*verifyOptions, error) {
	o := &verifyOptions{}
	fs := flagSet("verify")
	fs.StringVar(&o.kind, "kind", "", "")
	o.define(fs)
	fs.Var(&o.policy, "policy", "")
	o.keys.register(fs)
	fs.Var(&o.reportData, "report-data", "")
	o.output = outputFlag(fs, "text", "json")
	var err error
	if o.operand, err = oneOperand(fs, args, "EVIDENCE"); err != nil {
		return nil, err
	}
	if err := o.complete(); err != nil {
		return nil, err
	}
	if o.kind != "" {
		kind, err := evidence.ParseKind(o.kind)
		if err != nil {
			return nil, usage(detail(err), "try: quotary verify --help")
		}
		o.kind = string(kind)
	}
	return o, nil
}

// define defines the flags that say what genuineness rests on. All commands that
// judge evidence have them.
func (o *verifyOptions) define(fs *flag.FlagSet) {
	fs.Var(&o.endorsements, "endorsements", "")
	fs.Var(&o.trust, "trust", "")
	fs.Var(&o.ak, "ak", "")
	fs.BoolVar(&o.fetch, "fetch", false, "")
	fs.StringVar(&o.store, "store", "", "")
	o.vendors.define(fs)
	fs.Var(&o.at, "at", "")
	o.tpm.define(fs, "")
}

// complete checks these flags, and fills in the time.
func (o *verifyOptions) complete() error {
	if !o.fetch && (o.store != "" || o.vendors.given()) {
		return usage("--store and whom to ask go with --fetch", "to judge offline from a store's directory, give it with --endorsements")
	}
	if err := o.vendors.check(); err != nil {
		return err
	}
	if !o.at.given {
		o.at.Time = time.Now()
	}
	return nil
}

// oneOperand parses args and returns the one operand that must be there.
func oneOperand(fs *flag.FlagSet, args []string, what string) (string, error) {
	operands, err := parse(fs, args)
	switch {
	case err != nil:
		return "", err
	case len(operands) == 0:
		return "", usage("there is no "+what, "name a file, or - for standard input; see quotary "+fs.Name()+" --help")
	case len(operands) > 1:
		return "", usage("there is more than one "+what, "pack several kinds of evidence into one file with: quotary evidence pack")
	}
	return operands[0], nil
}

// verify judges evidence. A verdict, even on something that is no evidence at
// all, is no error.
func verify(s streams, args []string) (exit, error) {
	o, err := parseVerify(args)
	if err != nil {
		return exitFailed, err
	}
	j, err := newJudge(s, o)
	if err != nil {
		return exitFailed, err
	}
	ctx, stop := context.Background(), func() {}
	if o.fetch {
		ctx, stop = interruptible(verifyFetchTimeout)
	}
	defer stop()
	r, err := j.examine(ctx, s, o.operand, o.tpm)
	if err := j.close(); err != nil {
		s.report(err) // what was fetched is not kept; the verdict stands
	}
	if err != nil {
		return exitFailed, err
	}
	r.At = o.at.UTC()
	return exitOf(r.Verdict), r.write(s, o.output.value)
}

// refuse is the report on what cannot even be read as evidence.
func refuse(e *evidence.Error) report {
	var checks evidence.Checks
	checks.Fail(e.Code, "evidence that can be judged", e.Detail)
	return report{
		Verdict: verifier.Rejected, Checks: checks,
		Error: &reportError{e.Code, e.Field, e.Detail},
	}
}

// detail is the sentence of an error, without its code.
func detail(err error) string {
	var e *evidence.Error
	if errors.As(err, &e) {
		return e.Detail
	}
	return err.Error()
}
