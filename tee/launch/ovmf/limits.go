package ovmf

const (
	// MaxSize bounds a firmware image in bytes. Those of virtual machines have 2
	// to 8 MiB, paravisors in front of them as much again; the hole below 4 GiB that
	// they are mapped into has at most 16 MiB.
	MaxSize = 16 << 20
	// PageSize is what an image's size is a multiple of.
	PageSize = 4096
	// resetVector is the code at the very end, behind the table.
	resetVector = 32
	// entryHeader is an entry's size (2 bytes) and GUID, which follow its data.
	entryHeader = 2 + 16
	// FourGiB is where firmware ends in the guest's memory.
	FourGiB = 1 << 32
)
