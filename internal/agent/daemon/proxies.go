package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/quotary/quotary/client/authorize"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent/authz"
	"github.com/quotary/quotary/internal/agent/endpoint"
	"github.com/quotary/quotary/internal/agent/trust"
)

// Authorization says whom proxies on the machine may let in (docs/authorization.md).
type Authorization struct {
	// Listen is "unix:PATH", or an address and port of the machine itself; without one no
	// proxy is answered.
	Listen string `yaml:"listen"`
	// AllowUsers are the names or numbers of the users who may ask at a Unix socket, besides
	// root and the agent's own; "*" stands for all.
	AllowUsers []string `yaml:"allow_users"`
	// MaxAge is how old trust bundle and revocations may be. Defaults to an hour.
	MaxAge time.Duration `yaml:"max_age"`
	// Rules say who may; the first that a request matches decides.
	Rules []authorize.Rule `yaml:"rules"`
}

// unixPrefix begins the name of a Unix socket.
const unixPrefix = "unix:"

// proxies are what answers them, and where.
type proxies struct {
	*authz.Service
	socket  *endpoint.Config // nil for address
	address string
	logger  *slog.Logger
}

func (d *Daemon) openProxies() (err error) {
	if a := d.options.Config.Authorization; a.given() {
		d.proxies, err = a.open(d.trust, d.options.Logger)
	}
	return err
}

// given reports whether the configuration has the section.
func (a Authorization) given() bool { return a.Listen != "" || len(a.Rules) > 0 }

// open checks the section. Nothing is listened at yet.
func (a Authorization) open(t *trust.Trust, logger *slog.Logger) (*proxies, error) {
	p := &proxies{address: a.Listen, logger: logger}
	var err error
	p.Service, err = authz.New(authz.Config{Rules: a.Rules, MaxAge: a.MaxAge, Trust: t, Logger: logger})
	var coded *evidence.Error
	if errors.As(err, &coded) {
		return nil, malformed("authorization."+coded.Field, "%s", coded.Detail)
	} else if err != nil {
		return nil, err
	}
	path, ok := strings.CutPrefix(a.Listen, unixPrefix)
	if ok && path != "" {
		p.socket = &endpoint.Config{Path: path, Logger: logger}
		p.socket.Allowed, p.socket.Everybody, err = users("authorization.allow_users", a.AllowUsers)
		return p, err
	}
	host, _, err := net.SplitHostPort(a.Listen)
	if err != nil || !net.ParseIP(host).IsLoopback() {
		return nil, malformed("authorization.listen", "%q is neither unix:PATH nor an address and port that only this machine reaches, such as 127.0.0.1:9190", a.Listen)
	}
	if len(a.AllowUsers) > 0 {
		return nil, malformed("authorization.allow_users", "who asks at %s cannot be told; listen at unix:PATH", a.Listen)
	}
	return p, nil
}

// serve begins to answer, and to learn what answers rest on.
func (p *proxies) serve(ctx context.Context, group *errgroup.Group) error {
	listener, err := p.listen(ctx)
	if err != nil {
		return err
	}
	p.logger.Info("proxies are answered", "address", listener.Addr().String())
	group.Go(func() error { p.Run(ctx); return nil })
	group.Go(func() error { return p.Serve(ctx, listener) })
	return nil
}

func (p *proxies) listen(ctx context.Context) (net.Listener, error) {
	if p.socket != nil {
		return endpoint.ListenAdmitted(*p.socket)
	}
	p.logger.Warn("every user of this machine can ask what proxies ask; a Unix socket tells users apart", "address", p.address)
	var listening net.ListenConfig
	return listening.Listen(ctx, "tcp", p.address)
}

// Gateway answers proxies on a machine that is not attested.
type Gateway struct {
	options Options
	trust   *trust.Trust
	proxies *proxies
}

// OpenGateway checks the configuration, of which it needs Service and Authorization, and reads
// what it names. Nothing is asked yet.
func OpenGateway(o Options) (*Gateway, error) {
	g := &Gateway{options: o}
	if !o.Config.Authorization.given() {
		return nil, malformed("authorization", "what is to be decided? docs/authorization.md has this section of the configuration")
	}
	var err error
	if g.trust, err = o.Config.Service.open(o.Logger); err != nil {
		return nil, err
	}
	g.proxies, err = o.Config.Authorization.open(g.trust, o.Logger)
	return g, err
}

// Run answers until ctx ends or a part cannot go on.
func (g *Gateway) Run(ctx context.Context) error {
	defer g.trust.Close()
	group, ctx := errgroup.WithContext(ctx)
	err := g.proxies.serve(ctx, group)
	if err == nil {
		err = g.options.Config.Metrics.serve(ctx, group, g.health, g.options.Logger, g.proxies.Service)
	}
	if err != nil {
		group.Go(func() error { return err }) // which ends what was begun
	}
	return group.Wait()
}

// health is whether decisions rest on something.
func (g *Gateway) health() (bool, string) {
	if g.proxies.Ready() {
		return true, "proxies are answered"
	}
	return false, "all requests are denied: neither trust bundle nor revocations are known yet"
}
