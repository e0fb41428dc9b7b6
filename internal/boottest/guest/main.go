// Command guest is the first program of a machine that boots for a test: it makes the
// machine ready for the agent, has it attest, tells the test over the second serial port
// how that went, and switches the machine off.
//
// Start at [boot].
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/quotary/quotary/internal/boottest"
)

func main() {
	r, err := boot()
	if err != nil {
		r.Failed = err.Error()
	}
	if err := tell(r); err != nil {
		fmt.Fprintln(os.Stderr, "nobody hears:", err)
	}
	unix.Sync()
	fmt.Fprintln(os.Stderr, "switched off:", unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF))
}

// boot is what the machine does.
func boot() (boottest.Report, error) {
	var r boottest.Report
	for _, step := range []func() error{mount, openConsole, measureFromNowOn, insertModules, raiseNetwork} {
		if err := step(); err != nil {
			return r, err
		}
	}
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return r, err
	}
	r.CommandLine = strings.TrimSpace(string(line))
	if err := attest(&r); err != nil || r.Exit != 0 {
		return r, err
	}
	if _, err := os.Stat("/sys/class/net/eth1"); err != nil {
		return r, nil // alone in the world
	}
	r.Peer, err = meet()
	return r, err
}

func mount() error {
	for _, m := range []struct{ kind, at string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"securityfs", "/sys/kernel/security"},
	} {
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", m.at, err)
		}
	}
	return nil
}

// openConsole has what is said go to the console, which the kernel cannot open for the
// first program where the initial RAM disk does not have it.
func openConsole() error {
	console, err := os.OpenFile("/dev/console", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	os.Stdout, os.Stderr = console, console
	return nil
}

// measureFromNowOn gives the kernel its policy of integrity measurement: modules and
// programs, in the initial RAM disk, too, which the built-in policies leave out.
func measureFromNowOn() error {
	return os.WriteFile("/sys/kernel/security/ima/policy", []byte("measure func=MODULE_CHECK\nmeasure func=BPRM_CHECK\n"), 0o600)
}

// insertModules inserts the modules in the order of their names.
func insertModules() error {
	paths, err := filepath.Glob("/modules/*.ko")
	for _, path := range paths {
		var module *os.File
		if module, err = os.Open(path); err != nil {
			return err
		}
		err = unix.FinitModule(int(module.Fd()), "", 0)
		module.Close()
		if err != nil {
			return fmt.Errorf("inserting %s: %w", path, err)
		}
	}
	return err
}

// attest runs the agent.
func attest(r *boottest.Report) error {
	command := exec.Command(boottest.AgentPath, "once", "--config", boottest.ConfigPath, "--wait", "5m")
	var said bytes.Buffer
	command.Stdout, command.Stderr = io.MultiWriter(&said, os.Stdout), io.MultiWriter(&said, os.Stderr)
	err := command.Run()
	r.Said = said.String()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		r.Exit = exit.ExitCode()
		return nil
	}
	if err != nil {
		return err
	}
	chain, err := os.ReadFile(filepath.Join(boottest.IdentityPath, "tls.crt"))
	r.Chain = string(chain)
	return err
}

// tell writes the report, on a line of its own, to the second serial port, where the
// kernel does not write; the firmware did.
func tell(r boottest.Report) error {
	port, err := os.OpenFile("/dev/ttyS1", os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(port, "\n%s\n", line)
	return errors.Join(err, unix.IoctlSetInt(int(port.Fd()), unix.TCSBRK, 1), port.Close()) // sent before the power goes
}
