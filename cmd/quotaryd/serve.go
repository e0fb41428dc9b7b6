package main

import (
	"context"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/quotary/quotary/internal/daemon"
)

// serve runs the service until a signal ends it. What people need to know goes
// to stdout; the log, one JSON object a line, to stderr.
func serve(args []string, stdout, stderr io.Writer) (err error) {
	var data, config, listen string
	fs := flag.NewFlagSet("serve", flag.ContinueOnError)
	fs.StringVar(&data, "data", "", "")
	fs.StringVar(&config, "config", "", "")
	fs.StringVar(&listen, "listen", "", "")
	if err := parse(fs, args, &data); err != nil {
		return err
	}
	o := daemon.Options{Data: data, Version: buildVersion(), Logger: slog.New(slog.NewJSONHandler(stderr, nil))}
	if config != "" {
		if o.Config, err = daemon.ReadConfig(config); err != nil {
			return err
		}
	}
	if listen != "" {
		o.Config.Listen = listen
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// The port comes first: where it is taken, nothing is made.
	address, err := o.Config.Address()
	if err != nil {
		return err
	}
	var listening net.ListenConfig
	listener, err := listening.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("%w; choose another address with --listen", err)
	}
	defer listener.Close() // Serve closes it too, if it comes to that
	var publication net.Listener
	if at := o.Config.Publication.Listen; at != "" {
		if publication, err = listening.Listen(ctx, "tcp", at); err != nil {
			return fmt.Errorf("%w; configure another address as publication.listen", err)
		}
		defer publication.Close()
	}
	// A SIGHUP while the service starts waits for it; unheard it would end the process.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	// A signal does not break off the start, which takes a moment; it ends Serve.
	d, err := daemon.Open(context.WithoutCancel(ctx), o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if d.AdminCredential != "" {
		fmt.Fprint(stdout, credentialText(d, data))
	}
	if publication != nil {
		d.Publish(publication)
	}
	fmt.Fprint(stdout, startText(d, listener.Addr(), publication))
	warn(d, o.Logger)
	defer reloadOn(ctx, hangup, d, o.Logger)()
	return d.Serve(ctx, listener)
}

// reloadOn reloads at each signal until ctx ends or the returned function is called.
func reloadOn(ctx context.Context, hangup <-chan os.Signal, d *daemon.Daemon, logger *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-hangup:
				if err := d.Reload(ctx); err != nil {
					logger.Error("reload failed; what was in force stays so", "cause", err.Error())
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// warn logs what an operator should not overlook.
func warn(d *daemon.Daemon, logger *slog.Logger) {
	if d.Config.Simulated.Accept {
		logger.Warn("SIMULATED EVIDENCE IS ACCEPTED: nothing that this service issues proves anything")
	}
	if !d.Config.Loopback() {
		logger.Warn("the service can be reached from other machines", "listen", d.Config.Listen)
	}
	for _, file := range d.Unrecognised() {
		logger.Warn("a file among the endorsements is not used", "file", file)
	}
}

// credentialText is shown once in the life of a data directory.
func credentialText(d *daemon.Daemon, data string) string {
	var b strings.Builder
	if d.FirstStart {
		fmt.Fprintf(&b, "This is the first start with %s. Made there:\n\n", data)
		made := [][2]string{
			{"ca/", "the authority of trust domain " + d.Config.TrustDomain + " (root.key may be kept elsewhere)"},
			{"token.key", "the key that signs tokens"},
			{"quotary.db", "the ledger: issuances and the audit trail"},
			{"admin-ca/", "the authority of administrators' certificates (quotaryd admin issue)"},
			{"admin.sha256", "the digest of the administrator's credential"},
			{"policies/", "policy documents that count until a set is applied (quotary policy apply)"},
			{"endorsements/", "for the vendors' certificates, CRLs and collateral"},
		}
		if d.Enrols() {
			made = append(made, [2]string{"attestation-ca/", "the authorities of TPMs' attestation keys"})
		}
		for _, line := range made {
			fmt.Fprintf(&b, "  %-15s %s\n", line[0], line[1])
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "The administrator's credential, shown only now:\n\n  %s\n\n", d.AdminCredential)
	return b.String()
}

// startText is shown at every start.
func startText(d *daemon.Daemon, address net.Addr, publication net.Listener) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Quotary serves %s at https://%s\n", d.Config.TrustDomain, address)
	if block, _ := pem.Decode(d.RootPEM()); block != nil {
		fmt.Fprintf(&b, "  root          SHA-256 %x\n", sha256.Sum256(block.Bytes))
	}
	fmt.Fprintf(&b, "  policy        %s\n", policyText(d))
	fmt.Fprintf(&b, "  endorsements  %d\n", d.Endorsements())
	if d.Enrols() {
		b.WriteString("  enrolment     of TPMs whose endorsement keys are trusted (tpm.enrolment)\n")
	}
	if publication != nil {
		fmt.Fprintf(&b, "  publication   http://%s: revocation lists and OCSP\n", publication.Addr())
	}
	if d.Config.Simulated.Accept {
		b.WriteString("\n  SIMULATED EVIDENCE IS ACCEPTED. Nothing that this service issues proves anything.\n")
	}
	return b.String()
}

func policyText(d *daemon.Daemon) string {
	names := d.Workloads()
	if len(names) == 0 {
		return "none: every attestation is refused; " + firstPolicy(d)
	}
	return strings.Join(names, ", ")
}

// firstPolicy says how there comes to be one, which depends on who decides.
func firstPolicy(d *daemon.Daemon) string {
	const reload = "have them read (quotary reload, or SIGHUP)"
	files := strings.Join(cleaned(d.Config.Policies), ", ")
	switch {
	case d.FilesDecide():
		return fmt.Sprintf("put documents into %s and %s", files, reload)
	case d.PolicyApplied():
		return "apply another set (quotary policy apply)"
	}
	return fmt.Sprintf("apply a set (quotary policy apply), or put documents into %s and %s", files, reload)
}

func cleaned(paths []string) []string {
	out := make([]string, len(paths))
	for i, path := range paths {
		out[i] = filepath.Clean(path)
	}
	return out
}
