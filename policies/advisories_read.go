package policies

import (
	_ "embed" // the built-in advisories
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

//go:embed amd_advisories.yaml
var amdAdvisories []byte

// builtinAdvisories are those of this build. They are computed once and only read.
var builtinAdvisories = func() *advisoryTable {
	var found problems
	l := newLoader(&found)
	for _, d := range parseFiles([]File{{"amd_advisories.yaml", amdAdvisories}}, &found) {
		l.readAdvisories(d)
	}
	if err := found.err(); err != nil {
		panic("policies: " + err.Error()) // a test loads them
	}
	l.spellAdvisories()
	return l.advisories
}()

// newLoader returns a loader that knows no advisories yet.
func newLoader(found *problems) *loader {
	return &loader{
		problems: found, references: map[string]*referenceValues{}, workloads: map[string]*workload{},
		knownBad: map[string][]reference{}, advisories: &advisoryTable{},
	}
}

// withBuiltin adds the advisories of this build to those of the documents,
// which take the place of built-in ones of the same ID.
func (l *loader) withBuiltin() {
	t := l.advisories
	for _, row := range builtinAdvisories.rows {
		if t.has(row.id) {
			t.replaced = append(t.replaced, row.id)
		} else {
			t.rows = append(t.rows, row)
		}
	}
	if t.asOf.Before(builtinAdvisories.asOf) {
		t.asOf = builtinAdvisories.asOf
	}
	l.spellAdvisories()
}

func (l *loader) spellAdvisories() {
	t := l.advisories
	slices.SortFunc(t.rows, func(a, b *advisory) int { return strings.Compare(a.id, b.id) })
	t.want = "none of " + strconv.Itoa(len(t.rows)) + " advisories as of " + t.asOf.Format(time.DateOnly)
}

var (
	advisoryForm = regexp.MustCompile(`^[A-Z]+(-[A-Z0-9]+)+$`)
	cveForm      = regexp.MustCompile(`^CVE-[0-9]{4}-[0-9]{4,}$`)
)

// readAdvisories reads a document of kind Advisories into l.advisories.
func (l *loader) readAdvisories(d document) {
	f := d.fields
	d.word(f.need("technology", "write sev-snp"), "technology", []string{string(snp)})
	asOf := d.date(f.need("as_of", "give the day on which the advisories were last compared with the vendor's, such as 2026-11-22"))
	if asOf.After(l.advisories.asOf) {
		l.advisories.asOf = asOf
	}
	for _, n := range d.sequence(f.need("advisories", "list the advisories"), "advisories") {
		l.readAdvisory(d.source, n, asOf)
	}
	f.done()
}

func (l *loader) readAdvisory(s source, n *yaml.Node, asOf time.Time) {
	f := s.mapping(n, "an advisory")
	if f == nil {
		return
	}
	idNode := f.need("id", "give the bulletin's name, such as AMD-SB-3019")
	row := &advisory{id: s.text(idNode), title: s.text(f.need("title", "say what the bulletin is about"))}
	if row.id != "" && !advisoryForm.MatchString(row.id) {
		s.problem(idNode, evidence.CodePolicyValue, "advisory %q must be made of capital letters, digits and hyphens, such as AMD-SB-3019", clip(row.id))
	}
	for _, cve := range s.texts(f.take("cves"), "cves") {
		if !cveForm.MatchString(cve) {
			s.problem(f.values["cves"], evidence.CodePolicyValue, "%q is no CVE, such as CVE-2024-56161", clip(cve))
		}
	}
	published := f.need("published", "give the day on which the bulletin was published, such as 2025-02-03")
	if day := s.date(published); !asOf.IsZero() && day.After(asOf) {
		s.problem(published, evidence.CodePolicyValue, "published is later than as_of")
	}
	var requirements []*requirement
	for _, r := range s.sequence(f.need("requires", "list what a machine must show, for each product line"), "requires") {
		if r := s.readRequirement(r); r != nil {
			requirements = append(requirements, r)
		}
	}
	row.demands = gather(requirements)
	f.done()
	if l.advisories.has(row.id) {
		s.problem(idNode, evidence.CodePolicyDuplicateName, "there is an advisory %q already", clip(row.id))
		return
	}
	l.advisories.rows = append(l.advisories.rows, row)
}

// requirement is an entry of requires: what an advisory asks of one product
// line, and who says so.
type requirement struct {
	product    string
	verifiedBy string
	demands    []demand
	processors []processor
}

// readRequirement reads an entry of requires.
func (s source) readRequirement(n *yaml.Node) *requirement {
	f := s.mapping(n, "an entry of requires")
	if f == nil {
		return nil
	}
	r := &requirement{product: s.word(f.need("product", "write Milan, Genoa or Turin"), "product", snpProducts)}
	s.readSource(f.need("source", "give the URL of what states the numbers"))
	r.verifiedBy = s.word(f.need("verified_by", "say who was read to state the numbers: amd, several or one"), "verified_by",
		[]string{verifiedByVendor, verifiedByMany, verifiedByOne})
	signals := len(f.known)
	r.add(s.readTCBDemands(f.take("tcb"), "tcb", updatedTCBs, r.product))
	r.add(s.readTCBDemands(f.take("launch_tcb"), "launch_tcb", launchTCBs, r.product))
	r.processors = s.readMicrocode(f.take("microcode"))
	for _, p := range r.processors {
		r.add(p.demands())
	}
	r.add(s.readFirmwareDemands(f.take("firmware")))
	r.add(s.readBitDemands(f))
	if m := s.mapping(f.take("mitigation"), "mitigation"); m != nil {
		r.add(mitigationDemands(m.readMitigation()))
	}
	if !slices.ContainsFunc(f.known[signals:], func(key string) bool { return f.values[key] != nil }) {
		s.problem(f.at, evidence.CodePolicyMissingKey, "an entry of requires asks for nothing; give one of %s", strings.Join(f.known[signals:], ", "))
	}
	f.done()
	return r
}

func (r *requirement) add(demands []demand) {
	for _, d := range demands {
		d.verifiedBy = r.verifiedBy
		r.demands = append(r.demands, d)
	}
}

// gather puts the demands of each product line together, and asks of its
// processors that one of the requirements knows their stepping.
func gather(requirements []*requirement) map[string][]demand {
	demands := map[string][]demand{}
	for _, product := range snpProducts {
		var processors []processor
		verifiedBy := verifiedByOne
		for _, r := range requirements {
			if r.product != product {
				continue
			}
			demands[product] = append(demands[product], r.demands...)
			processors = append(processors, r.processors...)
			if len(r.processors) > 0 && r.verifiedBy != verifiedByOne {
				verifiedBy = r.verifiedBy
			}
		}
		if len(processors) > 0 {
			demands[product] = append(demands[product], steppingDemand(processors, verifiedBy))
		}
	}
	return demands
}

func (s source) readSource(n *yaml.Node) {
	if text := s.text(n); text != "" && !strings.HasPrefix(text, "https://") {
		s.problem(n, evidence.CodePolicyValue, "source %q is no https URL", clip(text))
	}
}

func (s source) readTCBDemands(n *yaml.Node, what string, tcbs []tcbOf, product string) []demand {
	f := s.mapping(n, what)
	if f == nil {
		return nil
	}
	var demands []demand
	for _, part := range tcbParts {
		if part.name == "fmc" && !hasFMC(product) {
			continue
		}
		if n := f.take(part.name); n != nil {
			demands = append(demands, tcbDemands(tcbs, part, uint8(s.number(n, 255)))...)
		}
	}
	if len(f.values) == 0 {
		s.problem(n, evidence.CodePolicyMissingKey, "%s needs a component: %s", what, orList(f.known))
	}
	f.done()
	return demands
}

// readMicrocode reads [{family: N, model: N, stepping: N, least: N}].
func (s source) readMicrocode(n *yaml.Node) []processor {
	if n == nil {
		return nil
	}
	var processors []processor
	for _, entry := range s.sequence(n, "microcode") {
		f := s.mapping(entry, "an entry of microcode")
		if f == nil {
			continue
		}
		number := func(key string) uint32 {
			return uint32(s.number(f.need(key, "write {family: N, model: N, stepping: N, least: N}"), 255))
		}
		processors = append(processors, processor{number("family"), number("model"), number("stepping"), uint8(number("least"))})
		f.done()
	}
	return processors
}

func (s source) readFirmwareDemands(n *yaml.Node) []demand {
	text := s.text(n)
	if text == "" {
		return nil
	}
	least, ok := parseFirmware(text)
	if !ok {
		s.problem(n, evidence.CodePolicyType, "expected a firmware version such as 1.55.22, not %s", describe(n))
	}
	return firmwareDemands(text, least)
}

func (s source) readBitDemands(f *fields) []demand {
	platform := &bitRule{register: platformBits}
	s.readBitWords(f.take(platformBits.key), platform)
	guest := &bitRule{register: guestPolicyBits}
	s.readBitWords(f.take(guestPolicyBits.key), guest)
	return append(
		bitDemands(platform, func(c *evidence.SNPClaims) evidence.Hex { return c.PlatformInfo.Raw }),
		bitDemands(guest, func(c *evidence.SNPClaims) evidence.Hex { return c.Policy.Raw })...)
}

// readAdvisoryMode reads warn, deny or {deny_except: [ID, …]}. To deny by a table
// whose rows were replaced is another thing than to deny by the built-in one, so it
// is named.
func (l *loader) readAdvisoryMode(s source, n *yaml.Node, a *alternative) advisoryMode {
	m := advisoryMode{}
	if n != nil && n.Kind == yaml.MappingNode {
		f := s.mapping(n, "advisories")
		m.deny = true
		for _, entry := range s.sequence(f.need("deny_except", "list the advisories that you accept"), "deny_except") {
			m.except = l.exceptAdvisory(s, entry, m.except, a)
		}
		f.done()
	} else {
		m.deny = s.word(n, "advisories", []string{"warn", "deny"}) == "deny"
	}
	if m.deny {
		for _, id := range l.advisories.replaced {
			a.relax("sev-snp.advisory-replaced." + id)
		}
	}
	return m
}

// exceptAdvisory adds an entry of deny_except, which the set must know: a slip
// would deny what it was to except.
func (l *loader) exceptAdvisory(s source, entry *yaml.Node, except []string, a *alternative) []string {
	id := s.text(entry)
	switch {
	case id == "":
	case slices.Contains(except, id):
		s.problem(entry, evidence.CodePolicyValue, "deny_except has %q twice", clip(id))
	case !l.advisories.has(id):
		s.problem(entry, evidence.CodePolicyReferenceUnknown, "there is no advisory %q; known are %s", clip(id), strings.Join(l.advisories.ids(), ", "))
	default:
		a.relax("sev-snp.advisory." + id)
		return append(except, id)
	}
	return except
}
