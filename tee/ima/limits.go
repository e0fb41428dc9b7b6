package ima

import "github.com/quotary/quotary/evidence"

// Bounds on a measurement list, whose size [evidence.MaxIMALog] bounds.
const (
	// maxEntries bounds the entries of a list. The shortest that a kernel makes of a file
	// (ima-ng, SHA-1, a path of one character) takes 74 bytes.
	maxEntries = evidence.MaxIMALog / 64
	// maxTemplate bounds a template's name in bytes. The kernel knows formats of up to
	// 15 fields with names of up to 16 characters, and bars between them.
	maxTemplate = 15*16 + 14
	// maxPath bounds a path in bytes: Linux' PATH_MAX without the null.
	maxPath = 4095
	// maxShortName bounds the name in an entry of the template "ima" (IMA_EVENT_NAME_LEN_MAX).
	maxShortName = 255
	// maxPCR is the highest PCR of the PC client's TPM profile.
	maxPCR = evidence.MaxPCR
)
