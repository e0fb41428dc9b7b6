package notify

import "time"

const (
	// maxWatchdog bounds the watchdog's time: beyond a day it watches nothing.
	maxWatchdog = 24 * time.Hour
	// sendTimeout bounds how long a message waits for a manager that reads none.
	sendTimeout = time.Second
)
