// Package lab runs a real service that trusts a simulated world: its keys,
// database and certificate authority are those of the product, only the machines
// and vendors are made up. Programs and tests use it alike.
//
// Start at [Open]. [Lab.World] makes machines, [Lab.Grant] gives them identities,
// [Lab.Client] attests for them:
//
//	l, err := lab.Open(ctx, lab.Options{Seed: "example", Dir: dir})
//	defer l.Close()
//	err = l.Grant(ctx, policies.File{Name: "web.yaml", Data: workload})
//	c, err := l.Client()
//	identity, err := c.Attest(ctx, machine, key, client.AttestOptions{})
package lab

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"sync"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/vendors"
	"github.com/quotary/quotary/tee"
)

// DefaultTrustDomain is a name that nobody can own (RFC 6761).
const DefaultTrustDomain = "sim.test"

// Options say what to open. All but Dir may be left out.
type Options struct {
	// Seed is what the world is made of. The same seed makes the same one.
	Seed string
	// World is a world that was made before, in place of Seed: making one takes about a
	// second. Its clock should be that of Clock.
	World *simulators.World
	// Dir is for the service's files. It is made if it is not there; the caller removes it.
	Dir string
	// TrustDomain defaults to [DefaultTrustDomain].
	TrustDomain string
	// Listen is where the service listens. Defaults to a free port of 127.0.0.1.
	Listen string
	// Clock is the clock of world, vendors and service. Defaults to one that shows the
	// real time.
	Clock *Clock
	// Fetch has the service fetch endorsements from the simulated vendors over HTTP, as
	// far as a vendor's service hands them out. Otherwise it gets them as files.
	Fetch bool
	// Vendors, if set, is called before the service starts, which fetches at once: to
	// inject faults.
	Vendors func(*vendors.Server) error
	// Documents are the policy set to begin with.
	Documents []policies.File
	// Configure has the last word on the service's configuration; nil for none.
	Configure func(*daemon.Config)
	// Logger takes the service's log; nil for none.
	Logger *slog.Logger
}

// Lab is a running service in a simulated world. It is safe for concurrent use.
type Lab struct {
	options Options
	files   Files
	world   *simulators.World
	vendors *vendors.Server
	served  *served         // the vendors
	life    context.Context // of the service, restarts included
	socket  *socket

	mu         sync.Mutex // guards what follows; one change at a time
	service    *service
	folder     bool   // the service reads the lab's folder of policies
	credential string // of the first administrator
}

