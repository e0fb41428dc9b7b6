package policies

import (
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// revocation is what is asked of revocation lists. The zero value requires
// current ones.
type revocation struct {
	off     bool
	staleOK time.Duration // how long after its end a list will still do
}

// readRevocation reads require, off or {stale_ok: DURATION}.
func (f *fields) readRevocation(n *yaml.Node, kind evidence.Kind, a *alternative) revocation {
	relaxed := string(kind) + ".revocation"
	if n == nil || n.Kind != yaml.MappingNode {
		switch mode := f.text(n); mode {
		case "", "require":
		case "off":
			a.relax(relaxed)
			return revocation{off: true}
		default:
			f.problem(n, evidence.CodePolicyValue, "revocation has no value %q; use require, off or {stale_ok: DURATION}", clip(mode))
		}
		return revocation{}
	}
	m := f.mapping(n, "revocation")
	at := m.need("stale_ok", "say how long after its end a revocation list will still do, such as 24h")
	m.done()
	stale := m.duration(at, "stale_ok", time.Second, MaxStaleRevocation)
	a.relax(relaxed + ".stale")
	return revocation{staleOK: stale}
}

// revocationState is what is known of the revocation of a key's chain.
type revocationState struct {
	kind    evidence.Kind
	code    evidence.Code
	want    string
	checked bool      // current lists cover it
	end     time.Time // of the newest lists that cover it; zero: there are none
}

// judge judges whether revocation lists covered the chain. What rests on a list
// that has ended is not valid for longer than the list would do.
func (v revocation) judge(r *report, s revocationState) {
	last := s.end.Add(v.staleOK)
	stale := !s.end.IsZero() && !r.now.Before(s.end) && !r.now.After(last)
	switch {
	case s.checked:
		r.judge(true, s.kind, s.code, s.want, func() string { return "covered" })
	case v.off:
	case stale && v.staleOK > 0:
		r.endsBy(last)
		r.judge(true, s.kind, s.code, s.want, func() string {
			return "covered by a list that ended at " + s.end.UTC().Format(time.RFC3339) + "; it will do until " + last.UTC().Format(time.RFC3339)
		})
	case !s.end.IsZero():
		r.wait(s.kind, s.code, s.want, "the revocation list for the chain is not a current one: it ends at "+s.end.UTC().Format(time.RFC3339))
	default:
		r.wait(s.kind, s.code, s.want, "there was no revocation list for the chain")
	}
}
