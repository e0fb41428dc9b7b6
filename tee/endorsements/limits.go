package endorsements

// Bounds on what is read. They keep a wrong path (a home directory, a hostile
// archive) from costing more than a moment.
const (
	// MaxFile bounds one file. The largest real documents are CRLs; Intel's
	// processor CRLs and AMD's stay under 1 MiB.
	MaxFile = 4 << 20
	// MaxArchive bounds an archive as it lies on disk.
	MaxArchive = 32 << 20
	// MaxTotal bounds everything that one Load reads, after decompression:
	// collateral of every Intel platform for a year takes about 30 MiB.
	MaxTotal = 64 << 20
	// MaxFiles bounds the files of one Load: four documents for each of a few
	// hundred machines.
	MaxFiles = 4096
	// MaxDirectoryDepth bounds nested directories; sets of collateral lie two or three deep.
	MaxDirectoryDepth = 12
	// MaxRatio and RatioGrace bound decompression: more than RatioGrace plus
	// MaxRatio times the archive's size is a bomb. PEM compresses about 2:1, tar
	// headers and NV padding much better but are small.
	MaxRatio   = 50
	RatioGrace = 1 << 20
	// MaxEntries bounds the certificates, CRLs and documents of one file; a CA
	// bundle of an operating system has about 150.
	MaxEntries = 1024
	// MaxRecordDepth bounds the nesting of recorded responses: headers and body
	// in a response, responses in a record, a document as text in a body.
	MaxRecordDepth = 4
)
