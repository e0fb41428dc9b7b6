package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/tpm/guest"
)

const tpmEnrolHelp = `usage: quotary tpm enrol --url URL (--root FILE | --root-sha256 HEX) --out FILE [FLAG]…

Have a service certify this machine's attestation key: the TPM proves that it has that
key and an endorsement key which the service trusts: of several, the first. The
certificate is then sent along with quotes (quotary evidence collect --ak-certificate FILE).

service:
` + serviceHelp + `
TPM:
  --tpm ADDRESS          the TPM: a device (/dev/tpmrm0, the default), or a socket that
                         takes raw commands (unix:PATH, tcp:HOST:PORT)
  --ek-certificate FILE  the endorsement key's certificate and intermediates, where the
                         TPM does not have them; repeatable

output:
  --out FILE             where the certificate goes, PEM; - is standard output
  -o text|json           what is said about it

example:
  quotary tpm enrol --url https://attest.example.org:8443 --root root.crt --out ak.pem
`

// enrolOptions are tpm enrol's flags.
type enrolOptions struct {
	service      serviceFlags
	address      string
	certificates list
	out          string
	output       *choice
}

func tpmEnrol(s streams, args []string) (exit, error) {
	o := &enrolOptions{}
	fs := flagSet("tpm enrol")
	o.service.register(fs)
	fs.StringVar(&o.address, "tpm", guest.DefaultAddress, "")
	fs.Var(&o.certificates, "ek-certificate", "")
	fs.StringVar(&o.out, "out", "", "")
	o.output = outputFlag(fs, "text", "json")
	if err := parseWithout(fs, args); err != nil {
		return exitFailed, err
	}
	if o.out == "" {
		return exitFailed, usage("where does the certificate go?", "give --out FILE, or --out - for standard output")
	}
	ctx, cancel := context.WithTimeout(context.Background(), enrolTimeout)
	defer cancel()
	key, err := o.enrol(ctx)
	if code := exitOfService(err); code != exitFailed {
		s.report(err)
		return code, nil
	}
	if err != nil {
		return exitFailed, err
	}
	var chain []byte
	for _, der := range key.Certificates {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	if err := writeNew(s, o.out, chain); err != nil {
		return exitFailed, err
	}
	if o.out == standardOutput { // nothing else belongs there
		return exitAccepted, nil
	}
	return exitAccepted, o.show(s, key)
}

// enrol makes both steps.
func (o *enrolOptions) enrol(ctx context.Context) (*client.AttestationKey, error) {
	certificates, err := readCertificates(o.certificates)
	if err != nil {
		return nil, err
	}
	c, err := o.service.dial(ctx)
	if err != nil {
		return nil, explainService(err)
	}
	defer c.Close()
	tpm, err := guest.Open(ctx, o.address, guest.Options{EKCertificates: certificates})
	if err != nil {
		return nil, explainTPM(err)
	}
	key, err := c.Enrol(ctx, tpm, client.EnrolOptions{})
	if ekUntrusted(err) && len(certificates) == 0 {
		key, err = o.enrolByOthers(ctx, c, tpm, err)
	}
	if err != nil {
		return nil, explainEnrolment(err)
	}
	return key, nil
}

// enrolByOthers tries the endorsement keys behind the TPM's first, which the service does
// not trust: its operator may have listed any of them.
func (o *enrolOptions) enrolByOthers(ctx context.Context, c *client.Client, tpm *guest.TPM, refusal error) (*client.AttestationKey, error) {
	keys, _, err := tpm.EndorsementKeys(ctx)
	if err != nil || len(keys) < 2 {
		return nil, refusal
	}
	for _, key := range keys[1:] {
		other, err := guest.Open(ctx, o.address, guest.Options{EKCertificates: key.Certificates})
		if err != nil {
			return nil, err
		}
		enrolled, err := c.Enrol(ctx, other, client.EnrolOptions{})
		if !ekUntrusted(err) {
			return enrolled, err
		}
	}
	return nil, refusal
}

// shownAK is an enrolled attestation key as it is shown.
type shownAK struct {
	EnrolmentID string       `json:"enrolment_id"`
	AKSHA256    evidence.Hex `json:"ak_sha256"`
	EKSHA256    evidence.Hex `json:"ek_sha256"`
	Simulated   bool         `json:"simulated"`
	NotAfter    time.Time    `json:"not_after"`
	File        string       `json:"file"`
}

func (o *enrolOptions) show(s streams, key *client.AttestationKey) error {
	shown := shownAK{key.EnrolmentID, key.AKSHA256, key.EKSHA256, key.Simulated, key.NotAfter.UTC(), o.out}
	if o.output.value == "json" {
		return writeJSON(s, shown)
	}
	fmt.Fprintf(s.out, "ENROLLED: the service certified the attestation key of this TPM\n")
	if shown.Simulated {
		fmt.Fprintln(s.out, "SIMULATED: the endorsement key rests on a simulated root")
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"attestation key", shown.AKSHA256.String()}, {"endorsement key", shown.EKSHA256.String()},
		{"enrolment", shown.EnrolmentID}, {"valid until", shown.NotAfter.Format(time.RFC3339)}, {"certificate in", shown.File},
	} {
		fmt.Fprintf(table, "  %s\t%s\n", row[0], printable(row[1]))
	}
	table.Flush()
	fmt.Fprintf(s.out, "\nnext:\n  quotary evidence collect --tpm %s --ak-certificate %s …\n", printable(o.address), printable(shown.File))
	return nil
}

// explainEnrolment says what to do about a refusal.
func explainEnrolment(err error) error {
	var p *client.Problem
	if !errors.As(err, &p) {
		if code := evidence.CodeOf(err); code == evidence.CodeServiceUnreached || code == evidence.CodeResponseMalformed {
			return explainService(err)
		}
		return explainTPM(err)
	}
	if ekUntrusted(err) {
		return withHint(err, "the service trusts no endorsement key of this TPM: its operator can list one ("+
			"quotary tpm ek prints their SHA-256) or configure their maker's root")
	}
	switch evidence.CodeOf(err) {
	case evidence.CodeTPMEnrolmentOff:
		return withHint(err, "tpm.enrolment names CA certificates of TPMs' makers, of which one must be self-signed, or lists keys one by one")
	case evidence.CodeTPMEnrolled:
		return withHint(err, "an attestation key stays with the endorsement key that it was first enrolled with (--ek-certificate names that one); "+
			"whether another attestation key may take its place there, the operator decides by tpm.enrolment.new_keys")
	}
	if failed := p.Checks.Failed(); len(failed) > 0 {
		return withHint(err, sayCheck(failed[0]))
	}
	if len(p.Missing) > 0 {
		return withHint(err, "send the certificate of "+p.Missing[0].ID+" along with --ek-certificate, behind the endorsement key's own")
	}
	return explainService(err)
}

// ekUntrusted reports whether the service refused the endorsement key as one that it
// does not trust.
func ekUntrusted(err error) bool {
	var p *client.Problem
	return errors.As(err, &p) &&
		slices.ContainsFunc(p.Checks.Failed(), func(c evidence.Check) bool { return c.Code == evidence.CodeTPMEKUntrusted })
}

// exitOfService is the exit code of a verdict of the service's, or exitFailed for
// everything else.
func exitOfService(err error) exit {
	var p *client.Problem
	if !errors.As(err, &p) {
		return exitFailed
	}
	switch p.Verdict {
	case "rejected":
		return exitRejected
	case "undecided":
		return exitUndecided
	}
	return exitFailed
}
