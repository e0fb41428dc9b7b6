package pcr

const (
	// maxCommandLine bounds a command line in bytes: COMMAND_LINE_SIZE is 2048 on
	// x86, and boot loaders' commands are no longer.
	maxCommandLine = 1 << 16
	// maxPhases bounds the phases of a boot: systemd has six.
	maxPhases = 32
	// maxVariable bounds a UEFI variable in bytes: dbx has some 25 KiB.
	maxVariable = 1 << 20
	// maxSignatures bounds the entries of a signature database: dbx has some hundred.
	maxSignatures = 1 << 14
)
