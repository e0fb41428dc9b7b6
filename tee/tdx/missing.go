package tdx

import (
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// wanted gathers what could still clear a quote: endorsements that are not there,
// and those of which another issue could mend what failed.
type wanted struct {
	names   []tee.EndorsementName
	curable []evidence.Code // the failures that could be mended so
}

// miss notes endorsements that are not there.
func (w *wanted) miss(names ...tee.EndorsementName) { w.names = append(w.names, names...) }

// mend notes that if the check with this code failed, it was by endorsements that
// have another issue, or should have.
func (w *wanted) mend(code evidence.Code, names ...tee.EndorsementName) {
	w.curable = append(w.curable, code)
	w.miss(names...)
}

// settle names what is missing. Beside a failure that no endorsement could mend,
// that is nothing: nobody is asked on behalf of a quote that is refused anyhow.
func (r *run) settle() {
	for _, check := range r.checks.Failed() {
		if !slices.Contains(r.wanted.curable, check.Code) {
			return
		}
	}
	r.outcome.Missing = inOrder(r.wanted.names)
}
