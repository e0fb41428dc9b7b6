package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/daemon"
	"github.com/quotary/quotary/internal/agent/notify"
)

const execHelp = `usage: quotary-agent exec --config FILE [--wait TIME] -- COMMAND [ARGUMENT]…

Run the agent and, as soon as it has an identity, a command beside it. The command finds
it by its environment:

  SPIFFE_ENDPOINT_SOCKET   the Workload API (unix:///…), if a socket is configured
  QUOTARY_DIRECTORY        the first of the configured directories with files (tls.crt,
                           tls.key, ca.crt, …), if there is one
  QUOTARY_SPIFFE_ID        who the machine is

The agent keeps the identity fresh for as long as the command runs, and ends with it.
Signals (INT, TERM, HUP, QUIT, USR1, USR2) go to the command. As the first process of a
container or machine the agent also reaps the orphans. A command is not told when its
identity is withdrawn: it watches the Workload API, or its files go.

  --config FILE   the configuration, in YAML (needed)
  --wait TIME     for how long to wait for the identity (default: 2m)

example:
  quotary-agent exec --config agent.yaml -- /usr/sbin/nginx -g 'daemon off;'

Exit code: the command's, or 128 and the number of the signal that ended it; 125 there was
no identity in time, or the agent failed; 126 the command cannot be run; 127 there is no
such command.
`

// forwarded are the signals that go to the command.
var forwarded = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2}

func execute(s streams, args []string) (int, error) {
	var c common
	fs := c.flags("exec")
	wait := fs.Duration("wait", defaultWait, "")
	if err := parse(fs, args, true); err != nil {
		return exitNoIdentity, err
	}
	if fs.NArg() == 0 || *wait <= 0 {
		return exitNoIdentity, errors.New("which command? Give it behind --; try: quotary-agent exec --help")
	}
	d, err := c.open(jsonLog(s.err), daemon.Options{})
	if err != nil {
		return exitNoIdentity, err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, forwarded...)
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	code, failed, runErr := beside(s, d, fs.Args(), signals, ended, *wait)
	cancel()
	if failed {
		return code, runErr // Run has ended
	}
	return code, errors.Join(runErr, <-ended)
}

// beside waits for the identity and runs the command; failed says that the agent ended
// meanwhile.
func beside(s streams, d *daemon.Daemon, command []string, signals <-chan os.Signal, ended <-chan error, wait time.Duration) (code int, failed bool, err error) {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	select {
	case <-d.Ready():
	case <-signals:
		return exitNoIdentity, false, errors.New("stopped before there was an identity")
	case <-timeout.C:
		return exitNoIdentity, false, fmt.Errorf("there is no identity after %s: %s", wait, why(d))
	case err := <-ended:
		return exitNoIdentity, true, fmt.Errorf("the agent ended: %w", err)
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return notRun(err), false, err
	}
	cmd := exec.Command(path, command[1:]...)
	cmd.Args[0] = command[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, s.out, s.err
	cmd.Env = append(environ(notify.Variables()), d.Environment()...)
	if err := cmd.Start(); err != nil {
		return notRun(err), false, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case sig := <-signals:
			_ = cmd.Process.Signal(sig) // it may have ended just now
		case agentErr := <-ended:
			_ = cmd.Process.Signal(syscall.SIGTERM)
			<-done
			return exitNoIdentity, true, fmt.Errorf("the agent ended: %w", agentErr)
		case err := <-done:
			return exitOfCommand(cmd, err)
		}
	}
}

// why says why there is no identity.
func why(d *daemon.Daemon) string {
	view, _ := d.Current()
	if view.Status.Reason != nil {
		return printable(view.Status.Reason.Detail)
	}
	if view.Status.State == agent.Starting {
		return "the first attempt is still under way"
	}
	return "its files cannot be written"
}

// notRun is the exit code where a command could not be started.
func notRun(err error) int {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return exitNotFound
	}
	return exitNotRun
}

// exitOfCommand is the exit code of a command that ended.
func exitOfCommand(cmd *exec.Cmd, err error) (int, bool, error) {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return exitNotRun, false, err
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), false, nil
	}
	return cmd.ProcessState.ExitCode(), false, nil
}
