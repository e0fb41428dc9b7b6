// Package daemon puts the agent together from its configuration: whom it believes, what
// it proves, and to whom it hands what it was granted. It serves quotary-agent.
//
// Start at [Open] and [Daemon.Run].
package daemon

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/agentapi"
	"github.com/quotary/quotary/internal/agent/endpoint"
	"github.com/quotary/quotary/internal/agent/files"
	"github.com/quotary/quotary/internal/agent/jwtsvid"
	"github.com/quotary/quotary/internal/agent/machine"
	"github.com/quotary/quotary/internal/agent/notify"
	"github.com/quotary/quotary/internal/agent/sds"
	"github.com/quotary/quotary/internal/agent/trust"
	"github.com/quotary/quotary/internal/agent/workloadapi"
	"github.com/quotary/quotary/internal/boundedfile"
	"github.com/quotary/quotary/tee/endorsements"
)

// Options say what an agent is made of.
type Options struct {
	Config Config
	// Devices are the ways to the machine; the zero value stands for the machine itself.
	Devices machine.Devices
	// Notifier tells systemd; nil tells nobody.
	Notifier *notify.Notifier
	// Logger is where the agent tells what happens.
	Logger *slog.Logger
}

// Daemon is an agent with all that belongs to it.
type Daemon struct {
	*agent.Agent
	options  Options
	trust    *trust.Trust
	machine  *machine.Machine
	writers  []*files.Writer
	endpoint endpoint.Config
	proxies  *proxies      // nil if none are answered
	ready    chan struct{} // closed when the first identity is handed out
}

// Open checks the configuration and reads what it names. Nothing is asked yet, neither the
// machine nor the service: both may come later than the agent.
func Open(o Options) (*Daemon, error) {
	if o.Notifier == nil {
		o.Notifier = &notify.Notifier{}
	}
	d := &Daemon{options: o, ready: make(chan struct{})}
	for _, part := range []func() error{d.openTrust, d.openMachine, d.openFiles, d.openEndpoint, d.openProxies} {
		if err := part(); err != nil {
			return nil, err
		}
	}
	d.warnOfPlaces()
	d.Agent = agent.New(agent.Config{Obtain: d.obtain, Refresh: d.trust.Refresh, Logger: o.Logger})
	return d, nil
}

func (d *Daemon) openTrust() (err error) {
	d.trust, err = d.options.Config.Service.open(d.options.Logger)
	return err
}

// open reads what the service is known by.
func (s Service) open(logger *slog.Logger) (*trust.Trust, error) {
	if s.URL == "" {
		return nil, malformed("service.url", "which service? Give https://HOST:PORT")
	}
	if err := client.CheckURL(s.URL); err != nil {
		return nil, malformed("service.url", "%q: %w", s.URL, err)
	}
	digest, err := s.digest()
	if err != nil {
		return nil, err
	}
	return trust.Open(trust.Config{
		URL: s.URL, TrustDomain: s.TrustDomain, BundleFile: s.Bundle, RootSHA256: digest, Keep: s.Keep, Logger: logger,
	})
}

func (d *Daemon) openMachine() error {
	m := d.options.Config.Machine
	if m.VMPL < 0 {
		return malformed("machine.vmpl", "%d is not between 0 and 3", m.VMPL)
	}
	if m.Key != "" && m.Key != keyInMemory && m.Key != keyInTPM {
		return malformed("machine.key", "%q is neither %q nor %q", m.Key, keyInMemory, keyInTPM)
	}
	c := machine.Config{
		KeyInTPM: m.Key == keyInTPM,
		TEE:      machine.TEE(m.TEE), VMPL: uint(m.VMPL), WithoutEventLog: m.NoEventLog, Devices: d.options.Devices, Logger: d.options.Logger,
	}
	if m.TPM != nil {
		c.TPM = &machine.TPM{Address: m.TPM.Address, Platform: machine.Platform(m.TPM.Platform), Bank: m.TPM.Bank, PCRs: m.TPM.PCRs, IMA: m.TPM.IMA}
		if len(m.TPM.EKCertificates) > 0 {
			certificates, err := endorsements.ReadCertificates(m.TPM.EKCertificates...)
			if err != nil {
				return malformed("machine.tpm.ek_certificates", "%w", err)
			}
			for _, cert := range certificates {
				c.TPM.EKCertificates = append(c.TPM.EKCertificates, cert.Raw)
			}
		}
	}
	var err error
	d.machine, err = machine.New(c)
	return err
}

