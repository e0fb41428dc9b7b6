// Package daemon puts the service together from its configuration and its data
// directory: keys, ledger, authority, verifiers, policy and the HTTP server. The
// programs that run a service use it and hold nothing of it themselves.
//
// Start at [Open], then [Daemon.Serve].
package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/continuous"
	"github.com/quotary/quotary/internal/federation"
	"github.com/quotary/quotary/internal/inforce"
	"github.com/quotary/quotary/internal/revocation"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/tee"
	collateral "github.com/quotary/quotary/tee/endorsements/store"
	"github.com/quotary/quotary/tokens"
	"github.com/quotary/quotary/verifier"
)

// Options say what to open.
type Options struct {
	// Data is the data directory. It is made if it does not exist.
	Data   string
	Config Config
	// Version is the build's version, for tokens, health and metrics.
	Version string
	// Logger takes the service's log.
	Logger *slog.Logger
	// Now is the clock by which everything is judged and dated; nil means time.Now.
	// Waiting goes by the process's own.
	Now func() time.Time
}

// Daemon is a service that is ready to serve.
type Daemon struct {
	// Config is the configuration with its defaults filled in.
	Config Config
	// FirstStart says that Open made the authority.
	FirstStart bool
	// AdminCredential is the administrator's credential, if Open made one. It is
	// not kept and cannot be had again.
	AdminCredential string

	logger         *slog.Logger
	now            func() time.Time
	lock           *os.File // the data directory is ours while it is open
	current        atomic.Pointer[snapshot]
	reloading      sync.Mutex // one reload at a time
	mode           inforce.Mode
	reading        policies.Options
	policies       *inforce.Policies
	ledger         *store.Store
	collateral     *collateral.Store
	keys           ca.Keys
	stores         io.Closer // of keys; nil if there is nothing to close
	authority      *ca.Authority
	revocations    *revocation.Publisher
	continuous     atomic.Pointer[continuous.Sweeper]
	fault          atomic.Pointer[string] // of the authorities that was logged last
	notice         atomic.Pointer[string] // of the lists of roots, likewise
	administrators *admin.Authenticator
	certificates   *ca.ServerCertificates
	issuer         *tokens.Issuer
	federation     *federation.Federation
	server         *server.Server
	enrols         bool         // TPMs
	publication    net.Listener // nil without one
}

