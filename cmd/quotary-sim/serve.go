package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/control"
	"github.com/quotary/quotary/simulators/fleet"
	"github.com/quotary/quotary/simulators/lab"
	"github.com/quotary/quotary/simulators/machines"
	"github.com/quotary/quotary/simulators/vendors"
)

const serveHelp = `  quotary-sim serve --dir DIR [--seed SEED] [--machine FILE]…
                    [--listen ADDRESS] [--control-listen ADDRESS]
                    [--vendors-listen ADDRESS] [--socket DIR]
                    [--trust-domain NAME] [--env FILE] [--with-service=false]

serve runs a simulated world until it is interrupted: the vendors' services over
HTTP, machines that are steered over HTTP, and a service that trusts them and
grants each machine the identity of its name. docs/ci.md shows it in use
and has the paths. Whoever reaches the control interface owns the
machines: leave it on loopback.
  --dir DIR                 where the service has its files; made if it is not there
  --seed SEED               what the world is made of (default: at random)
  --machine FILE            a machine to begin with, YAML or JSON; may be repeated
  --listen ADDRESS          the service (default 127.0.0.1:8443)
  --control-listen ADDRESS  the control interface (default 127.0.0.1:8090)
  --vendors-listen ADDRESS  the vendors' services (default 127.0.0.1:8091)
  --socket DIR              a SPIFFE Workload API for each machine: DIR/NAME.sock
  --trust-domain NAME       the service's trust domain (default ` + lab.DefaultTrustDomain + `)
  --env FILE                written once all is ready: where everything is, for a shell
  --with-service=false      no service: what yours needs is written to --dir

Examples:
  quotary-sim serve --dir ./sim
  quotary-sim serve --dir ./sim --seed mine --machine web.yaml --machine db.yaml
  quotary-sim serve --dir ./sim --control-listen 127.0.0.1:0 --env ./sim.env
  quotary-sim serve --dir ./sim --with-service=false
`

// serving is what to serve, and where.
type serving struct {
	dir, seed, listen, controlAt, vendorsAt, sockets, trustDomain, env string

	machines    []string
	withService bool
}

func parseServe(args []string) (o serving, err error) {
	flags := newFlags("serve")
	flags.StringVar(&o.dir, "dir", "", "")
	flags.StringVar(&o.seed, "seed", "", "")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8443", "")
	flags.StringVar(&o.controlAt, "control-listen", "127.0.0.1:8090", "")
	flags.StringVar(&o.vendorsAt, "vendors-listen", "127.0.0.1:8091", "")
	flags.StringVar(&o.sockets, "socket", "", "")
	flags.StringVar(&o.trustDomain, "trust-domain", lab.DefaultTrustDomain, "")
	flags.StringVar(&o.env, "env", "", "")
	flags.BoolVar(&o.withService, "with-service", true, "")
	flags.Func("machine", "", func(file string) error {
		o.machines = append(o.machines, file)
		return nil
	})
	if err := parse(flags, args); err != nil {
		return o, err
	}
	if o.dir == "" {
		return o, errors.New("--dir is needed: where the service has its files")
	}
	if o.sockets != "" && !o.withService {
		return o, errors.New("--socket hands out what the service grants; it goes with a service alone")
	}
	if o.seed == "" {
		o.seed = rand.Text()
	}
	return o, nil
}

// serve is the command of that name.
func serve(ctx context.Context, args []string, s streams) error {
	o, err := parseServe(args)
	if err != nil {
		return err
	}
	specs, err := readMachines(o.machines)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := o.open(ctx)
	if err != nil {
		return err
	}
	if err := w.begin(ctx, specs); err != nil {
		return errors.Join(err, w.close())
	}
	return errors.Join(w.run(ctx, o, s.out), w.close())
}

// readMachines reads descriptions, and the files that they name.
func readMachines(names []string) ([]machines.Spec, error) {
	var all []machines.Spec
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		spec, err := machines.Parse(name, data)
		if err == nil {
			spec, err = spec.Load(beside(name))
		}
		if err != nil {
			return nil, err
		}
		all = append(all, spec)
	}
	return all, nil
}

// served is a world that is served.
type served struct {
	fleet   *fleet.Fleet
	vendors *vendors.Server
	clock   *lab.Clock
	host    control.Host
	lab     *lab.Lab // nil without a service
	agents  *sockets // nil without sockets
}

// open makes the world, and starts the service.
func (o serving) open(ctx context.Context) (*served, error) {
	w := &served{clock: &lab.Clock{}}
	world, err := simulators.NewMoving(o.seed, w.clock.Now)
	if err != nil {
		return nil, err
	}
	w.fleet = fleet.New(world)
	if o.withService {
		if w.lab, err = lab.Open(ctx, lab.Options{World: world, Clock: w.clock, Dir: o.dir, Listen: o.listen, TrustDomain: o.trustDomain}); err != nil {
			return nil, elsewhereIfTaken(err)
		}
		w.vendors, w.host = w.lab.Vendors(), control.InProcess(w.lab)
	} else {
		w.vendors = vendors.New(world)
		w.host = control.Elsewhere(world, w.vendors, lab.Files(o.dir), o.trustDomain)
	}
	w.fleet.Use(w.vendors)
	if o.sockets != "" {
		if w.agents, err = newSockets(ctx, o.sockets, w); err != nil {
			return nil, errors.Join(err, w.close())
		}
	}
	return w, nil
}

