// Package notify tells systemd how the agent is (sd_notify(3)): that it is ready, once
// there is an identity, so that units ordered behind it start only with one; in a line
// what it does; and that it is alive, where the unit has a watchdog.
//
// Start at [FromEnvironment].
package notify

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// The variables by which systemd says where and how often it wants to hear.
const (
	envSocket       = "NOTIFY_SOCKET"
	envWatchdog     = "WATCHDOG_USEC"
	envWatchdogFor  = "WATCHDOG_PID"
	abstract        = "@" // what abstract sockets begin with there
	abstractAddress = "\x00"
)

// Variables are the environment variables that are for this process alone: programs that
// it starts must not have them.
func Variables() []string { return []string{envSocket, envWatchdog, envWatchdogFor} }

// Notifier talks to systemd. One without a socket says nothing.
type Notifier struct {
	socket   string
	watchdog time.Duration
}

// FromEnvironment returns the notifier of a process with this environment
// (os.LookupEnv). Without systemd it says nothing.
func FromEnvironment(lookup func(string) (string, bool)) (*Notifier, error) {
	n := &Notifier{}
	socket, ok := lookup(envSocket)
	if !ok || socket == "" {
		return n, nil
	}
	if !strings.HasPrefix(socket, "/") && !strings.HasPrefix(socket, abstract) {
		return nil, fmt.Errorf("%s is %q, neither a path nor an abstract socket", envSocket, socket)
	}
	n.socket = socket
	if name, isAbstract := strings.CutPrefix(socket, abstract); isAbstract {
		n.socket = abstractAddress + name
	}
	text, ok := lookup(envWatchdog)
	if pid, given := lookup(envWatchdogFor); !ok || given && pid != strconv.Itoa(os.Getpid()) {
		return n, nil
	}
	micros, err := strconv.ParseInt(text, 10, 64)
	if err != nil || micros <= 0 || micros > int64(maxWatchdog/time.Microsecond) {
		return nil, fmt.Errorf("%s is %q, no time in microseconds", envWatchdog, text)
	}
	n.watchdog = time.Duration(micros) * time.Microsecond
	return n, nil
}

// Watchdog is how often Alive is to be called: half of what systemd waits; zero for never.
func (n *Notifier) Watchdog() time.Duration { return n.watchdog / 2 }

// Ready says that the process does what it is there for.
func (n *Notifier) Ready() error { return n.send("READY=1") }

// Status says in a line what the process does.
func (n *Notifier) Status(line string) error {
	return n.send("STATUS=" + strings.ReplaceAll(line, "\n", " "))
}

// Alive keeps the watchdog quiet.
func (n *Notifier) Alive() error { return n.send("WATCHDOG=1") }

// Stopping says that the process is about to end.
func (n *Notifier) Stopping() error { return n.send("STOPPING=1") }

func (n *Notifier) send(state string) error {
	if n.socket == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(state))
	return err
}
