package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/quotary/quotary/internal/agent/daemon"
	"github.com/quotary/quotary/internal/agent/notify"
)

const runHelp = `usage: quotary-agent run --config FILE

Attest, hand the identity out as the configuration says, and attest again before it
ends, until a signal ends the agent. It never gives up: without an answer the last
identity stays until it ends, with a refusal it is withdrawn at once, and in both cases
the agent asks again. Under systemd (Type=notify) it is ready when the first identity
is handed out.

  --config FILE   the configuration, in YAML (needed)

Signals: INT and TERM stop the agent; HUP has it attest now. The log, one JSON object a
line, goes to standard error.

example:
  quotary-agent run --config /etc/quotary-agent/agent.yaml

Exit code: 0 stopped by a signal; 1 could not start, or a part failed.
`

// runAgent runs the agent until a signal ends it.
func runAgent(s streams, args []string) (int, error) {
	var c common
	fs := c.flags("run")
	if err := parse(fs, args, false); err != nil {
		return exitFailed, err
	}
	notifier, err := notify.FromEnvironment(os.LookupEnv)
	if err != nil {
		return exitFailed, err
	}
	logger := jsonLog(s.err)
	d, err := c.open(logger, daemon.Options{Notifier: notifier})
	if err != nil {
		return exitFailed, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	defer hurryOnHangup(d)()
	logger.Info("the agent starts", "version", buildVersion())
	if err := d.Run(ctx); err != nil {
		return exitFailed, err
	}
	return exitDone, nil
}

// hurryOnHangup has the agent attest at each SIGHUP, until the returned function is called.
func hurryOnHangup(d *daemon.Daemon) (stop func()) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range hangup {
			d.Hurry()
		}
	}()
	return func() {
		signal.Stop(hangup)
		close(hangup)
		<-done
	}
}

const onceHelp = `usage: quotary-agent once --config FILE [--wait TIME]

Attest once, write the files that the configuration names, run their hooks, and end: for
init scripts and images that need no renewal. Nothing is served. If the service refuses
this machine, the files of an earlier identity are removed.

  --config FILE   the configuration, in YAML (needed)
  --wait TIME     for how long to ask again where nobody answers (default: 2m)

example:
  quotary-agent once --config /etc/quotary-agent/agent.yaml --wait 30s

Exit code: 0 the files are written; 2 the service refused this machine; 3 nobody answered
in time; 1 anything else.
`

// defaultWait is how long once and exec ask where nobody answers: a machine's network
// takes less to come up.
const defaultWait = 2 * time.Minute

func once(s streams, args []string) (int, error) {
	var c common
	fs := c.flags("once")
	wait := fs.Duration("wait", defaultWait, "")
	if err := parse(fs, args, false); err != nil {
		return exitFailed, err
	}
	if *wait <= 0 {
		return exitFailed, errors.New("--wait is how long to wait, such as 30s or 2m")
	}
	d, err := c.open(jsonLog(s.err), daemon.Options{})
	if err != nil {
		return exitFailed, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *wait)
	defer cancel()
	identity, err := d.Once(ctx)
	if err != nil {
		return exitOf(err), err
	}
	fmt.Fprintf(s.out, "%s until %s\n", identity.ID, identity.NotAfter.Format(time.RFC3339))
	if identity.Simulated {
		fmt.Fprintln(s.out, "SIMULATED: the identity rests on simulated evidence and proves nothing")
	}
	return exitDone, nil
}
