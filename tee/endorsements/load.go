package endorsements

import (
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// Report says what became of every file that was read.
type Report struct {
	Recognised   []Source `json:"recognised"`
	Unrecognised []Source `json:"unrecognised,omitempty"`
}

// Source is one file (of a directory or an archive).
type Source struct {
	Name string `json:"name"`
	// Note says what the file holds, or why it could not be used.
	Note string `json:"note"`
}

// Load reads endorsements from paths: each a file, a directory (with all below
// it) or an archive (tar, tar.gz or zip, also inside a directory). Files that
// are no endorsements, or that break a rule, are listed in the report and
// contribute nothing. It is an error if a path cannot be read, if the whole is
// larger than the bounds in limits.go, or if nothing was recognised
// ([evidence.CodeEndorsementTooLarge], [evidence.CodeEndorsementsNone]).
func Load(paths ...string) (*tee.Endorsements, Report, error) {
	e := &tee.Endorsements{}
	report, err := read(paths, func(f found) { f.addTo(e) })
	if err != nil {
		return nil, report, err
	}
	return e, report, nil
}

// read recognises every file under paths and hands what it holds to add.
func read(paths []string, add func(found)) (Report, error) {
	var report Report
	c := collector{
		take: func(name string, data []byte) {
			f, err := recognise(data)
			if err != nil {
				report.Unrecognised = append(report.Unrecognised, Source{name, reason(err)})
				return
			}
			add(f)
			report.Recognised = append(report.Recognised, Source{name, f.String()})
		},
		skip: func(name string, err error) {
			report.Unrecognised = append(report.Unrecognised, Source{name, reason(err)})
		},
	}
	for _, path := range paths {
		if err := c.path(path); err != nil {
			return report, err
		}
	}
	if len(report.Recognised) == 0 {
		return report, errNothing(report)
	}
	return report, nil
}

// errNothing says what was looked for, and why the first file was not it.
func errNothing(r Report) error {
	const wanted = "found no certificate or CRL (DER, PEM), no Intel collateral (JSON), no THIM or PCCS record and no auxiliary certificate table"
	if len(r.Unrecognised) == 0 {
		return evidence.Errorf(evidence.CodeEndorsementsNone, "", "%s: there are no files", wanted)
	}
	first := r.Unrecognised[0]
	return evidence.Errorf(evidence.CodeEndorsementsNone, first.Name, "%s; %s could not be used, the first because: %s",
		wanted, count(len(r.Unrecognised), "file"), first.Note)
}

// reason is an error without the code, for a report.
func reason(err error) string {
	if e, ok := err.(*evidence.Error); ok {
		return e.Detail
	}
	return err.Error()
}
