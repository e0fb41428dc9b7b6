package eventlog

// Bounds on a log. Real ones have 2 to 50 KiB, 20 to 170 events, and up to
// 20 KiB in one event (dbx).
const (
	// maxLog bounds a log with its padding: firmware reserves 64 KiB to 1 MiB.
	maxLog = 4 << 20
	// maxEvents bounds the events of a log.
	maxEvents = 20_000
	// maxEventData bounds the data of one event.
	maxEventData = 1 << 20
	// maxAlgorithms bounds the algorithms of a log: TPM 2.0 part 2 defines fewer,
	// and machines have up to five banks.
	maxAlgorithms = 16
	// maxDigest is the size in bytes of the largest digest, SHA-512.
	maxDigest = 64
	// maxVariableName bounds a UEFI variable's name in characters: the longest of
	// those that firmware measures have about 40.
	maxVariableName = 512
	// maxBootOptions bounds the entries of a boot order: firmware keeps some dozens.
	maxBootOptions = 128
	// maxQuoted bounds what of a log's text gets into a message, in bytes.
	maxQuoted = 64
	// maxPCR is the highest PCR of the PC client's TPM profile.
	maxPCR = 23
	// maxRTMR is the highest runtime measurement register of a TD.
	maxRTMR = 3
)