func (d *Daemon) openFiles() error {
	if len(d.options.Config.Files) > maxFiles {
		return malformed("files", "there are %d; at most %d", len(d.options.Config.Files), maxFiles)
	}
	seen := map[string]bool{}
	for _, f := range d.options.Config.Files {
		c, err := f.writer(d.options.Logger)
		if err != nil {
			return err
		}
		if c.Password != nil && d.options.Config.Machine.Key == keyInTPM {
			return malformed("files.pkcs12_password_file", "there is no key to put into PKCS #12 files: it does not leave the TPM (machine.key)")
		}
		if seen[c.Directory] {
			return malformed("files.directory", "%s is there twice", c.Directory)
		}
		seen[c.Directory] = true
		w, err := files.Open(c)
		if err != nil {
			return err
		}
		d.writers = append(d.writers, w)
	}
	return nil
}

// writer returns the configuration of what writes these files.
func (f Files) writer(logger *slog.Logger) (files.Config, error) {
	c := files.Config{
		Directory: f.Directory, Logger: logger,
		Hook: files.Hook{Command: f.Reload.Command, PIDFile: f.Reload.PIDFile, Signal: f.Reload.Signal, Unit: f.Reload.SystemdUnit},
	}
	var err error
	if c.KeyMode, err = mode("files.mode", f.Mode); err != nil {
		return c, err
	}
	if c.UID, c.GID, err = owner("files", f.Owner, f.Group); err != nil {
		return c, err
	}
	if f.PKCS12PasswordFile == "" {
		return c, nil
	}
	password, err := boundedfile.Read(f.PKCS12PasswordFile, maxPassword)
	if err != nil {
		return c, malformed("files.pkcs12_password_file", "%w", err)
	}
	c.Password = new(string(bytes.TrimRight(password, "\r\n")))
	if *c.Password == "" {
		return c, malformed("files.pkcs12_password_file", "%s holds no password", f.PKCS12PasswordFile)
	}
	return c, nil
}

func (d *Daemon) openEndpoint() (err error) {
	d.endpoint, err = d.options.Config.WorkloadAPI.endpoint()
	d.endpoint.Logger = d.options.Logger
	return err
}

// obtain attests once.
func (d *Daemon) obtain(ctx context.Context) (*agent.Identity, error) {
	c, err := d.trust.Client(ctx)
	if err != nil {
		return nil, err
	}
	o := client.AttestOptions{}
	if d.options.Config.Tokens.EAR {
		o.Tokens, o.Audience = []client.Format{client.JWT}, d.options.Config.Tokens.Audience
	}
	granted, err := d.machine.Attest(ctx, c, o)
	if err != nil {
		return nil, err
	}
	identity, err := agent.NewIdentity(granted, time.Now())
	if err != nil {
		return nil, err
	}
	d.trust.Learn(identity.Bundle)
	return identity, nil
}

// obtainToken attests for a JWT-SVID alone. If the service sees the machine as another
// than it was, or not at all any more, the agent finds that out for everything else, too.
func (d *Daemon) obtainToken(ctx context.Context, id string, audience []string) (*client.JWTSVID, error) {
	c, err := d.trust.Client(ctx)
	if err != nil {
		return nil, err
	}
	granted, err := d.machine.Attest(ctx, c, client.AttestOptions{Purpose: evidence.PurposeToken, JWTSVID: audience})
	if err == nil && granted.SPIFFEID != id {
		err = evidence.Errorf(evidence.CodeResponseIdentity, "spiffe_id", "the machine is %s now", granted.SPIFFEID)
		d.Hurry()
	}
	if agent.Refused(err) {
		d.Hurry()
	}
	if err != nil {
		return nil, err
	}
	return granted.JWTSVID, nil
}

// Ready is closed when the first identity was granted and its files are written.
func (d *Daemon) Ready() <-chan struct{} { return d.ready }

