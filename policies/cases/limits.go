package cases

const (
	// maxFile bounds a file of cases or claims in bytes: claims of a boot have up to
	// 300 KiB, and those with a measurement list 2 MiB.
	maxFile = 16 << 20
	// maxCases bounds the cases of a file; a machine's decision takes up to a millisecond.
	maxCases = 10_000
	// maxTokens bounds a file's YAML nodes before they are made: a node takes some 200 bytes.
	maxTokens = 600_000
	// maxDepth bounds nesting: a boot's claims within a case are 11 levels down.
	maxDepth = 24
	// maxElements bounds members and elements of claims: a measurement list has some 4000 files.
	maxElements = 100_000
	// maxProblems is the number of problems reported for a file, and maxDetails that of
	// checks told for a case that failed.
	maxProblems = 50
	maxDetails  = 30
	// maxText bounds a name or a file's path in bytes.
	maxText = 1 << 10
	// maxClaimText bounds a text within claims in bytes: boot loaders' texts and
	// signature databases have some KiB.
	maxClaimText = 1 << 16
)
