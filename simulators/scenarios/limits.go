package scenarios

import "time"

const (
	// maxScenario bounds a file in bytes: with several policy documents it has some
	// kilobytes, and descriptions of machines may list files.
	maxScenario = 1 << 20
	// maxMachines bounds the machines of a scenario: each takes up to a second to make, if
	// it has RSA keys.
	maxMachines = 64
	// maxSteps bounds the steps: most take milliseconds.
	maxSteps = 1000
	// maxTravel bounds one move of the clock: vendors' roots are valid for decades.
	maxTravel = 10 * 365 * 24 * time.Hour
	// stepTimeout bounds a step: a service that has to ask its vendors first takes 8 seconds
	// at most, and a restart little more, on a machine that has other things to do.
	stepTimeout = 2 * time.Minute
)
