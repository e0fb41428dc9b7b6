package policies

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

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
	if l.demands += row.size(); l.demands > maxDemands {
		s.problem(n, evidence.CodePolicyTooLarge, "the advisories of a policy ask for at most %d things", maxDemands)
		return
	}
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
