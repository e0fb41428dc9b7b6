package pe

const (
	// MaxSize bounds an image in bytes: unified kernel images with a large initrd
	// have some hundred MiB.
	MaxSize = 1 << 30
	// maxSections bounds the section table, as the PE loader of Windows does; unified
	// kernel images have 8 to 25.
	maxSections = 96
	// maxDirectories bounds the data directories: the format defines 16.
	maxDirectories = 16
	// maxVirtual bounds a section in memory in bytes: what is behind its data in the
	// file is zeros, which are measured too.
	maxVirtual = 1 << 30
)
