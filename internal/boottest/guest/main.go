// Command guest is the first program of a machine that boots for a test: it makes the
// machine ready for the agent, which it starts before anything else, tells the test over
// the second serial port how that went, and switches the machine off.
//
// Start at [boot].
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

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
	a, err := start()
	if err != nil {
		return r, err
	}
	granted, err := a.attested(&r)
	if err == nil && granted {
		err = live(a, &r)
	}
	return r, err
}

// live is what a machine does that has an identity: it has it renewed, speaks to its peer,
// and loses it when a program runs that nobody listed.
func live(a *agent, r *boottest.Report) (err error) {
	if r.Chain, err = handedOut(""); err != nil {
		return err
	}
	if granted, err := a.attestAgain(r); err != nil || !granted {
		return err
	}
	renewed, err := handedOut(r.Chain)
	if err != nil {
		return err
	}
	if r.Peer, err = meet(); err != nil {
		return err
	}
	if err := runStranger(); err != nil {
		return err
	}
	if granted, err := a.attestAgain(r); err != nil || granted {
		return err
	}
	_, err = handedOut(renewed)
	return err
}

// runStranger runs a program that nobody listed. It is none that the kernel knows how to
// run; that it measures before it finds out.
func runStranger() error {
	const path = "/run/stranger"
	if err := os.WriteFile(path, []byte("nobody knows me"), 0o700); err != nil {
		return err
	}
	if err := exec.Command(path).Run(); !errors.Is(err, unix.ENOEXEC) {
		return fmt.Errorf("the stranger ran: %v", err)
	}
	return nil
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