// Open makes or opens everything that the service needs. Close it afterwards.
// What can be wrong with the configuration is found before anything is made but
// empty directories.
func Open(ctx context.Context, o Options) (*Daemon, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	d := &Daemon{Config: o.Config.withDefaults(o.Data), mode: o.Config.mode(), logger: o.Logger, now: o.Now}
	if err := d.Config.check(); err != nil {
		return nil, err
	}
	if err := prepare(o.Data); err != nil {
		return nil, err
	}
	loaded, err := load(d.Config)
	if err != nil {
		return nil, err
	}
	if d.reading, err = reading(d.Config.ReferenceKeys); err != nil {
		return nil, err
	}
	if _, err := d.reading.Load(loaded.files...); err != nil {
		return nil, err
	}
	d.current.Store(loaded)
	t, err := newTechnologies(d.Config)
	if err != nil {
		return nil, err
	}
	if err := d.openFederation(o); err != nil {
		return nil, err
	}
	if d.lock, err = lock(o.Data); err != nil {
		return nil, err
	}
	if d.ledger, err = store.Open(ctx, LedgerPath(o.Data)); err != nil {
		return nil, errors.Join(err, d.lock.Close())
	}
	if d.collateral, err = d.openCollateral(o, t.asked, loaded.endorsements); err != nil {
		return nil, errors.Join(err, d.ledger.Close(), d.lock.Close())
	}
	if err = d.prewarm(ctx, t.asked); err == nil {
		err = d.assemble(ctx, o, t)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// assemble makes the parts from the keys up to the HTTP server. The credential
// comes last: it is made only where everything else is in order.
func (d *Daemon) assemble(ctx context.Context, o Options, t *technologies) error {
	spent := &verifier.SpentSet{}
	challenges := verifier.NewChallenges(spent)
	var err error
	if d.keys, d.stores, err = d.Config.Authority.Keys.open(); err != nil {
		return err
	}
	key, err := d.tokenKey(o.Data)
	if err != nil {
		return err
	}
	enrolment, attestation, err := d.enrolment(o, t.enroller, spent)
	if err != nil {
		return err
	}
	credentialDigest, credential, err := openAdmin(o.Data)
	if err != nil {
		return err
	}
	d.administrators, err = admin.Open(admin.Options{
		Dir: filepath.Join(o.Data, admin.DirName), TrustDomain: d.Config.TrustDomain, Config: d.Config.Admin, BootstrapDigest: credentialDigest,
		Now: o.Now,
	})
	if err != nil {
		return err
	}
	if err := d.openPolicies(ctx); err != nil {
		return err
	}
	reserved := append(d.administrators.Keys(), key.Public())
	var enrolled []tee.Anchor
	if d.enrols = attestation != nil; d.enrols {
		reserved, enrolled = append(reserved, attestation.Keys()...), attestation.Anchors()
	}
	all, err := t.verifiers(enrolled)
	if err != nil {
		return err
	}
	v, err := d.verifier(all, challenges)
	if err != nil {
		return err
	}
	if err := d.openAuthority(ctx, o, reserved); err != nil {
		return err
	}
	if d.certificates, err = d.authority.ServerCertificates(d.Config.TLSNames); err != nil {
		return err
	}
	d.issuer, err = tokens.NewIssuer(tokens.Config{
		Key: key, Issuer: d.authority.ServiceID(), Build: o.Version, CompatibleNames: d.Config.Tokens.CompatibleNames, Now: o.Now,
	})
	if err != nil {
		return err
	}
	svids, err := tokens.NewSVIDIssuer(tokens.SVIDConfig{TrustDomain: d.Config.TrustDomain, Key: d.authority.JWTKey, Now: o.Now})
	if err != nil {
		return err
	}
	if d.revocations, err = revocation.New(ctx, d.ledger, d.authority, d.now); err != nil {
		return err
	}
	sweeper := d.openContinuous(v)
	d.server, err = server.New(server.Config{
		Appraiser: v, Challenger: challenges, Authority: d.authority, Tokens: d.issuer, JWTSVIDs: svids, Federation: d.federation, Ledger: d.ledger,
		Records: d.ledger, Policies: d.policies, Administrators: d.administrators,
		Revocations: d.revocations, Continuous: sweeper, CanIssue: d.canIssue, TrustDomain: d.Config.TrustDomain,
		SimulatedAccepted: d.Config.Simulated.Accept, Version: o.Version, Endorser: d.collateral, Enrolment: enrolment,
		Reloader:    d,
		Collectors:  []prometheus.Collector{collateralMetrics{d.collateral}, authorityMetrics{d.authority, d.revocations}, continuousMetrics{sweeper}},
		Concurrency: d.Config.Limits.ConcurrentAppraisals, Logger: o.Logger, Now: o.Now,
	})
	if err != nil {
		return err
	}
	if err := d.note(ctx, d.own("start"), d.current.Load(), d.policies.Set()); err != nil || credential == "" {
		return err
	}
	d.AdminCredential = credential
	return keepAdmin(o.Data, credentialDigest)
}

func (d *Daemon) verifier(all []tee.Verifier, challenges *verifier.Challenges) (*verifier.Verifier, error) {
	return verifier.New(verifier.Config{
		Technologies: all, TrustDomain: d.Config.TrustDomain, Challenges: challenges,
		Policies:        d.policies.Set,
		Endorsements:    d.endorsements,
		Pooled:          true,
		AcceptSimulated: d.Config.Simulated.Accept,
		KeyStates:       d.ledger,
		Now:             d.now,
	})
}

// openPolicies finds out which policy set is in force.
func (d *Daemon) openPolicies(ctx context.Context) error {
	ignored := false
	var err error
	d.policies, ignored, err = inforce.Open(ctx, inforce.Config{
		Ledger: d.ledger, Mode: d.mode, Files: d.current.Load().files, Reading: d.reading, Approvals: d.administrators.Approvals(),
		Revoked:     d.administrators.Revoked,
		TrustDomain: d.Config.TrustDomain, SimulatedAccepted: d.Config.Simulated.Accept, Revokes: d.Config.ContinuousTrust.mode() == continuous.Revoke, Now: d.now,
	})
	if ignored {
		d.logger.Warn("the files in the policy folder are not used: administrators have applied a policy set", "policies", d.Config.Policies)
	}
	if err != nil {
		return err
	}
	if cause := d.policies.Unwatched(); cause != nil {
		d.logger.Warn("the shadow set is not tried: it does not load any more; set it anew", "cause", cause, "code", evidence.CodeOf(cause).String())
	}
	return nil
}

// canIssue tries: it makes a certificate for the service itself and drops it.
func (d *Daemon) canIssue() error {
	_, err := d.authority.ServerCertificate(d.Config.TLSNames)
	return err
}

// Serve answers requests on listener until ctx ends; then it lets those that it
// is handling finish, and returns nil.
func (d *Daemon) Serve(ctx context.Context, listener net.Listener) error {
	refresh, stop := context.WithCancel(ctx)
	var refreshing sync.WaitGroup
	refreshing.Go(func() { d.collateral.Run(refresh) })
	refreshing.Go(func() { d.watchAuthority(refresh) })
	refreshing.Go(func() { d.federation.Run(refresh) })
	refreshing.Go(func() { d.continuous.Load().Run(refresh) })
	defer refreshing.Wait()
	defer stop()
	secure := d.server.HTTP(&tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: d.certificates.Get, Time: d.now})
	running := []*http.Server{secure}
	ended := make(chan error, 2)
	go func() { ended <- secure.ServeTLS(listener, "", "") }()
	if d.publication != nil {
		plain := d.server.Publication()
		running = append(running, plain)
		go func() { ended <- plain.Serve(d.publication) }()
	}
	return serving(ctx, running, ended)
}

// serving waits until ctx ends, or one of the servers, and then lets all of them finish what
// they are handling.
func serving(ctx context.Context, running []*http.Server, ended <-chan error) (err error) {
	left := len(running)
	select {
	case err = <-ended:
		left--
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	stopped := make(chan error, len(running))
	for _, s := range running { // all at once: none keeps its port for another
		go func() {
			failed := s.Shutdown(drain)
			if failed != nil {
				failed = errors.Join(failed, s.Close())
			}
			stopped <- failed
		}()
	}
	for range running {
		err = errors.Join(err, <-stopped)
	}
	for range left {
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
	}
	return err
}

// Close closes the ledger, once everything that waits is committed, and lets go
// of the data directory.
func (d *Daemon) Close() error {
	err := errors.Join(d.collateral.Close(), d.ledger.Close(), d.lock.Close())
	if d.stores != nil {
		err = errors.Join(err, d.stores.Close())
	}
	return err
}

// RootPEM is the root under which clients authenticate the service.
func (d *Daemon) RootPEM() []byte { return d.authority.RootPEM() }

// Workloads lists the workloads of the policy in force.
func (d *Daemon) Workloads() []string { return d.policies.Set().Workloads() }

// FilesDecide says that the configuration names the policy's files, and administrators
// cannot apply a set.
func (d *Daemon) FilesDecide() bool { return d.mode == inforce.ByFiles }

// PolicyApplied says that the policy in force was applied by administrators.
func (d *Daemon) PolicyApplied() bool { return d.policies.Active().Applied != nil }

// Enrols says whether TPMs can be enrolled.
func (d *Daemon) Enrols() bool { return d.enrols }

// Endorsements is the number of endorsements at hand.
func (d *Daemon) Endorsements() int { return d.endorsements().Len() }

// Unrecognised lists files among the endorsements that could not be used, with
// the reason.
func (d *Daemon) Unrecognised() []string { return d.current.Load().unrecognised() }
