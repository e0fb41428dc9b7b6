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

// Codes of event logs: what they account for and say.
var (
	CodeEventLogReplay      = define("eventlog.replay", "The log's events lead to the quoted values of the registers that it has events for.")
	CodeEventLogUnlogged    = define("eventlog.unlogged", "Every quoted register that was extended has events in the log.")
	CodeEventLogUnquoted    = define("eventlog.unquoted", "Every register that the log has events for was quoted; others prove nothing.")
	CodeEventLogWeakBank    = define("eventlog.weak-bank", "Facts are drawn from SHA-256 and stronger digests only.")
	CodeEventLogType        = define("eventlog.type", "No event bears a type that its digest refutes.")
	CodeEventLogSeparator   = define("eventlog.separator", "Firmware separated its own events from those of what it started, once in each of its registers, and without an error.")
	CodeEventLogSecureBoot  = define("eventlog.secure-boot", "The secure boot variables were measured once each, in one run, before anything else was started.")
	CodeEventLogVariable    = define("eventlog.variable", "The secure boot variables are well-formed: signature lists without anything but signatures.")
	CodeEventLogAuthorities = define("eventlog.authorities", "Everything that images were verified with is covered by a digest.")
	CodeEventLogImages      = define("eventlog.images", "Every event of the registers of boot images is an image, or covered by its digest.")
	CodeEventLogBoot        = define("eventlog.boot-options", "The boot order and the boot options are well-formed, and each was measured once.")
	CodeEventLogAttempts    = define("eventlog.boot-attempts", "Firmware called a boot option before it handed over.")
	CodeEventLogExit        = define("eventlog.exit-boot-services", "The kernel left boot services once, and successfully.")
	CodeEventLogCommandLine = define("eventlog.command-line", "The kernel's command line is covered by a digest, and nothing beside it could be another.")
	CodeEventLogInitrd      = define("eventlog.initrd", "The kernel's load options and initial RAM disk are all that their register holds, and the RAM disk is not empty.")
	CodeEventLogUKI         = define("eventlog.uki", "The unified kernel image's sections are all that their register holds, each once.")
	CodeEventLogMok         = define("eventlog.mok", "The machine owner's key lists are all that their register holds, in shim's order.")
	CodeEventLogApplication = define("eventlog.application", "The events of applications are all that their register holds, and their digests cover them.")
)
