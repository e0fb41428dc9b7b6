package main

import "github.com/quotary/quotary/verifier"

// exit is the process's exit code.
type exit int

// The exit codes. Only exitAccepted lets a script go on: everything that is not
// an acceptance by policy is not zero.
const (
	exitAccepted  exit = 0 // accepted by policy; or, of a command that judges nothing, done
	exitFailed    exit = 1 // usage, unreadable files, internal errors: nothing was judged
	exitRejected  exit = 2
	exitUndecided exit = 3 // an endorsement is missing
	exitGenuine   exit = 4 // genuine, but no policy was given
)

// exitOf returns the exit code of a verdict.
func exitOf(v verifier.Verdict) exit {
	switch v {
	case verifier.Accepted:
		return exitAccepted
	case verifier.Undecided:
		return exitUndecided
	case verifier.Genuine:
		return exitGenuine
	}
	return exitRejected
}
