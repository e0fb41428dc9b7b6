package main

import (
	"context"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier"
)

// judgingHelp explains the flags of verifyOptions.define.
const judgingHelp = `what the evidence's genuineness rests on, as for quotary verify:
  --endorsements PATH    certificates, CRLs and collateral: a file, directory or
                         archive; repeatable
  --trust PATH           further vendor roots; what rests on them is simulated (SEV-SNP,
                         TDX) or configured (TPM); repeatable
  --ak FILE              a trusted TPM attestation key, PEM or TPM2B_PUBLIC; repeatable
  --fetch                fetch what is missing from AMD's and Intel's services
  --store DIR            with --fetch: a store that is asked first, and keeps what comes
  --at TIME              judge as of this time (RFC 3339) instead of now
` + tpmFlagsHelp + vendorFlagsHelp

// examination judges files of evidence for commands that ask a policy afterwards.
type examination struct {
	options *verifyOptions
	judge   *judge
	context context.Context //nolint:containedctx // lives as long as one command
	end     context.CancelFunc
}

// examining prepares to judge evidence by the flags; close ends it.
func (o *verifyOptions) examining(s streams) (*examination, error) {
	j, err := newJudge(s, o)
	if err != nil {
		return nil, err
	}
	e := &examination{options: o, judge: j, context: context.Background(), end: func() {}}
	if o.fetch {
		e.context, e.end = interruptible(verifyFetchTimeout)
	}
	return e, nil
}

// close keeps what was fetched.
func (e *examination) close(s streams) {
	e.end()
	if err := e.judge.close(); err != nil {
		s.report(err)
	}
}

// claims judges what an operand names. Claims are nil unless the evidence is genuine.
func (e *examination) claims(s streams, operand string, t tpmFlags) ([]evidence.Claims, report, error) {
	r, err := e.judge.examine(e.context, s, operand, t)
	r.At = e.options.at.UTC()
	if err != nil || r.Verdict != verifier.Genuine {
		return nil, r, err
	}
	return r.claims(), r, nil
}

// claims are those of all items, which must be genuine.
func (r report) claims() []evidence.Claims {
	if len(r.Items) == 0 {
		return []evidence.Claims{*r.Claims}
	}
	claims := make([]evidence.Claims, len(r.Items))
	for i, item := range r.Items {
		claims[i] = *item.Claims
	}
	return claims
}

// genuine judges one operand by the flags, and returns what it claims. If it is not
// genuine the claims are nil, and the report and the exit code say why.
func (o *verifyOptions) genuine(s streams, operand string) ([]evidence.Claims, report, error) {
	e, err := o.examining(s)
	if err != nil {
		return nil, report{}, err
	}
	defer e.close(s)
	return e.claims(s, operand, o.tpm)
}
