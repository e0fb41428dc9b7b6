package evidence

// Codes of event logs: their form.
var (
	CodeEventLogSize       = define("eventlog.size", "The event log is not empty and within the bounds on its size, its events and their data.")
	CodeEventLogHeader     = define("eventlog.header", "The event log begins with a well-formed Spec ID event, or is a SHA-1 log of the TPM 1.2 form.")
	CodeEventLogAlgorithms = define("eventlog.algorithms", "The log's header lists each of its hash algorithms once, with the right digest size.")
	CodeEventLogEvent      = define("eventlog.event", "Every event of the log is complete: its lengths lie within the log.")
	CodeEventLogDigests    = define("eventlog.digests", "Every event has exactly one digest for each algorithm of the log's header.")
	CodeEventLogRegister   = define("eventlog.register", "Every event names a register that it can have extended.")
	CodeEventLogPadding    = define("eventlog.padding", "Behind the last event there is nothing, or, in a confidential computing log, padding only.")
	CodeEventLogBank       = define("eventlog.bank", "The log has digests of the bank that was quoted.")
	CodeEventLogLocality   = define("eventlog.startup-locality", "The log states the TPM's startup locality at most once, before anything extended PCR 0.")
)
