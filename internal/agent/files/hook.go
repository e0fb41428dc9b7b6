package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent"
)

// Hook says how the users of the files hear of a change: in one way, or not at all.
type Hook struct {
	// Command is a program with its arguments. It runs after each change, with
	// QUOTARY_EVENT (renewed, withdrawn), QUOTARY_DIRECTORY and QUOTARY_SPIFFE_ID in its
	// environment, for a minute at most; it is run again if it fails.
	Command []string
	// PIDFile has the process that is sent Signal ("HUP", "USR1", "USR2"; HUP if empty)
	// after each renewal. Without the file nobody is there to be told.
	PIDFile string
	Signal  string
	// Unit is a systemd unit that is reloaded, if it runs, after each renewal.
	Unit string
}

// The events that a command is told.
const (
	eventRenewed   = "renewed"
	eventWithdrawn = "withdrawn"
)

// signals are those that servers take for "read your files again".
var signals = map[string]syscall.Signal{"": syscall.SIGHUP, "HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2}

// unitName is a unit that can be reloaded (systemd.unit(5)); nothing that could be an option.
var unitName = regexp.MustCompile(`^[A-Za-z0-9:_.@\\][A-Za-z0-9:_.@\\-]*\.(service|target)$`)

func (h Hook) check() error {
	ways := 0
	for _, given := range []bool{len(h.Command) > 0, h.PIDFile != "", h.Unit != ""} {
		if given {
			ways++
		}
	}
	_, known := signals[h.Signal]
	switch {
	case ways > 1:
		return evidence.Errorf(evidence.CodeConfigMalformed, "files.reload", "give one of command, pid_file and systemd_unit")
	case len(h.Command) > 0 && !filepath.IsAbs(h.Command[0]):
		return evidence.Errorf(evidence.CodeConfigMalformed, "files.reload.command", "%q is no absolute path", h.Command[0])
	case h.Signal != "" && h.PIDFile == "":
		return evidence.Errorf(evidence.CodeConfigMalformed, "files.reload.signal", "whom to send it to, pid_file says")
	case !known:
		return evidence.Errorf(evidence.CodeConfigMalformed, "files.reload.signal", "%q is none of HUP, USR1 and USR2", h.Signal)
	case h.Unit != "" && !unitName.MatchString(h.Unit):
		return evidence.Errorf(evidence.CodeConfigMalformed, "files.reload.systemd_unit", "%q is no name of a service or target, such as nginx.service", h.Unit)
	}
	return nil
}

// renewed tells that there is a new set.
func (h Hook) renewed(ctx context.Context, directory string, identity *agent.Identity) error {
	switch {
	case len(h.Command) > 0:
		return run(ctx, h.Command, environment(eventRenewed, directory, identity.ID.String()))
	case h.PIDFile != "":
		return h.signal()
	case h.Unit != "":
		return run(ctx, []string{"systemctl", "try-reload-or-restart", "--", h.Unit}, os.Environ())
	}
	return nil
}

// withdrawn tells that there is none any more. Servers that would only read files again
// are not told: there are none to read.
func (h Hook) withdrawn(ctx context.Context, directory string) error {
	if len(h.Command) == 0 {
		return nil
	}
	return run(ctx, h.Command, environment(eventWithdrawn, directory, ""))
}

func environment(event, directory, id string) []string {
	return append(os.Environ(), "QUOTARY_EVENT="+event, "QUOTARY_DIRECTORY="+directory, "QUOTARY_SPIFFE_ID="+id)
}

// run runs a program. It ends with all that it started, if it takes too long.
func run(ctx context.Context, command, env []string) error {
	ctx, cancel := context.WithTimeout(ctx, hookTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = hookTimeout
	out := &head{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", command[0], errors.Join(err, ctx.Err()), bytes.TrimSpace(out.kept))
	}
	return nil
}

// head keeps the beginning of what a program says, and takes all of it.
type head struct{ kept []byte }

func (t *head) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p[:min(len(p), maxOutput-len(t.kept))]...)
	return len(p), nil
}

// signal sends the signal to the process in the file.
func (h Hook) signal() error {
	text, err := readForeign(h.PIDFile, maxPID)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(text)))
	if err != nil || pid <= 1 {
		return fmt.Errorf("%s holds no process ID", h.PIDFile)
	}
	err = syscall.Kill(pid, signals[h.Signal])
	if errors.Is(err, syscall.ESRCH) {
		return nil // it ended, and reads the files when it starts
	}
	return err
}

// readForeign reads the beginning of a file that others may have put there: it may be anything, and
// must not hold up the agent.
func readForeign(path string, most int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	return io.ReadAll(io.LimitReader(f, most))
}
