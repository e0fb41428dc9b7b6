package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/simulators/lab"
)

// tale is a demonstration that is under way.
type tale struct {
	story
	dir       string
	lab       *lab.Lab
	workloads []workload
	client    *client.Client
	// identities are what the workloads were granted, in their order.
	identities []*client.Identity
}

const demoHelp = `  quotary-sim demo [--serve] [--listen ADDRESS] [--dir DIR]

demo starts a service that trusts simulated vendors, lets an SEV-SNP, a TDX and
a TPM machine attest to it over HTTPS, lets two of them talk over mutual TLS,
shows how a tampered machine is refused, and verifies real evidence offline.
  --serve           keep the service running afterwards, until interrupted
  --listen ADDRESS  where the service listens (default 127.0.0.1:0, a free port)
  --dir DIR         where it keeps its data (default: a new directory, removed
                    at the end unless --serve is given)

Examples:
  quotary-sim demo
  quotary-sim demo --serve --listen 127.0.0.1:8443
`

// demo is the command of that name.
func demo(ctx context.Context, args []string, s streams) error {
	flags := newFlags("demo")
	serve := flags.Bool("serve", false, "")
	listen := flags.String("listen", "127.0.0.1:0", "")
	dir := flags.String("dir", "", "")
	if err := parse(flags, args); err != nil {
		return err
	}
	t := &tale{story: story{out: s.out}, dir: *dir}
	if t.dir == "" {
		made, err := os.MkdirTemp("", "quotary-demo-")
		if err != nil {
			return err
		}
		t.dir = made
		if !*serve {
			defer os.RemoveAll(made)
		}
	}
	return t.tell(ctx, *listen, *serve)
}

// tell tells the whole tale.
func (t *tale) tell(ctx context.Context, listen string, serve bool) (err error) {
	begun := time.Now()
	fmt.Fprintln(t.out, "Quotary: identity for machines that prove what they are.")
	fmt.Fprintln(t.out, "Everything below is real but the machines: they are SIMULATED.")
	if err := t.openService(ctx, listen); err != nil {
		return err
	}
	defer func() {
		if stopped := t.lab.Close(); err == nil {
			err = stopped
		}
	}()
	defer t.client.Close()
	for _, step := range []func(context.Context) error{t.attestAll, t.talk, t.tamper, t.verifyRealEvidence, t.keepEvidence} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	t.whatNext(serve, time.Since(begun))
	if serve {
		<-ctx.Done()
	}
	return nil
}

// openService makes the vendors and machines and starts the service.
func (t *tale) openService(ctx context.Context, listen string) error {
	t.begin("A service", "It runs in this process, with its own keys, database and certificate authority, and listens on this machine alone. It trusts the simulated vendors' roots because its configuration and the workloads' policies both say so.")
	var err error
	if t.lab, t.workloads, err = openLab(ctx, t.dir, listen); err != nil {
		return err
	}
	if t.client, err = t.lab.Client(); err != nil {
		return errors.Join(err, t.lab.Close())
	}
	t.fact("address", "%s (TLS 1.3, certificate of its own authority)", t.lab.URL())
	t.fact("trust domain", "%s", trustDomain)
	t.fact("endorsements", "%d certificates, revocation lists and documents", t.lab.Service().Endorsements())
	t.fact("workloads", "%v", t.lab.Service().Workloads())
	return nil
}

// attestAll lets every machine prove itself.
func (t *tale) attestAll(ctx context.Context) error {
	about := "The machine makes a key, takes a challenge, and puts both into the evidence that its hardware signs. The service verifies the evidence and only then certifies the key, under the name that its policy gives."
	for _, w := range t.workloads {
		t.begin(fmt.Sprintf("%s, %s, attests", w.name, w.title), about)
		identity, err := attest(ctx, t.client, w)
		if err != nil {
			return unexpected{fmt.Errorf("%s was refused: %w", w.name, err)}
		}
		t.identities = append(t.identities, identity)
		t.fact("identity", "%s", identity.SPIFFEID)
		t.fact("certificate", "until %s, renewed by attesting again at %s", clock(identity.NotAfter), clock(identity.RenewAt))
		t.fact("simulated", "%v, and the certificate and token say so", identity.Simulated)
		t.fact("token", "%s", clip(identity.Token.JWT, 60))
		t.fact("checks", "%d, every one reported:", len(identity.Checks))
		t.checks(identity.Checks)
		about = "As above; the evidence is of another technology."
	}
	return nil
}

// attest makes a key and has it certified.
func attest(ctx context.Context, c *client.Client, w workload) (*client.Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return c.Attest(ctx, w.machine, key, client.AttestOptions{Tokens: []client.Format{client.JWT}})
}

func clock(t time.Time) string { return t.Local().Format("15:04:05") }

// keepEvidence leaves a file of evidence of each machine, to try the command line on.
func (t *tale) keepEvidence(ctx context.Context) error {
	dir := filepath.Join(t.dir, "evidence")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, w := range t.workloads {
		bundle, err := w.machine.Attest(ctx, [64]byte{})
		if err != nil {
			return err
		}
		encoded, err := bundle.MarshalJSON()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, w.name+".json"), encoded, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// whatNext says how to go on.
func (t *tale) whatNext(serve bool, took time.Duration) {
	t.begin("What next", fmt.Sprintf("That took %.1f seconds, key generation for the simulated vendors included.", took.Seconds()))
	if !serve {
		t.line("keep the service running and look at it:")
		t.line("  go run ./cmd/quotary-sim demo --serve")
		t.line("run a service of your own, which trusts real vendors only:")
		t.line("  go run ./cmd/quotaryd serve --data ./data")
		t.line("judge evidence of your own, offline:")
		t.line("  go run ./cmd/quotary verify --help")
		return
	}
	t.line("the service runs until you press Ctrl-C. Try:")
	t.line("  curl --cacert %s %s/v1/bundle", t.lab.Files().Root(), t.lab.URL())
	t.line("  curl --cacert %s %s/metrics", t.lab.Files().Root(), t.lab.URL())
	t.line("judge a machine's evidence offline, by the same policy:")
	t.line("  go run ./cmd/quotary verify --trust %s --endorsements %s --policy %s %s",
		t.lab.Files().Roots(), t.lab.Files().Endorsements(), t.lab.Files().Policies(), filepath.Join(t.dir, "evidence", "payments.json"))
	t.line("all files are in %s", t.dir)
}
