package machines

import "time"

const (
	// maxName bounds a name: it becomes a label of a DNS name, and a policy document's. A
	// provider's in a certificate is no longer either.
	maxName = 63
	// maxArtefact bounds a firmware, kernel or initrd in bytes: initrds of
	// distributions have some hundred megabytes.
	maxArtefact = 512 << 20
	// maxCommandLine bounds a kernel's command line in bytes: COMMAND_LINE_SIZE is 2048 on x86.
	maxCommandLine = 2048
	// maxVCPUs bounds virtual processors: each takes a hash, and tests have few.
	maxVCPUs = 512
	// maxFiles, maxPath and maxContent bound what the kernel measures: all of it is
	// evidence, whose list has at most some megabytes.
	maxFiles   = 256
	maxPath    = 512
	maxContent = 2048
	// maxFaults bounds the faults of one machine: more than a few at once say nothing.
	maxFaults = 16
	// maxSpec bounds a description in bytes: with all these files it has 650 KiB.
	maxSpec = 1 << 20
	// startTime is how long swtpm may take until it answers: usually a tenth of a second.
	startTime = 20 * time.Second
	// startPause is the time between two looks.
	startPause = 20 * time.Millisecond
	// commandTime bounds what a machine does with its TPM at a time: an RSA key takes seconds.
	commandTime = time.Minute
)
