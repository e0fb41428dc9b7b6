package store

import (
	"net/url"
	"unicode"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// target is a name with the vendor that has it.
type target struct {
	name   tee.EndorsementName
	vendor *vendor
	url    *url.URL
}

// locate finds the vendor of a name. Only well-formed names have one: an Endorser
// locates no other, and nothing of a name that leads elsewhere becomes a URL.
func (s *Store) locate(name tee.EndorsementName) (target, error) {
	for _, v := range s.vendors {
		path, ok := v.endorser.Locate(name)
		if !ok {
			continue
		}
		u, ok := at(v.base, path)
		if !ok {
			return target{}, evidence.Errorf(evidence.CodeEndorsementUnobtainable, brief(name), "%s has no proper path for it", v.name)
		}
		return target{name, v, u}, nil
	}
	return target{}, evidence.Errorf(evidence.CodeEndorsementUnobtainable, brief(name),
		"no configured vendor hands it out; send it with the evidence, or import it")
}

// brief names a name that may be anything, for an error.
func brief(name tee.EndorsementName) string { return plain(name.String()) }

// plain keeps foreign text short and on one line.
func plain(text string) string {
	const most = 200
	var out []rune
	for _, r := range text {
		if len(out) == most {
			return string(out) + "…"
		}
		if !unicode.IsPrint(r) {
			r = '�'
		}
		out = append(out, r)
	}
	return string(out)
}
