package policies

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// referenceValues is a document of kind ReferenceValues: what good machines
// measure, who says so, and until when.
type referenceValues struct {
	name       string
	technology evidence.Kind
	provenance Provenance
	notAfter   time.Time
	shape      *Shape             // nil if the document does not say
	signedBy   []string           // names of keys
	lists      map[string]digests // by the key that may refer to them
	knownBad   []string           // what is wrong with the values; they match nothing then
	at         problem            // the place of not_after
	used       bool               // a workload refers to it
	broken     bool               // it has problems, so a missing list is no further one
}

// inForce reports whether the values count at now. An unknown time is none.
func (v *referenceValues) inForce(now time.Time) bool {
	return !now.IsZero() && !now.After(v.notAfter)
}

func sortedReferences(references map[string]*referenceValues) []*referenceValues {
	return slices.SortedFunc(maps.Values(references), func(a, b *referenceValues) int { return strings.Compare(a.name, b.name) })
}

// readReferenceValues reads a document into l.references.
func (l *loader) readReferenceValues(d document) {
	before := len(l.problems.list)
	f := d.fields
	v := &referenceValues{lists: map[string]digests{}, signedBy: d.signedBy}
	nameNode := f.need("name", "give the reference values a name to refer to them by")
	v.name = d.name(nameNode)
	technology := d.word(f.need("technology", "write sev-snp, tdx or tpm"), "technology", []string{"sev-snp", "tdx", "tpm"})
	v.technology = evidence.Kind(technology)
	v.provenance = d.readProvenance(f.need("provenance", "say where the values come from: {source: …, created_by: …, created_at: …}"))
	notAfterNode := f.need("not_after", "give the time from which the values no longer count, such as 2027-01-31T00:00:00Z")
	v.notAfter = d.instant(notAfterNode)
	v.at = d.place(notAfterNode)
	if !v.notAfter.IsZero() && !v.notAfter.After(v.provenance.CreatedAt) {
		d.problem(notAfterNode, evidence.CodePolicyValue, "not_after is not later than provenance.created_at")
	}
	v.knownBad = d.texts(f.take("known_bad"), "known_bad")
	v.shape = d.readShape(d.mapping(f.take("shape"), "shape"))
	if lists := d.mapping(f.need("values", "list the values"), "values"); lists != nil {
		d.readLists(lists, v)
	}
	f.done()
	v.broken = len(l.problems.list) > before
	l.defineReference(d, nameNode, v)
}

func (l *loader) defineReference(d document, at *yaml.Node, v *referenceValues) {
	if v.name == "" {
		l.incomplete = true
		return
	}
	if l.references[v.name] != nil {
		d.problem(at, evidence.CodePolicyDuplicateName, "there are reference values named %q already", v.name)
		return
	}
	l.references[v.name] = v
	if len(v.knownBad) > 0 {
		l.flagBad(v)
	}
}

// flagBad makes every key that compares with values of these lists refuse them.
func (l *loader) flagBad(v *referenceValues) {
	for key, list := range v.lists {
		name := listName(v.technology, key)
		l.knownBad[name] = append(l.knownBad[name], reference{v, list})
	}
}

// readProvenance reads who says so. It stands in the document and counts in its digest.
func (s source) readProvenance(n *yaml.Node) (p Provenance) {
	f := s.mapping(n, "provenance")
	if f == nil {
		return p
	}
	p.Source = s.text(f.need("source", "say what the values were computed or measured from, such as an image and its digest"))
	p.CreatedBy = s.text(f.need("created_by", "say who or what made them"))
	p.CreatedAt = s.instant(f.need("created_at", "give the time, such as 2026-11-22T08:00:00Z"))
	f.done()
	return p
}

// readLists reads the lists that a technology has.
func (s source) readLists(f *fields, v *referenceValues) {
	switch v.technology {
	case evidence.KindSEVSNP:
		s.readList(f.take("measurements"), valueSpec{key: "measurements", size: snpMeasurementSize}, v)
	case evidence.KindTDX:
		s.readList(f.take("mrtd"), valueSpec{key: "mrtd", size: tdxRegisterSize}, v)
		s.readList(f.take("mrseam"), valueSpec{key: "mrseam", size: tdxRegisterSize}, v)
		for i := range tdxRTMRs {
			key := rtmrKey(i)
			s.readList(f.take(key), valueSpec{key: key, size: tdxRegisterSize, zero: true}, v)
		}
		s.readBootLists(f.take("boot"), tdxBoot, v)
	case evidence.KindTPM:
		s.readPCRs(f.take("pcrs"), func(bank string, index int, n *yaml.Node) {
			s.readList(n, valueSpec{key: pcrKey(bank, index), size: pcrBanks[bank]}, v)
		})
		s.readBootLists(f.take("boot"), tpmReferenceBoot(), v)
		s.readIMALists(f.take("ima"), v)
	default:
		return // the technology was reported
	}
	if len(f.values) == 0 {
		s.problem(f.at, evidence.CodePolicyValue, "values is empty")
	}
	f.done()
}

func (s source) readList(n *yaml.Node, spec valueSpec, v *referenceValues) {
	if n == nil {
		return
	}
	list := digests{}
	for _, entry := range s.sequence(n, spec.key) {
		s.literal(entry, spec, list)
	}
	v.lists[spec.key] = list
}

// pcrBanks are the banks that a policy may name, with their digests' sizes in
// bytes (TCG algorithm registry). SHA-1 is not among them.
var pcrBanks = map[string]int{"sha256": 32, "sha384": 48, "sha512": 64}

// resettablePCRs can be set back by software that runs later than what they
// measured, so they prove nothing (TCG PC Client Platform TPM Profile, 4.7).
var resettablePCRs = []int{16, 21, 22, 23}

func pcrKey(bank string, index int) string { return "pcrs." + bank + "." + strconv.Itoa(index) }

// readPCRs reads {BANK: {INDEX: [...]}} and calls read for each list.
func (s source) readPCRs(n *yaml.Node, read func(bank string, index int, n *yaml.Node)) {
	if n == nil {
		return
	}
	banks := s.mapping(n, "pcrs")
	if banks == nil {
		return
	}
	if len(n.Content) == 0 {
		s.problem(n, evidence.CodePolicyValue, "pcrs is empty; name a bank and its PCRs")
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		bank, list := n.Content[i], n.Content[i+1]
		if pcrBanks[bank.Value] == 0 {
			s.problem(bank, evidence.CodePolicyUnsafe, "PCR bank %q is not accepted; use sha256, sha384 or sha512", clip(bank.Value))
			continue
		}
		s.readBank(list, bank.Value, read)
	}
}

func (s source) readBank(n *yaml.Node, bank string, read func(bank string, index int, n *yaml.Node)) {
	if s.mapping(n, "pcrs."+bank) == nil {
		return
	}
	if len(n.Content) == 0 {
		s.problem(n, evidence.CodePolicyValue, "pcrs.%s is empty; list at least one PCR", bank)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, list := n.Content[i], n.Content[i+1]
		index, err := strconv.Atoi(key.Value)
		switch {
		case err != nil || strconv.Itoa(index) != key.Value || index < 0 || index > evidence.MaxPCR:
			s.problem(key, evidence.CodePolicyType, "pcrs.%s: a PCR has a number from 0 to %d, not %s", bank, evidence.MaxPCR, describe(key))
		case slices.Contains(resettablePCRs, index):
			s.problem(key, evidence.CodePolicyUnsafe, "pcrs.%s: PCR %d can be reset by the running system, so it proves nothing of the boot", bank, index)
		default:
			read(bank, index, list)
		}
	}
}
