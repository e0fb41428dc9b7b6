package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies/draft"
)

const policyInitHelp = `usage: quotary policy init --from-evidence EVIDENCE --name NAME --spiffe-id ID [FLAG]…
       quotary policy init --attestation ATTESTATION --name NAME --spiffe-id ID [FLAG]…

Draft a policy of a machine that is known to be good: it pins what the machine showed, and
says at every key what and why. Evidence must be genuine; nothing is drafted of other.
The values are the machine's own word: compare them with what was built (quotary measure)
before they are in force.

of which machine:
  --from-evidence FILE   evidence, as quotary verify takes it
  --attestation ID       what the service recorded of an attestation

what the draft says:
  --name NAME            the workload
  --spiffe-id ID         the identity that it earns
  --ttl DURATION         how long that lives, such as 30m; by default 1h
  --references           put values into documents of reference values
  --not-after TIME       the end of those (RFC 3339); by default 180 days later
  --created-by WHO       who made them; by default quotary policy init
  --initrd DIGEST        the digest of a RAM disk that a boot loader reads, in the event
                         log's bank; repeatable
  --allow-simulated      consent to simulated evidence, for demonstrations
  --out DIR              write NAME.yaml into this directory

` + judgingHelp + `
service, for --attestation:
` + serviceHelp + credentialHelp + `
exit codes: 0 done, 2 the evidence is not genuine, or the service refuses; 3 an endorsement
is missing; 1 everything else that went wrong

examples:
  quotary policy init --from-evidence evidence.json --endorsements ./amd \
    --name web --spiffe-id spiffe://example.org/web --out ./policy
  quotary policy init --attestation 01JD3V7M2Q --name web --spiffe-id spiffe://example.org/web
`

// initOptions are init's flags.
type initOptions struct {
	judging        verifyOptions
	service        adminFlags
	evidence       string
	attestation    string
	draft          draft.Options
	notAfter       instant
	initialRAMDisk list
	dir            string
}

func (o *initOptions) parse(args []string) error {
	fs := flagSet("policy init")
	o.judging.define(fs)
	o.service.service.register(fs)
	o.service.credential.register(fs)
	o.service.output = &choice{"yaml", []string{"yaml"}}
	fs.StringVar(&o.evidence, "from-evidence", "", "")
	fs.StringVar(&o.attestation, "attestation", "", "")
	o.define(fs)
	if err := parseWithout(fs, args); err != nil {
		return err
	}
	switch {
	case (o.evidence == "") == (o.attestation == ""):
		return usage("of which machine?", "give --from-evidence FILE or --attestation ID, and one of them")
	case o.draft.Name == "" || o.draft.SPIFFEID == "":
		return usage("what is the machine to be called?", "give --name NAME and --spiffe-id spiffe://TRUST-DOMAIN/PATH")
	}
	o.draft.NotAfter = o.notAfter.Time
	for _, text := range o.initialRAMDisk {
		var digest hexBytes
		if err := digest.Set(text); err != nil {
			return usage("--initrd: "+err.Error(), "give the RAM disk's digest in the log's bank, as sha256sum or sha384sum prints it")
		}
		o.draft.InitialRAMDisks = append(o.draft.InitialRAMDisks, evidence.Hex(digest))
	}
	return o.judging.complete()
}

func (o *initOptions) define(fs *flag.FlagSet) {
	fs.StringVar(&o.draft.Name, "name", "", "")
	fs.StringVar(&o.draft.SPIFFEID, "spiffe-id", "", "")
	fs.DurationVar(&o.draft.TTL, "ttl", 0, "")
	fs.BoolVar(&o.draft.References, "references", false, "")
	fs.Var(&o.notAfter, "not-after", "")
	fs.StringVar(&o.draft.CreatedBy, "created-by", "quotary policy init", "")
	fs.Var(&o.initialRAMDisk, "initrd", "")
	fs.BoolVar(&o.draft.Simulated, "allow-simulated", false, "")
	fs.StringVar(&o.dir, "out", "", "")
}

func policyInit(s streams, args []string) (exit, error) {
	o := &initOptions{}
	if err := o.parse(args); err != nil {
		return exitFailed, err
	}
	if o.attestation != "" {
		return o.service.do(s, viewer, func(ctx context.Context, c *admin.Client) error {
			claims, err := o.recorded(ctx, c)
			if err != nil {
				return err
			}
			return o.write(s, claims)
		})
	}
	o.draft.Source, o.draft.At = filepath.Base(o.evidence), o.judging.at.Time
	claims, r, err := o.judging.genuine(s, o.evidence)
	if err != nil {
		return exitFailed, err
	}
	if claims == nil {
		s.note("the evidence is %s; nothing was drafted of it", r.Verdict)
		r.writeText(s.out)
		return exitOf(r.Verdict), nil
	}
	if err := o.write(s, claims); err != nil {
		return exitFailed, err
	}
	return exitAccepted, nil
}

// recorded returns what an attestation's evidence claimed.
func (o *initOptions) recorded(ctx context.Context, c *admin.Client) ([]evidence.Claims, error) {
	a, err := c.Attestation(ctx, o.attestation)
	if err != nil {
		return nil, err
	}
	var claims []evidence.Claims
	if err := json.Unmarshal(a.Claims, &claims); err != nil {
		return nil, withHint(fmt.Errorf("the claims of %s are none that this program knows: %w", o.attestation, err), "is this program older than the service?")
	}
	o.draft.Source, o.draft.At = "attestation "+a.AttestationID, a.IssuedAt
	return claims, nil
}

// write drafts a policy and writes it, with what has to be looked at.
func (o *initOptions) write(s streams, claims []evidence.Claims) error {
	d, err := draft.FromClaims(claims, o.draft)
	if evidence.CodeOf(err) == evidence.CodePolicyClaims { // which says what is to be done at the machine
		return withHint(err, "nothing was drafted; when the machine shows more, take evidence of it again")
	}
	if err != nil {
		return withHint(err, "see quotary policy init --help for what a draft takes")
	}
	for _, warning := range d.Warnings {
		s.note("warning: %s", printable(warning))
	}
	if !d.Accepts {
		s.note("warning: the draft does not accept this machine as it stands: what it would need waived is in its comments")
	}
	if o.dir == "" {
		s.out.Write(d.YAML)
		return nil
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	path := filepath.Join(o.dir, o.draft.Name+".yaml") // a name has only letters, digits and hyphens
	if err := writeNew(s, path, d.YAML); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "drafted: %s\n", printable(path))
	showNext(s, "read it, then: quotary policy lint "+shellWords([]string{o.dir}))
	return nil
}
