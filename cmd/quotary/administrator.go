package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/evidence"
)

// adminHelp explains the flags of adminFlags.
const adminHelp = `service:
` + serviceHelp + `
administrator, instead of the profile's credential:
` + credentialHelp + `
output:
  -o text|json|yaml      output format
`

// adminExits explains the exit codes of administrators' commands.
const adminExits = `
exit codes: 0 done, 2 the service refuses: it does not know the credential, the role
does not suffice, or what was asked for is not to be; 1 everything else that went wrong
`

// The roles that the service demands.
const (
	viewer   = "viewer"
	operator = "operator"
	owner    = "owner"
	// proposer is that of who changes the policy.
	proposer = "owner, or operator where several owners have to agree"
)

// adminFlags are the flags of administrators' commands.
type adminFlags struct {
	service    serviceFlags
	credential credentialFlags
	output     *choice
	endless    bool // the command goes on until it is interrupted: nobody waits for its end
	given      *flag.FlagSet
	profile    string // that says what the flags leave out; "" if none does
}

func (f *adminFlags) register(fs *flag.FlagSet) {
	f.service.register(fs)
	f.credential.register(fs)
	f.output = outputFlag(fs, "text", "json", "yaml")
	f.given = fs
}

// next is a command for the same service and administrator, as a shell takes it: what
// was said by flags is said again.
func (f *adminFlags) next(words ...string) string {
	f.given.Visit(func(given *flag.Flag) {
		switch given.Name {
		case "profile", "url", "root", "root-sha256", "trust-domain", "cert", "key", "token-file":
			words = append(words, "--"+given.Name, given.Value.String())
		}
	})
	return shellWords(words)
}

// dial returns a client of the service that speaks as the administrator.
func (f *adminFlags) dial(ctx context.Context, s streams) (*admin.Client, error) {
	name, given, err := f.credential.name()
	if err != nil {
		return nil, err
	}
	f.service.environment()
	config := &userConfig{}
	if !given || !f.service.complete() {
		if config, err = readUserConfig(); err != nil {
			return nil, err
		}
	}
	profileName, p, err := f.service.chosen(config)
	if err != nil && !(given && f.service.complete()) {
		return nil, err
	}
	if p.URL != "" {
		f.profile = profileName
	}
	target, err := f.service.find(ctx, p)
	if err != nil {
		return nil, err
	}
	if !given {
		if name, err = p.credentialFor(target); err != nil {
			return nil, err
		}
	}
	credential, err := name.load(s, config.credentialFile(profileName))
	if err != nil {
		return nil, err
	}
	return admin.New(admin.Config{URL: target.url, TrustDomain: target.trustDomain, Roots: target.roots(), Credential: credential})
}

// credentialFor returns the profile's credential, which is for the service that it
// was stored for and is shown to no other.
func (p profile) credentialFor(s *service) (credentialName, error) {
	if p.URL == "" {
		return credentialName{}, usage("not logged in", "quotary login --url "+s.url+" --root FILE --cert FILE; or give --cert or --token-file here")
	}
	root, err := p.root()
	if err == nil && (!root.Equal(s.root) || p.TrustDomain != s.trustDomain) {
		err = usage("the profile's credential is for another service, under another root", "give --cert or --token-file, or log in there: quotary login --help")
	}
	return p.Credential, err
}

// do has work done as an administrator who needs a role, until it is done or the
// user interrupts it.
func (f *adminFlags) do(s streams, role string, work func(ctx context.Context, c *admin.Client) error) (exit, error) {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	if f.endless {
		s.attended = false
	}
	stop := s.waiting("waiting for the service")
	c, err := f.dial(ctx, s)
	if err != nil {
		err = explainService(err)
	} else {
		defer c.Close()
		if err = explainAdmin(work(ctx, c)); refusalStatus(err) == http.StatusForbidden {
			err = explainForbidden(ctx, c, err, role)
		}
	}
	stop()
	return ended(s, err)
}

// ended is how a command ends: a refusal has an exit code of its own.
func ended(s streams, err error) (exit, error) {
	if err == nil {
		return exitAccepted, nil
	}
	if !refused(err) {
		return exitFailed, err
	}
	s.out.Reset()
	s.report(err)
	return exitRejected, nil
}

// refused reports whether the service, or what it says of itself, is the reason.
func refused(err error) bool {
	code := evidence.CodeOf(err)
	var p *client.Problem
	if !errors.As(err, &p) {
		return code == evidence.CodeLedgerTampered
	}
	switch p.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity:
		return true
	}
	return code == evidence.CodeLedgerTampered || strings.HasPrefix(code.String(), "policy.")
}

// explainAdmin adds to an error what the administrator can do about it.
func explainAdmin(err error) error {
	var p *client.Problem
	if !errors.As(err, &p) {
		return explainService(err)
	}
	switch {
	case p.Status == http.StatusUnauthorized:
		return withHint(err, "the service does not take this credential: log in with another (quotary login --help), or have a certificate issued (quotaryd admin issue)")
	case p.Reason.Code == evidence.CodePolicyConflict:
		return withHint(err, "see what was changed meanwhile: quotary policy history, and quotary policy diff active FILE|DIRECTORY…")
	case p.Reason.Code == evidence.CodePolicySetUnknown:
		return withHint(err, "see quotary policy history")
	case p.Reason.Code == evidence.CodePolicyProposalUnknown:
		return withHint(err, "see quotary policy proposals")
	case p.Reason.Code == evidence.CodeAttestationKeyUnknown:
		return withHint(err, "see quotary keys list")
	case p.Reason.Code == evidence.CodeAttestationKeyChanged:
		return withHint(err, "see quotary keys show")
	case p.Reason.Code == evidence.CodeRevocationWhere:
		return withHint(err, "what there is to ask for, quotary attestations show ID -o json has below claims; docs/policy.md (Rules) says how")
	case p.Reason.Code == evidence.CodeAttestationUnknown:
		return withHint(err, "see quotary attestations list")
	case p.Status == http.StatusNotFound && p.Reason.Code == evidence.CodeNotFound:
		return withHint(err, "this service may be older than this program: see quotary status")
	case p.Status < http.StatusInternalServerError && !p.Temporary():
		return err // says what is wrong
	}
	return explainService(err)
}

// refusalStatus is that of a refusal, or 0.
func refusalStatus(err error) int {
	var p *client.Problem
	if errors.As(err, &p) {
		return p.Status
	}
	return 0
}

// explainForbidden adds to a refusal what the administrator lacks. Who they are is asked of
// the service: only it knows.
func explainForbidden(ctx context.Context, c *admin.Client, err error, role string) error {
	const from = ". Certificates get theirs from quotaryd admin issue --role, tokens from the identity provider"
	who, failed := c.Whoami(ctx)
	switch {
	case failed != nil:
		return withHint(err, "this needs the role "+role+from)
	case who.Method == "bootstrap" && who.Role == owner:
		return withHint(err, "the credential of the first start is nobody in particular: log in with a certificate (quotaryd admin issue), or a token of the identity provider")
	case rank(who.Role) >= rank(role):
		return err // says what else is lacking
	}
	return withHint(err, fmt.Sprintf("you are %s, %s here, and this needs the role %s%s", printable(who.Name), printable(who.Role), role, from))
}

// rank orders the roles.
func rank(role string) int {
	role, _, _ = strings.Cut(role, ",") // behind a comma stands when less is enough
	return slices.Index([]string{viewer, operator, owner}, role)
}
