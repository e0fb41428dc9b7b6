package daemon

import "time"

const (
	// maxConfig bounds the configuration file, in bytes; a full one takes 2 KiB.
	maxConfig = 64 << 10
	// maxPassword bounds a file with a password, in bytes.
	maxPassword = 1024
	// metricsTimeout bounds a request for metrics, from its first byte to the last of the
	// answer.
	metricsTimeout = 10 * time.Second
	// maxHeader bounds the headers of such a request, in bytes: scrapers send a few.
	maxHeader = 16 << 10
	// maxFiles bounds the configured sets of files: each renewal writes all of them.
	maxFiles = 64
)
