package draft

import "time"

const (
	// maxText bounds an option's text in bytes: a name of a file or of an image with its digest.
	maxText = 1 << 10
	// maxName bounds the workload's name: reference values are named after it, with
	// "-sev-snp" at the end, and names have 63 characters.
	maxName = 63 - len("-sev-snp")
	// lineWidth is where comments are broken, in characters.
	lineWidth = 110

	// referencesLast is how long reference values count where nobody says: an image that
	// was not rebuilt for half a year lacks its updates.
	referencesLast = 180 * 24 * time.Hour
	// exceptionsLast is how long a draft suggests to accept a TCB that is behind: vendors
	// ship a fix of firmware within weeks.
	exceptionsLast = 30 * 24 * time.Hour
)
