package guest

// Bounds on what firmware can make us read.
const (
	// maxTable bounds the ACPI table of the event log in bytes: it has 56.
	maxTable = 4 << 10
	// maxArea bounds the memory with the event log in bytes: firmware reserves 64 KiB
	// to 1 MiB.
	maxArea = 4 << 20
)
