package guest

import "time"

// Bounds on what a TPM, a kernel and a socket can make us do.
const (
	// maxResponse bounds a TPM's response in bytes: that of TPM 2.0's reference
	// implementation (MAX_RESPONSE_SIZE), and what Linux's driver hands on.
	maxResponse = 4 << 10
	// maxAttempts bounds how often a command is sent to a TPM that is busy; with the
	// delays between them that takes up to 10 s. Linux's driver itself waits 2 s.
	maxAttempts = 10
	// firstDelay and lastDelay are the shortest and the longest time between two of
	// them; it doubles each time, as in Linux's driver.
	firstDelay = 20 * time.Millisecond
	lastDelay  = 4 * time.Second
	// commandTimeout bounds a command on a socket: discrete TPMs take up to a minute
	// for an RSA key, and Linux's driver allows five.
	commandTimeout = 5 * time.Minute
	// dialTimeout bounds how long a socket may take to be connected: it is one of the
	// machine, or of one beside it.
	dialTimeout = 10 * time.Second
	// maxQuotes bounds how often PCRs are read and quoted until both agree: only what
	// extends them in the very moment comes between, such as IMA with each new file.
	maxQuotes = 8
	// maxHandles bounds the handles that are listed of one range: TPMs have room for
	// tens of NV indices and persistent keys.
	maxHandles = 256
	// maxNV bounds an NV index in bytes: certificates take up to 3 KiB, a
	// paravisor's report 4 KiB.
	maxNV = 16 << 10
	// maxChainNV bounds the NV indices that a chain of certificates is spread over.
	maxChainNV = 16
	// maxSecret bounds what a credential holds in bytes: the largest digest of a TPM.
	maxSecret = 64
	// signTimeout bounds a signature with a key in the TPM, whose caller has no way to
	// end it: a discrete TPM takes a second, behind others in the queue.
	signTimeout = 30 * time.Second
	// maxKeyFile bounds a key in bytes that is kept outside of its TPM: one on P-256
	// takes about 250.
	maxKeyFile = 1 << 10
	// maxEventLog bounds the file of the event log in bytes: firmware reserves 64 KiB
	// to 1 MiB.
	maxEventLog = 4 << 20
	// maxIMAList bounds the kernel's measurement list in bytes: a hundred thousand
	// entries. It grows until the machine is rebooted.
	maxIMAList = 16 << 20
)
