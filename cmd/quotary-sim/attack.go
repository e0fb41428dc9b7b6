package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/quotary/quotary/simulators/attacks"
	"github.com/quotary/quotary/simulators/lab"
)

const attackHelp = `  quotary-sim attack [--in-process] [--only S,T,…] [-o text|json|junit] [--quiet]
  quotary-sim attack --target URL --root FILE --seed SEED [--trust-domain NAME]

attack tries the known attacks that can be tried from outside, row by row: forged
and twisted evidence, bindings, tokens, certificate requests, paths and floods.
The attacker owns simulated hardware and its makers' keys, so that what is forged
is validly signed, and the check under attack is what must refuse it. Each row
has an honest twin, which must be accepted.

Without --target it starts a service in this process and attacks that. Another
service must trust the same simulated world and have the rows' policies in
force: see quotary-sim help prepare. Never do that to a service that anybody
relies on. One attack at a time: the clocks of its TPMs go on from one to the next,
and a service that remembers the later one refuses the other.
  --in-process         a service in this process, which is the default
  --target URL         the service to attack
  --root FILE          the root of its authority (ca/root.crt of its data)
  --seed SEED          what its simulated world was made of
  --trust-domain NAME  its trust domain (default ` + lab.DefaultTrustDomain + `)
  --only LIST          letters of series (S SEV-SNP, T TDX, P TPM, B binding, K tokens,
                       A certificates, D interface) and numbers of rows, such as S,T15
  -o FORMAT            text (default), json or junit
  --quiet              no progress

Examples:
  quotary-sim attack
  quotary-sim attack --only B,S15
  quotary-sim attack -o junit > attacks.xml
  quotary-sim attack --target https://127.0.0.1:8443 --root ./sim/data/ca/root.crt --seed mine

Exit codes: 0 if the service held, 1 if it did not, 2 if it could not be attacked.
`

// assault is what to attack, and how to tell of it.
type assault struct {
	target, root, seed, trustDomain string
	selection                       attacks.Selection
	write                           func(attacks.Report, streams) error
	quiet                           bool
}

func parseAttack(args []string) (o assault, err error) {
	flags := newFlags("attack")
	flags.StringVar(&o.target, "target", "", "")
	flags.StringVar(&o.root, "root", "", "")
	flags.StringVar(&o.seed, "seed", "", "")
	flags.StringVar(&o.trustDomain, "trust-domain", lab.DefaultTrustDomain, "")
	inProcess := flags.Bool("in-process", false, "")
	only := flags.String("only", "", "")
	format := flags.String("o", "text", "")
	flags.BoolVar(&o.quiet, "quiet", false, "")
	if err := parse(flags, args); err != nil {
		return o, err
	}
	if o.write, err = writer(*format); err != nil {
		return o, err
	}
	if *inProcess && o.target != "" {
		return o, errors.New("--in-process and --target are two services; attack one")
	}
	if o.target == "" && o.root != "" {
		return o, errors.New("--root is of a service that runs already; name it with --target")
	}
	if o.target != "" && (o.root == "" || o.seed == "") {
		return o, errors.New("--target needs --root, to know the service, and --seed, which its simulated world was made of (quotary-sim prepare --seed)")
	}
	if u, err := url.Parse(o.target); o.target != "" && (err != nil || u.Scheme != "https" || u.Host == "" || u.Host != strings.TrimPrefix(o.target, "https://")) {
		return o, fmt.Errorf("--target takes https, host and port, such as https://127.0.0.1:8443, not %q", o.target)
	}
	o.selection, err = attacks.ParseSelection(*only)
	return o, err
}

// writer returns what writes a report in a format.
func writer(format string) (func(attacks.Report, streams) error, error) {
	switch format {
	case "text":
		return func(r attacks.Report, s streams) error { return r.Text(s.out) }, nil
	case "json":
		return func(r attacks.Report, s streams) error { return r.JSON(s.out) }, nil
	case "junit":
		return func(r attacks.Report, s streams) error { return r.JUnit(s.out) }, nil
	}
	return nil, fmt.Errorf("-o takes text, json or junit, not %q", format)
}

// attack is the command of that name.
func attack(ctx context.Context, args []string, s streams) error {
	o, err := parseAttack(args)
	if err != nil {
		return err
	}
	target, stop, err := o.open(ctx)
	if err != nil {
		return err
	}
	report, err := attacks.Run(ctx, target, o.selection, o.progress(s))
	if err = errors.Join(err, stop()); err != nil {
		return err
	}
	if err := o.write(report, s); err != nil {
		return err
	}
	return conclude(report)
}

// conclude is nil for a service that held.
func conclude(r attacks.Report) error {
	t := r.Totals("")
	switch why := r.Untried(); {
	case r.Holds():
		return nil
	case why != "" && t.Failed > 0:
		return fmt.Errorf("nothing could be tried: %s; does the service trust this simulated world, with the policies of quotary-sim prepare in force?", why)
	case why != "":
		return fmt.Errorf("nothing could be tried: %s", why)
	}
	return unexpected{fmt.Errorf("the service did not hold: of %d cases %d were accepted, %d refused for another reason, %d could not be tried", t.Cases, t.Accepted, t.Other, t.Failed)}
}

// progress tells of every case that ends, on one line of a terminal's.
func (o assault) progress(s streams) func(attacks.Result) {
	if o.quiet {
		return nil
	}
	done := 0
	return func(r attacks.Result) {
		done++
		if r.Verdict != attacks.Held && r.Verdict != attacks.Skipped {
			fmt.Fprintf(s.err, "%s %s: %s: %s\n", r.Row, r.Case, r.Verdict, r.Reason)
		} else if done%50 == 0 {
			fmt.Fprintf(s.err, "%d cases tried\n", done)
		}
	}
}
