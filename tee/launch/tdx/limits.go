package tdx

const (
	// maxSections bounds what firmware asks to be prepared: real ones list 6.
	maxSections = 64
	// maxPages bounds the pages of all sections together, 256 MiB: real firmware has
	// some thousand.
	maxPages = 1 << 16
	// maxAddress is where the addresses that pages can have end.
	maxAddress = 1 << 52
	// pageSize is what is added to a trust domain at a time.
	pageSize = 4096
	// chunkSize is what the contents of a page are measured by.
	chunkSize = 256
)