// Open makes the world, unless it is given, writes what the service needs, and
// starts it. Close it afterwards, also where ctx, which the service ends with, is over.
func Open(ctx context.Context, o Options) (*Lab, error) {
	o.TrustDomain = cmp.Or(o.TrustDomain, DefaultTrustDomain)
	o.Listen = cmp.Or(o.Listen, "127.0.0.1:0")
	if o.Dir == "" {
		return nil, errors.New("lab: a directory for the service's files is needed")
	}
	if o.Clock == nil {
		o.Clock = &Clock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Lab{options: o, files: Files(o.Dir), world: o.World, life: ctx}
	var err error
	if l.world == nil {
		if l.world, err = simulators.NewMoving(o.Seed, o.Clock.Now); err != nil {
			return nil, err
		}
	}
	l.vendors = vendors.New(l.world)
	if o.Vendors != nil {
		if err := o.Vendors(l.vendors); err != nil {
			return nil, err
		}
	}
	if err := l.prepare(); err != nil {
		return nil, err
	}
	if l.served, err = serve(ctx, l.vendors); err != nil {
		return nil, err
	}
	if l.socket, err = listen(ctx, o.Listen); err != nil {
		return nil, errors.Join(err, l.served.close())
	}
	if err := l.start(); err != nil {
		return nil, errors.Join(err, l.socket.close(), l.served.close())
	}
	return l, nil
}

// prepare writes everything that the service reads when it starts.
func (l *Lab) prepare() error {
	if err := l.files.make(); err != nil {
		return err
	}
	if err := l.files.writePolicies(l.options.Documents); err != nil {
		return err
	}
	if l.options.Fetch {
		return l.publish(l.vendors.TPM)
	}
	return l.publish(l.vendors.Endorsements)
}

// publish writes what the vendors publish now, for the service to read.
func (l *Lab) publish(what func() (*tee.Endorsements, error)) error {
	published, err := what()
	if err != nil {
		return err
	}
	return l.files.writeEndorsements(published)
}

// start starts the service.
func (l *Lab) start() error {
	if err := l.files.writeRoots(l.world); err != nil {
		return err
	}
	o := l.daemonOptions()
	l.folder = slices.Contains(o.Config.Policies, l.files.Policies())
	s, err := startService(l.life, o, l.socket)
	if err != nil {
		return err
	}
	l.service, l.credential = s, cmp.Or(s.AdminCredential, l.credential)
	return nil
}

func (l *Lab) daemonOptions() daemon.Options {
	config := daemon.Config{
		TrustDomain: l.options.TrustDomain, Listen: l.socket.address,
		Policies: []string{l.files.Policies()}, Endorsements: []string{l.files.Endorsements()},
		Vendors:   daemon.Vendors{Offline: true},
		Simulated: daemon.Simulated{Accept: true, Roots: []string{l.files.Roots()}},
	}
	if l.options.Fetch {
		urls := l.VendorURLs()
		config.Vendors = daemon.Vendors{AMDKDS: urls[vendors.AMDKDS], IntelPCS: urls[vendors.IntelPCS], IntelRoot: urls[vendors.IntelRoot]}
	}
	if l.options.Configure != nil {
		l.options.Configure(&config)
	}
	return daemon.Options{Data: l.files.Data(), Config: config, Version: "lab", Logger: l.options.Logger, Now: l.options.Clock.Now}
}

// World is where the machines come from.
func (l *Lab) World() *simulators.World { return l.world }

// Vendors are the services of the world's vendors, and what can go wrong with them.
func (l *Lab) Vendors() *vendors.Server { return l.vendors }

// VendorURLs says where these services are.
func (l *Lab) VendorURLs() vendors.URLs { return vendors.At(l.served.url) }

// Clock is the clock of world, vendors and service.
func (l *Lab) Clock() *Clock { return l.options.Clock }

// TrustDomain is the service's.
func (l *Lab) TrustDomain() string { return l.options.TrustDomain }

// Files says where the service's files are.
func (l *Lab) Files() Files { return l.files }

// URL is the service's address.
func (l *Lab) URL() string { return "https://" + l.socket.address }

// Service is the service itself. A restart makes another one.
func (l *Lab) Service() *daemon.Daemon {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.service.Daemon
}

// RootPEM is the root of the service's authority.
func (l *Lab) RootPEM() []byte { return l.Service().RootPEM() }

// Roots are a pool of that root alone.
func (l *Lab) Roots() (*x509.CertPool, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(l.RootPEM()) {
		return nil, errors.New("lab: the service has no root")
	}
	return roots, nil
}

// Client returns a client of the service. Close it afterwards.
func (l *Lab) Client() (*client.Client, error) {
	roots, err := l.Roots()
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{URL: l.URL(), TrustDomain: l.TrustDomain(), Roots: roots, Now: l.options.Clock.Now})
}

// Admin returns a client of the first administrator. Where the directory was used
// before there is none: the service shows the credential once. Close it afterwards.
func (l *Lab) Admin() (*admin.Client, error) {
	roots, err := l.Roots()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	credential := l.credential
	l.mu.Unlock()
	if credential == "" {
		return nil, errors.New("lab: the first administrator's credential was shown when this directory was new")
	}
	return admin.New(admin.Config{
		URL: l.URL(), TrustDomain: l.TrustDomain(), Roots: roots, Now: l.options.Clock.Now,
		Credential: admin.Bearer(func(context.Context) (string, error) { return credential, nil }),
	})
}

// Grant adds policy documents, or replaces those of the same name, and puts them in
// force. A set that the service refuses is not kept.
func (l *Lab) Grant(ctx context.Context, documents ...policies.File) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.folder {
		return errors.New("lab: the service was configured not to read the lab's policies; Admin has a client to apply others with")
	}
	before, err := policies.ReadFiles(l.files.Policies())
	if err != nil {
		return err
	}
	err = l.files.writePolicies(documents)
	if err == nil {
		err = l.service.Reload(ctx)
	}
	if err != nil {
		return errors.Join(err, l.files.resetPolicies(before))
	}
	return nil
}

// Refresh hands the service what the vendors publish now, as files: for machines that
// were made since, and after what was revoked or has expired. A service that fetches
// need not wait for its next look then.
func (l *Lab) Refresh(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.publish(l.vendors.Endorsements); err != nil {
		return err
	}
	return l.service.Reload(ctx)
}

// Restart stops the service and starts it again, on the same files and address. It
// trusts all roots of the world then, those of product lines made since included.
// There is no context: the service's is that of [Open].
func (l *Lab) Restart() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.service.stop(); err != nil {
		return err
	}
	return l.start()
}

// Close stops the service, once it answered what it has begun, and the vendors.
func (l *Lab) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.service.stop(), l.socket.close(), l.served.close())
}
