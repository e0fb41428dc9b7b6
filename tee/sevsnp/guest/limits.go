package guest

// Bounds on what a kernel and a host can make us do.
const (
	// firstTable is the size of the first buffer for the host's certificates in
	// bytes: the most that Linux's driver takes today (SEV_FW_BLOB_MAX_SIZE), so that one
	// request is enough.
	firstTable = 16 << 10
	// maxTable bounds a certificate table in bytes: AMD's five entries take 12 KiB
	// in PEM.
	maxTable = 64 << 10
)