// begin makes the machines to begin with.
func (w *served) begin(ctx context.Context, specs []machines.Spec) error {
	for _, spec := range specs {
		if _, err := w.fleet.Add(spec); err != nil {
			return err
		}
	}
	if err := w.host.Admit(ctx, w.fleet.All()...); err != nil || w.agents == nil {
		return err
	}
	for _, m := range w.fleet.All() {
		if err := w.agents.add(m); err != nil {
			return err
		}
	}
	return nil
}

func (w *served) close() error {
	var err error
	if w.agents != nil {
		err = w.agents.close()
	}
	err = errors.Join(err, w.fleet.Close())
	if w.lab != nil {
		err = errors.Join(err, w.lab.Close())
	}
	return err
}

// run serves until ctx ends.
func (w *served) run(ctx context.Context, o serving, out io.Writer) error {
	var web sites
	defer web.close()
	steered := control.Options{Fleet: w.fleet, Vendors: w.vendors, Clock: w.clock, Host: w.host}
	if w.agents != nil {
		steered.Added, steered.Removed, steered.Changed = w.agents.add, w.agents.remove, w.agents.hurry
	}
	controlURL, err := web.open(ctx, o.controlAt, control.New(steered))
	if err != nil {
		return fmt.Errorf("%w; choose another address with --control-listen", err)
	}
	vendorsURL, err := web.open(ctx, o.vendorsAt, w.vendors)
	if err != nil {
		return fmt.Errorf("%w; choose another address with --vendors-listen", err)
	}
	if o.env != "" {
		if err := w.writeEnvironment(o, controlURL, vendorsURL); err != nil {
			return err
		}
	}
	w.tell(o, controlURL, vendorsURL, out)
	<-ctx.Done()
	return nil
}

// writeEnvironment writes where everything is, all at once: who waits for the file has all
// of it.
func (w *served) writeEnvironment(o serving, controlURL, vendorsURL string) error {
	values := [][2]string{{"QUOTARY_CONTROL", controlURL}, {"QUOTARY_VENDORS", vendorsURL}}
	if w.lab != nil {
		root, err := filepath.Abs(w.lab.Files().Root())
		if err != nil {
			return err
		}
		values = append(values, [2]string{"QUOTARY_URL", w.lab.URL()}, [2]string{"QUOTARY_TRUST_DOMAIN", o.trustDomain}, [2]string{"QUOTARY_ROOT", root})
	}
	var text strings.Builder
	for _, v := range values {
		fmt.Fprintf(&text, "%s='%s'\n", v[0], strings.ReplaceAll(v[1], "'", `'\''`))
	}
	draft := o.env + ".new"
	if err := os.WriteFile(draft, []byte(text.String()), 0o644); err != nil {
		return err
	}
	return os.Rename(draft, o.env)
}

// tell says what is where.
func (w *served) tell(o serving, controlURL, vendorsURL string, out io.Writer) {
	fmt.Fprintf(out, "a SIMULATED world of the seed %s; it proves nothing to anybody\n", o.seed)
	if w.lab != nil {
		fmt.Fprintf(out, "service:  %s, trust domain %s, root in %s\n", w.lab.URL(), o.trustDomain, w.lab.Files().Root())
	} else {
		fmt.Fprintf(out, "no service: roots, endorsements and policies for yours are in %s\n", o.dir)
	}
	fmt.Fprintf(out, "control:  %s/v1/machines\n", controlURL)
	for _, name := range vendors.Services() {
		fmt.Fprintf(out, "vendor:   %s\n", vendors.At(vendorsURL)[name])
	}
	for _, m := range w.fleet.All() {
		fmt.Fprintf(out, "machine:  %s, %s\n", m.Name(), m.Spec().Technology)
	}
	if w.agents != nil {
		fmt.Fprintf(out, "sockets:  unix://%s\n", filepath.Join(w.agents.dir, "NAME.sock"))
	}
	fmt.Fprintln(out, "ready; Ctrl-C ends it")
}

// headerTimeout bounds how long a client may take for a request's header; it is on
// this machine.
const headerTimeout = 10 * time.Second

// sites are HTTP servers that end together.
type sites struct{ servers []*http.Server }

// open serves at an address, and returns its URL.
func (s *sites) open(ctx context.Context, address string, handler http.Handler) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout, ErrorLog: log.New(io.Discard, "", 0)}
	s.servers = append(s.servers, server)
	go server.Serve(listener)
	return "http://" + listener.Addr().String(), nil
}

func (s *sites) close() {
	for _, server := range s.servers {
		server.Close()
	}
}
