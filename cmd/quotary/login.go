package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"

	"github.com/quotary/quotary/client/admin"
)

const loginHelp = `usage: quotary login --url URL (--root FILE | --root-sha256 HEX) CREDENTIAL [FLAG]…
       quotary login … --token-command -- PROGRAM [ARGUMENT]…

Try a credential with a service, and if the service takes it, keep in a profile where
it is. Profiles are in $XDG_CONFIG_HOME/quotary/config.yaml, which only you may read.

service:
  --profile NAME         the profile to make or change; default, unless there is another
                         current one. It becomes the current one. Or $QUOTARY_PROFILE
  --url URL              the service: https://HOST:PORT; or $QUOTARY_URL
  --root FILE            the root of its authority (ca/root.crt of its data directory), PEM;
                         or $QUOTARY_ROOT
  --root-sha256 HEX      or that root's SHA-256, as the service prints it when it starts
  --trust-domain NAME    its trust domain; by default the one in the root
  A profile that is there already knows them, where none is given.

credential, one of:
` + credentialHelp + `  --token-command        a program that prints a token: behind --, with its arguments.
                         It is run without a shell. What it needs to know must not be
                         secret: command lines can be seen by others
  --credential-stdin     the credential that the service's first start printed, or a
                         token: from standard input, or asked for. It is kept beside the
                         profiles in a file that only you may read

output:
  -o text|json|yaml      output format

exit codes: 0 logged in, 2 the service does not take the credential, 1 everything else
that went wrong. Nothing is kept unless it is 0.

examples:
  quotary login --url https://attest.example.org:8443 --root root.crt --cert alice.pem
  quotary login --url https://attest.example.org:8443 --root-sha256 9f86d081… --credential-stdin
  quotary login --profile ci --url https://attest.example.org:8443 --root root.crt \
    --token-command -- gcloud auth print-identity-token
`

// loginOptions are login's flags.
type loginOptions struct {
	service    serviceFlags
	credential credentialFlags
	command    bool
	stdin      bool
	argv       []string
	output     *choice
}

func login(s streams, args []string) (exit, error) {
	o := &loginOptions{}
	flags := flagSet("login")
	o.service.register(flags)
	o.credential.register(flags)
	flags.BoolVar(&o.command, "token-command", false, "")
	flags.BoolVar(&o.stdin, "credential-stdin", false, "")
	o.output = outputFlag(flags, "text", "json", "yaml")
	var err error
	if o.argv, err = parse(flags, args); err != nil {
		return exitFailed, err
	}
	ctx := context.Background()
	attempt, err := o.prepare(ctx, s)
	if err != nil {
		return exitFailed, explainService(err)
	}
	defer os.Remove(attempt.tried)
	who, err := attempt.try(ctx, s)
	if err != nil {
		return ended(s, explainAdmin(err))
	}
	if err := attempt.keep(); err != nil {
		return exitFailed, err
	}
	return exitAccepted, showPrincipal(s, o.output.value, attempt.identity(who), "LOGGED IN")
}

// attempt is a log-in before anything is kept.
type attempt struct {
	config  *userConfig
	name    string
	profile profile
	service *service
	// tried has a credential from standard input, until it is kept; "" without one.
	tried string
}

func (o *loginOptions) prepare(ctx context.Context, s streams) (*attempt, error) {
	credential, err := o.name()
	if err != nil {
		return nil, err
	}
	config, err := readUserConfig()
	if err != nil {
		return nil, err
	}
	o.service.environment()
	name := o.service.profile
	if name == "" {
		name = config.Current
	}
	if name == "" {
		name = defaultProfile
	}
	if !profileName.MatchString(name) {
		return nil, usage(fmt.Sprintf("%q is no name for a profile", name), "it has up to 63 of a-z, 0-9, point, hyphen and underscore")
	}
	if _, known := config.Profiles[name]; !known && o.service.url == "" {
		return nil, usage("which service is profile "+name+" for?", "give --url https://HOST:PORT, and --root FILE or --root-sha256 HEX")
	}
	found, err := o.service.find(ctx, config.Profiles[name])
	if err != nil {
		return nil, err
	}
	a := &attempt{config: config, name: name, service: found, profile: profile{
		URL: found.url, TrustDomain: found.trustDomain, Root: pemOf(found.root), Credential: credential,
	}}
	if o.stdin {
		secret, err := readSecret(s)
		if err != nil {
			return nil, err
		}
		a.tried = config.credentialFile(name) + ".new"
		return a, writePrivate(a.tried, []byte(secret+"\n"))
	}
	return a, nil
}