// Environment is how programs beside the agent find its identity: variables as in
// os.Environ.
func (d *Daemon) Environment() []string {
	var out []string
	if view, _ := d.Current(); view.Identity != nil {
		out = append(out, "QUOTARY_SPIFFE_ID="+view.Identity.ID.String())
	}
	if d.endpoint.Path != "" {
		out = append(out, "SPIFFE_ENDPOINT_SOCKET=unix://"+d.endpoint.Path)
	}
	if len(d.options.Config.Files) > 0 {
		out = append(out, "QUOTARY_DIRECTORY="+filepath.Clean(d.options.Config.Files[0].Directory))
	}
	return out
}

// Run attests, and hands out, until ctx ends or a part cannot go on. The files of the last
// identity stay.
func (d *Daemon) Run(ctx context.Context) error {
	defer d.trust.Close()
	group, ctx := errgroup.WithContext(ctx)
	if err := d.serve(ctx, group); err != nil {
		group.Go(func() error { return err }) // which ends what was begun
		return group.Wait()
	}
	for _, w := range d.writers {
		group.Go(func() error { w.Run(ctx, d.Agent); return nil })
	}
	group.Go(func() error { d.awaitReady(ctx); return nil })
	group.Go(func() error {
		if d.awaitIdentity(ctx) { // before there is nothing to lose
			d.trust.Follow(ctx, func(r *client.Revocations) { d.Heed(r) })
		}
		return nil
	})
	group.Go(func() error {
		if err := d.options.Notifier.Run(ctx, d.Agent, d.ready); err != nil {
			d.options.Logger.Warn("systemd does not hear", "cause", err.Error())
		}
		return nil
	})
	group.Go(func() error { return d.Agent.Run(ctx) })
	if err := group.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// serve begins to serve the socket and metrics: they are there before there is an identity.
func (d *Daemon) serve(ctx context.Context, group *errgroup.Group) error {
	if d.endpoint.Path != "" {
		e, err := endpoint.Listen(d.endpoint)
		if err != nil {
			return err
		}
		workloadapi.Register(e.Services(), d.Agent, jwtsvid.New(jwtsvid.Config{Obtain: d.obtainToken}))
		sds.Register(e.Services(), d.Agent, d.options.Logger)
		agentapi.Register(e.Services(), d.Agent)
		group.Go(func() error { return e.Serve(ctx) })
	}
	collectors := []prometheus.Collector{d.Agent}
	if d.proxies != nil {
		if err := d.proxies.serve(ctx, group); err != nil {
			return err
		}
		collectors = append(collectors, d.proxies.Service)
	}
	return d.options.Config.Metrics.serve(ctx, group, d.health, d.options.Logger, collectors...)
}

// health is whether there is an identity, and a line about it.
func (d *Daemon) health() (bool, string) {
	view, _ := d.Current()
	return view.Identity != nil, notify.Line(view.Status)
}

// awaitIdentity returns when there is an identity. It is false if ctx ended.
func (d *Daemon) awaitIdentity(ctx context.Context) bool {
	for {
		view, changed := d.Current()
		if view.Identity != nil {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// awaitReady closes ready when there is an identity, and all files of it.
func (d *Daemon) awaitReady(ctx context.Context) {
	if !d.awaitIdentity(ctx) {
		return
	}
	for _, w := range d.writers {
		select {
		case <-w.Written():
		case <-ctx.Done():
			return
		}
	}
	close(d.ready)
}

// Once attests until there is an answer, or until ctx ends, and writes the files of the
// identity, if it was granted. If it was refused, those of an earlier one are removed.
func (d *Daemon) Once(ctx context.Context) (*agent.Identity, error) {
	defer d.trust.Close()
	identity, err := d.Agent.Once(ctx)
	var failed []error
	if agent.Refused(err) {
		for _, w := range d.writers {
			failed = append(failed, w.Withdraw(ctx))
		}
	}
	if err != nil {
		return nil, errors.Join(append([]error{err}, failed...)...)
	}
	for _, w := range d.writers {
		failed = append(failed, w.Write(ctx, identity))
	}
	return identity, errors.Join(failed...)
}

// Collect returns evidence of the machine that carries a binding.
func (d *Daemon) Collect(ctx context.Context, binding evidence.Binding) (evidence.Bundle, error) {
	return d.machine.Collect(ctx, binding)
}
