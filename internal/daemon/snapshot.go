package daemon

import (
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
)

// snapshot is what a reload replaces. It never changes.
type snapshot struct {
	files        []policies.File // policy documents
	endorsements *tee.Endorsements
	report       endorsements.Report
}

// load reads policy documents and endorsements. Either all of it is good or nothing
// of it is used.
func load(c Config) (*snapshot, error) {
	files, err := policies.ReadFiles(c.Policies...)
	if err != nil {
		return nil, err
	}
	s := &snapshot{files: files, endorsements: &tee.Endorsements{}}
	var paths []string
	for _, path := range c.Endorsements {
		if !emptyDir(path) {
			paths = append(paths, path)
		}
	}
	if len(paths) > 0 {
		if s.endorsements, s.report, err = endorsements.Load(paths...); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// unrecognised lists files that could not be used, with the reason.
func (s *snapshot) unrecognised() []string {
	var out []string
	for _, source := range s.report.Unrecognised {
		out = append(out, source.Name+": "+source.Note)
	}
	return out
}
