package fleet

const (
	// maxMachines bounds the machines of a fleet: each holds keys and registers, some
	// hundred kilobytes, and a scenario or a test has a few.
	maxMachines = 256
	// maxBoots bounds how often one machine is started: each launch repeats the resets of
	// those before, of which its TPM counts every one.
	maxBoots = 1000
)
