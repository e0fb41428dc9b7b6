package evidence

// Codes of the running service: its data, its ledger, its administrators.
var (
	CodeContentEncoding   = define("request.content-encoding", "The request's body is compressed; send it as it is.")
	CodeRequestTimeout    = define("request.timeout", "The request did not arrive in time.")
	CodeReportDataNeeded  = define("request.report-data", "An appraisal needs the report data that the caller expects in the evidence.")
	CodeLedgerUnavailable = define("service.ledger-unavailable", "The outcome could not be recorded, so nothing was issued.")
	CodeLedgerTampered    = define("ledger.tampered", "The audit chain does not hold: a row was changed, removed or inserted.")
	CodeNotReady          = define("service.not-ready", "A part that the service needs is not usable.")
	CodeUnauthorized      = define("service.unauthorized", "The path takes the administrator's credential, and the request carries none or another.")
	CodeForbidden         = define("service.forbidden", "The sender is known, and may not do this.")
	CodeReloadFailed      = define("service.reload", "The files that the service was told to read again can be used; otherwise everything stays as it is.")
	CodeConfigMalformed   = define("config.malformed", "The configuration cannot be decoded or does not fit together.")
	CodeDataPermissions   = define("data.permissions", "A private file of the service may be read or written by others than its owner.")
	CodeDataInUse         = define("data.in-use", "Another process runs the service on this data directory.")
	CodeResponseMalformed = define("response.malformed", "The service's answer cannot be decoded or is not what was asked for; the client does not use it.")
	CodeResponseIdentity  = define("response.identity", "The certificate that the service returned does not verify, or is not for the attested key and trust domain.")
	CodeServiceUnreached  = define("response.none", "The service could not be reached over an authenticated connection.")
)
