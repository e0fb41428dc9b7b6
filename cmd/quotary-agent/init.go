package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// first is the program as the first process of a container or a machine. It runs itself once more,
// passes signals on to that and ends as it does; meanwhile it reaps the orphans that become its
// children, which nobody else can. Two processes, because who reaps everybody's children takes their
// ends from those who wait for them.
func first(args []string, stderr io.Writer) int {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, append([]os.Signal{syscall.SIGCHLD}, forwarded...)...)
	path, err := os.Executable()
	if err != nil { // there is no /proc
		path, err = exec.LookPath(args[0])
	}
	var child *os.Process
	if err == nil {
		child, err = os.StartProcess(path, args, &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	}
	if err != nil {
		fmt.Fprintf(stderr, "quotary-agent: as the first process it runs itself once more, and cannot: %v\n", err)
		return exitFailed
	}
	for sig := range signals {
		if sig != syscall.SIGCHLD {
			_ = child.Signal(sig) // it may have ended just now
			continue
		}
		if code, ended := reap(child.Pid); ended {
			return code
		}
	}
	return exitFailed // not reached: nobody closes the channel
}

// reap reaps who has ended. If that is main, it returns its exit code.
func reap(main int) (code int, ended bool) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil || pid == 0:
			return 0, false
		case pid != main:
			continue
		case status.Signaled():
			return 128 + int(status.Signal()), true
		}
		return status.ExitStatus(), true
	}
}
