package snp

const (
	// maxVCPUs bounds the virtual processors of a machine: hypervisors stop at
	// 4096 (KVM_MAX_VCPUS).
	maxVCPUs = 4096
	// maxSections bounds what firmware asks to be prepared: real ones list 3 to 7.
	maxSections = 64
	// maxPages bounds the pages in all sections together, 256 MiB: real firmware asks
	// for some dozens, a paravisor for some hundreds.
	maxPages = 1 << 16
	// maxCommandLine bounds a kernel's command line in bytes: COMMAND_LINE_SIZE is
	// 2048 on x86.
	maxCommandLine = 1 << 16
	// pageSize is the size of what is measured at a time.
	pageSize = 4096
)
