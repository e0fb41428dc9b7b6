package policies

import (
	"regexp"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// workload is a document of kind Workload: an identity, and the alternatives of
// evidence that earn it.
type workload struct {
	name           string
	identity       Identity
	trustDomain    string
	allowSimulated bool
	alternatives   []*alternative
}

// alternative is one way to earn the identity: every requirement and every rule
// must hold. A nil requirement whose kind is not in tolerated forbids that kind.
type alternative struct {
	label     string // the workload's name with the alternative's, for checks
	snp       *snpRequirement
	tdx       *tdxRequirement
	tpm       *tpmRequirement
	paravisor *paravisorRequirement
	tolerated []evidence.Kind // kinds that may come with the bundle and prove nothing
	rules     []rule
	relaxed   []string // sorted
}

// readWorkload reads a document into l.workloads.
func (l *loader) readWorkload(d document) {
	f := d.fields
	w := &workload{}
	nameNode := f.need("name", "give the workload a name")
	w.name = d.name(nameNode)
	d.readIdentity(f.need("identity", "say what the workload earns: {spiffe_id: spiffe://TRUST-DOMAIN/PATH}"), w)
	w.allowSimulated = d.boolean(f.take("allow_simulated"))
	shared := l.readRules(d.source, f.take("require"), allVariables)
	alternatives := d.sequence(f.need("any_of", "list the evidence that earns the identity: sev_snp, tdx or tpm, with what each must show"), "any_of")
	if len(alternatives) > maxAlternatives {
		d.problem(alternatives[maxAlternatives], evidence.CodePolicyTooLarge, "any_of has more than %d alternatives", maxAlternatives)
		alternatives = alternatives[:maxAlternatives]
	}
	for i, n := range alternatives {
		if a := l.readAlternative(d.source, n, w, i); a != nil {
			if slices.ContainsFunc(w.alternatives, func(other *alternative) bool { return other.label == a.label }) {
				d.problem(n, evidence.CodePolicyDuplicateName, "there is an alternative %q already", a.label)
			}
			a.rules = joinRules(d.source, n, shared, a.rules)
			w.alternatives = append(w.alternatives, a)
		}
	}
	f.done()
	if w.name == "" {
		return
	}
	if l.workloads[w.name] != nil {
		d.problem(nameNode, evidence.CodePolicyDuplicateName, "there is a workload named %q already", w.name)
		return
	}
	l.workloads[w.name] = w
}

// readAlternative reads an entry of any_of.
func (l *loader) readAlternative(s source, n *yaml.Node, w *workload, index int) *alternative {
	f := s.mapping(n, "an alternative of any_of")
	if f == nil {
		return nil
	}
	a := &alternative{label: w.name}
	if name := s.name(f.take("name")); name != "" {
		a.label += " (" + name + ")"
	} else if index > 0 {
		a.label += " (alternative " + strconv.Itoa(index+1) + ")"
	}
	if w.allowSimulated {
		a.relax("trust.simulated")
	}
	l.readRequirements(s, f, a)
	a.rules = l.readRules(s, f.take("require"), a.variables())
	f.done()
	slices.Sort(a.relaxed)
	return a
}

// readRequirements reads the technologies of an alternative, of which at least
// one must be more than tolerated.
func (l *loader) readRequirements(s source, f *fields, a *alternative) {
	before := len(l.problems.list)
	if n := f.take("sev_snp"); isAny(n) {
		a.tolerate(evidence.KindSEVSNP)
	} else {
		a.snp = l.readSNP(s, n, a)
	}
	if n := f.take("tdx"); isAny(n) {
		a.tolerate(evidence.KindTDX)
	} else {
		a.tdx = l.readTDX(s, n, a)
	}
	if n := f.take("tpm"); isAny(n) {
		a.tolerate(evidence.KindTPM)
	} else {
		a.tpm = l.readTPM(s, n, a)
	}
	a.paravisor = l.readParavisor(s, f.take("paravisor"), a)
	if a.snp == nil && a.tdx == nil && a.tpm == nil && len(l.problems.list) == before {
		s.problem(f.at, evidence.CodePolicyMissingKey, "the alternative requires no evidence; say what sev_snp, tdx or tpm must show")
	}
}

func (a *alternative) tolerate(kind evidence.Kind) {
	a.tolerated = append(a.tolerated, kind)
	a.relax(string(kind) + ".any")
}

// relax records the name of something that the default requirement would deny.
func (a *alternative) relax(name string) {
	if !slices.Contains(a.relaxed, name) {
		a.relaxed = append(a.relaxed, name)
	}
}

// readAllow reads a requirement's list of relaxations: words of the
// technology, each recorded with the technology's name.
func (a *alternative) readAllow(s source, n *yaml.Node, kind evidence.Kind, words []string) []string {
	allowed := s.words(n, "allow", words)
	for _, word := range allowed {
		a.relax(string(kind) + "." + word)
	}
	return allowed
}

var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// name returns a name of lower-case letters, digits and hyphens, or "".
func (s source) name(n *yaml.Node) string {
	value := s.text(n)
	if value == "" {
		return ""
	}
	if len(value) > maxName || !nameForm.MatchString(value) {
		s.problem(n, evidence.CodePolicyValue, "name %q must be made of lower-case letters, digits and hyphens, at most %d", clip(value), maxName)
		return ""
	}
	return value
}
