package main

import (
	"errors"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/sevsnp"
	"github.com/quotary/quotary/tee/tdx"
	"github.com/quotary/quotary/tee/tpm"
)

const inspectHelp = `usage: quotary inspect [FLAG]… EVIDENCE

Show what evidence says of itself. NOTHING OF IT IS VERIFIED: anyone can write
evidence that says anything. To judge it, use quotary verify.

EVIDENCE is what quotary verify takes.

flags:
  -o text|json           output format
` + tpmFlagsHelp + `
exit codes: 0 decoded, 2 not evidence that can be decoded, 1 usage or internal error

examples:
  quotary inspect report.bin
  quotary inspect -o json quote.msg
`

// inspection is inspect's answer, as JSON has it.
type inspection struct {
	Unverified bool             `json:"unverified"` // always true: a reminder for whoever reads the rest
	Items      []inspectionItem `json:"items,omitempty"`
	Error      *reportError     `json:"error,omitempty"`
}

type inspectionItem struct {
	Kind   evidence.Kind    `json:"kind"`
	Size   int              `json:"size"` // bytes of report, quote or attested structure, with padding
	Claims *evidence.Claims `json:"unverified_claims,omitempty"`
	// Report is what an SEV-SNP report holds beside its claims.
	Report *sevsnp.Unclaimed `json:"report,omitempty"`
	Error  *reportError      `json:"error,omitempty"`
}

func inspect(s streams, args []string) (exit, error) {
	fs := flagSet("inspect")
	output := outputFlag(fs, "text", "json")
	var t tpmFlags
	t.define(fs, "")
	operand, err := oneOperand(fs, args, "EVIDENCE")
	if err != nil {
		return exitFailed, err
	}
	bundle, err := readEvidence(s, operand, t)
	in := inspection{Unverified: true}
	if in.Error, err = asReportError(err); err != nil {
		return exitFailed, err
	}
	if err := in.decode(bundle); err != nil {
		return exitFailed, err
	}
	if output.value == "json" {
		err = writeJSON(s, in)
	} else {
		err = in.writeText(s.out)
	}
	return in.exit(), err
}

// decode asks each item's technology what the item says.
func (in *inspection) decode(bundle evidence.Bundle) error {
	inspectors, err := inspectors()
	if err != nil {
		return err
	}
	for _, item := range bundle {
		claims, err := inspectors[item.Kind()].UnverifiedClaims(item)
		out := inspectionItem{Kind: item.Kind(), Size: sizeOf(item)}
		if out.Error, err = asReportError(err); err != nil {
			return err
		}
		if out.Error == nil {
			out.Claims, out.Report = &claims, unclaimed(item)
		}
		in.Items = append(in.Items, out)
	}
	return nil
}

// unclaimed returns what the claims of an item that can be decoded leave out; nil
// if that is nothing.
func unclaimed(item evidence.Item) *sevsnp.Unclaimed {
	snp, ok := item.(*evidence.SNP)
	if !ok {
		return nil
	}
	if rest, err := sevsnp.UnverifiedUnclaimed(snp.Report); err == nil {
		return &rest
	}
	return nil
}

// exit is exitRejected if anything could not be decoded.
func (in *inspection) exit() exit {
	if in.Error != nil {
		return exitRejected
	}
	for _, item := range in.Items {
		if item.Error != nil {
			return exitRejected
		}
	}
	return exitAccepted
}

func inspectors() (map[evidence.Kind]tee.Inspector, error) {
	snp, err1 := sevsnp.New()
	td, err2 := tdx.New()
	machine, err3 := tpm.New(tpm.Options{})
	return map[evidence.Kind]tee.Inspector{
		evidence.KindSEVSNP: snp, evidence.KindTDX: td, evidence.KindTPM: machine,
	}, errors.Join(err1, err2, err3)
}

func sizeOf(item evidence.Item) int {
	switch i := item.(type) {
	case *evidence.SNP:
		return len(i.Report)
	case *evidence.TDX:
		return len(i.Quote)
	case *evidence.TPM:
		return len(i.Attest)
	}
	return 0
}

// asReportError tells a refusal, which is an answer, from a failure, which is
// returned as it is.
func asReportError(err error) (*reportError, error) {
	var refused *evidence.Error
	if errors.As(err, &refused) {
		return &reportError{refused.Code, refused.Field, refused.Detail}, nil
	}
	return nil, err
}
