package corim

// Bounds on CoRIMs. Files are bounded as those of policies are.
const (
	// maxDepth bounds nesting: the deepest value of these profiles is 12 levels down.
	maxDepth = 20
	// maxElements bounds arrays and maps: as many as a document of reference values has
	// values.
	maxElements = 100_000
	// maxText bounds names in bytes: they go into provenance, which has 500.
	maxText = 120
	// maxLeftOut bounds what is told of a CoRIM that says more: it is for people.
	maxLeftOut = 200
)
