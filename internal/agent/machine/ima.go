package machine

import (
	"crypto"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/ima"
)

// progress is how much of the kernel's measurement list the service has judged. The
// zero value has the whole list sent.
type progress struct {
	entries uint64
	pcr     []byte // what PCR 10 holds after these
}

// hashes are the banks' hashes.
var hashes = map[string]crypto.Hash{"": crypto.SHA256, "sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512}

// after returns the progress that an accepted quote leaves: the entries that lead to its
// value of PCR 10. Where none do, everything is sent again the next time.
func (p progress) after(quote *evidence.TPM, bank string) progress {
	if bank == "" {
		bank = "sha256"
	}
	value, quoted := quote.PCRs[bank][ima.PCR]
	if !quoted || quote.IMAOffset != p.entries {
		return progress{}
	}
	list, err := ima.Parse(quote.IMALog)
	if err != nil {
		return progress{}
	}
	covered, ok := list.Replay(p.pcr, hashes[bank]).Find(value)
	if !ok {
		return progress{}
	}
	return progress{p.entries + uint64(covered), value}
}
