package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/quotary/quotary/internal/boottest"
)

// patience is for how long the agent is waited for: far longer than the second that it
// takes where there is a processor for it.
const patience = 5 * time.Minute

// agent is quotary-agent as it runs.
type agent struct {
	process  *os.Process
	outcomes chan boottest.Outcome // closed when it has ended
}

// start starts the agent.
func start() (*agent, error) {
	command := exec.Command(boottest.AgentPath, "run", "--config", boottest.ConfigPath)
	log, err := command.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	a := &agent{command.Process, make(chan boottest.Outcome)}
	go a.follow(log)
	return a, nil
}

// follow reads the agent's log, and shows it on the console.
func (a *agent) follow(log io.Reader) {
	defer close(a.outcomes)
	for lines := bufio.NewScanner(log); lines.Scan(); {
		fmt.Fprintln(os.Stderr, lines.Text())
		var o boottest.Outcome
		if json.Unmarshal(lines.Bytes(), &o) == nil && (o.Granted() || o.Refused()) {
			a.outcomes <- o
		}
	}
}

// attested waits until the agent has attested.
func (a *agent) attested(r *boottest.Report) (granted bool, err error) {
	select {
	case o, ok := <-a.outcomes:
		if !ok {
			return false, errors.New("the agent has ended")
		}
		r.Outcomes = append(r.Outcomes, o)
		return o.Granted(), nil
	case <-time.After(patience):
		return false, errors.New("the agent has no answer")
	}
}

// attestAgain has the agent attest now.
func (a *agent) attestAgain(r *boottest.Report) (granted bool, err error) {
	if err := a.process.Signal(syscall.SIGHUP); err != nil {
		return false, err
	}
	return a.attested(r)
}

// handedOut waits until the agent hands out another chain than this one: none, after
// something was.
func handedOut(before string) (chain string, err error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		data, err := os.ReadFile(filepath.Join(boottest.IdentityPath, "tls.crt"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if string(data) != before {
			return string(data), nil
		}
	}
	return "", errors.New("the agent does not hand out what it was granted, or keeps what it was not")
}
