package tdx

// status is a TCB status as the set of what is wrong with a TCB. Intel's names
// are combinations; as sets they converge by union.
type status uint8

// What can be wrong. revoked and notSupported stand above the rest.
const (
	hardening     status = 1 << iota // software mitigations are needed
	configuration                    // the platform's configuration needs a change
	outOfDate                        // an update is needed
	relaunch                         // the update is made, but the TD was launched before it
	notSupported                     // no TCB level matches
	revoked                          // not to be trusted any more
	upToDate      status = 0
)

// statusNames are Intel's names: of levels (PCS API v4, "tcbStatus"), and of what
// an evaluation gives besides.
var statusNames = map[status]string{
	upToDate:                  "UpToDate",
	hardening:                 "SWHardeningNeeded",
	configuration:             "ConfigurationNeeded",
	configuration | hardening: "ConfigurationAndSWHardeningNeeded",
	outOfDate:                 "OutOfDate",
	outOfDate | configuration: "OutOfDateConfigurationNeeded",
	relaunch:                  "TDRelaunchAdvised",
	relaunch | configuration:  "TDRelaunchAdvisedConfigurationNeeded",
	revoked:                   "Revoked",
	notSupported:              "NotSupported",
}

// parseStatus reads a status that a TCB level may have.
func parseStatus(name string) (status, bool) {
	for s, n := range statusNames {
		if n == name && s&(notSupported|relaunch) == 0 {
			return s, true
		}
	}
	return notSupported, false
}

// converge joins the statuses of platform, module and quoting enclave as Intel's
// verification library does: Revoked wins, then NotSupported; out of date wins
// over hardening but keeps the need for configuration.
func converge(parts ...status) status {
	var all status
	for _, s := range parts {
		all |= s
	}
	switch {
	case all&revoked != 0:
		return revoked
	case all&notSupported != 0:
		return notSupported
	case all&outOfDate != 0:
		return all &^ hardening
	}
	return all
}

// lost are the statuses that an update is needed against, or that none helps against.
const lost = outOfDate | notSupported | revoked

// afterUpdate joins the converged statuses by the TDX module of the TD's launch
// and by the one of now. Where the update is one that Intel's verification library
// advises a relaunch for, a TD that was launched out of date and is so no more
// should be launched again. Else the worse counts: an update never makes up for a
// launch, nor a launch for what runs now.
func afterUpdate(launch, now status, updated bool) status {
	if updated && launch&lost == outOfDate && now&lost == 0 {
		return relaunch | (launch|now)&configuration
	}
	return converge(launch, now)
}

func (s status) String() string { return statusNames[s] }
