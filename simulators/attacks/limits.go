package attacks

import "time"

const (
	// maxAnswer bounds what is read of an answer: the largest has a certificate chain,
	// a bundle and some hundred checks, 60 KB.
	maxAnswer = 1 << 20
	// tryTimeout bounds one case: two requests take milliseconds, and a service that
	// has to ask its vendors first 8 seconds at most.
	tryTimeout = 30 * time.Second
	// maxAtOnce bounds the cases that are tried at once. A service appraises on each of its
	// CPUs at once, and has others wait; with more it would turn some away.
	maxAtOnce = 4
	// maxBusy is how often a request is sent to a target that is too busy for it, and
	// busyPause the pause between: a line of requests drains in less than a second.
	maxBusy, busyPause = 10, 200 * time.Millisecond
	// maxSilences is after how many attempts in a row that were not answered in time no
	// more are made: some hundred of them would take an hour.
	maxSilences = 3
	// window is how many bytes of evidence in a row an answer must not repeat. The longest
	// that a check may show is REPORT_DATA or a chip's identifier, 64 bytes.
	window = 80
)