// name returns the one credential that was named.
func (o *loginOptions) name() (credentialName, error) {
	n, _, err := o.credential.name()
	if err != nil {
		return n, err
	}
	n.Stored = o.stdin
	if o.command {
		n.TokenCommand = o.argv
	} else if len(o.argv) > 0 { // it may be a secret, and is not repeated
		return n, usage("login takes no operand", "secrets do not belong on a command line: give --credential-stdin and write it there, or --token-file FILE")
	}
	if err := n.check(); err != nil {
		return n, usage("which credential?", "give --cert FILE, --token-file FILE, --token-command -- PROGRAM…, or --credential-stdin; see quotary login --help")
	}
	return n, nil
}

// try asks the service whom it takes the credential for.
func (a *attempt) try(ctx context.Context, s streams) (*admin.Principal, error) {
	credential, err := a.profile.Credential.load(s, a.tried)
	if err != nil {
		return nil, err
	}
	c, err := admin.New(admin.Config{URL: a.service.url, TrustDomain: a.service.trustDomain, Roots: a.service.roots(), Credential: credential})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer s.waiting("waiting for the service")()
	return c.Whoami(ctx)
}

// keep writes the profile, which becomes the current one.
func (a *attempt) keep() error {
	file := a.config.credentialFile(a.name)
	if a.tried != "" {
		if err := os.Rename(a.tried, file); err != nil {
			return err
		}
	} else if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) { // an earlier log-in's
		return err
	}
	a.config.Profiles[a.name], a.config.Current = a.profile, a.name
	return a.config.write()
}

func (a *attempt) identity(who *admin.Principal) identity {
	return identity{Principal: *who, Profile: a.name, URL: a.service.url, TrustDomain: a.service.trustDomain}
}

// readSecret reads one line, which a terminal does not show.
func readSecret(s streams) (string, error) {
	if file, ok := s.in.(*os.File); ok && columns(file) > 0 {
		return readHidden(s, file)
	}
	data, err := readAll(s.in, maxCredential)
	secret := strings.TrimSpace(string(data))
	if err == nil && (secret == "" || len(data) > maxCredential || strings.Contains(secret, "\n")) {
		err = usage("standard input holds no credential", "write it there in one line: quotary login … --credential-stdin < FILE")
	}
	return secret, err
}

// readHidden asks for a line at a terminal. However it ends, the terminal shows
// again what is typed.
func readHidden(s streams, file *os.File) (string, error) {
	restore, err := silence(file)
	if err != nil {
		return "", err
	}
	defer restore()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	fmt.Fprint(s.err, "credential: ")
	defer fmt.Fprintln(s.err)
	lines := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(io.LimitReader(file, maxCredential)).ReadString('\n')
		lines <- strings.TrimSpace(line)
	}()
	select {
	case line := <-lines:
		if line == "" {
			return "", usage("there is no credential", "paste the one that the service's first start printed")
		}
		return line, nil
	case <-ctx.Done():
		return "", errors.New("interrupted")
	}
}

const logoutHelp = `usage: quotary logout [--profile NAME]

Forget a profile, and the credential that was kept for it. Certificates, keys and
tokens in files of your own stay; the service is not asked.

  --profile NAME   the profile; the current one by default; or $QUOTARY_PROFILE

exit codes: 0 done, 1 there is no such profile, or it cannot be forgotten

example:
  quotary logout --profile ci
`

func logout(s streams, args []string) (exit, error) {
	f := &serviceFlags{}
	flags := flagSet("logout")
	flags.StringVar(&f.profile, "profile", "", "")
	if err := parseWithout(flags, args); err != nil {
		return exitFailed, err
	}
	f.environment()
	config, err := readUserConfig()
	if err != nil {
		return exitFailed, err
	}
	name, p, err := f.chosen(config)
	if err != nil {
		return exitFailed, err
	}
	if p.URL == "" {
		return exitFailed, usage("not logged in", "profiles are made by quotary login")
	}
	return forget(s, config, name)
}
