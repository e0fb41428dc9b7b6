package corim

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// Import reads a CoRIM into documents of reference values. The error is an
// *evidence.Error: CodeCoRIMMalformed, CodeCoRIMUnsupported, CodeCoRIMSignature or
// CodeCoRIMValidity, with the place in the CoRIM as its field; CodePolicyReferenceKey
// for keys that cannot be used; or [policies.Problems] for values that are none,
// such as all ones.
func Import(data []byte, o ImportOptions) (Imported, error) {
	if len(data) > policies.MaxFileSize {
		return Imported{}, evidence.Errorf(evidence.CodeCoRIMMalformed, "corim", "a CoRIM has at most %d bytes, this one has %d", policies.MaxFileSize, len(data))
	}
	if _, err := (policies.Options{ReferenceKeys: o.Keys}).Load(); err != nil {
		return Imported{}, err
	}
	payload, by, err := open(data, o.Keys)
	if err != nil {
		return Imported{}, err
	}
	m, err := readManifest(payload)
	if err != nil {
		return Imported{}, err
	}
	r := reader{partial: o.Partial}
	begin, end, err := validity(m, by, o)
	if err != nil {
		return Imported{}, err
	}
	documents, err := r.documents(m, o.Name)
	if err != nil {
		return Imported{}, err
	}
	for i := range documents {
		documents[i].createdAt, documents[i].notAfter = begin, end
		if by != nil {
			documents[i].source += fmt.Sprintf(", signed by %s with key %s", by.signer, by.key)
		}
	}
	text := write(documents)
	if _, err := policies.Load(policies.File{Name: "imported", Data: text}); err != nil {
		return Imported{}, err
	}
	out := Imported{YAML: text, ID: m.id, Requirements: r.requirements, LeftOut: r.leftOut}
	if by != nil {
		out.SignedBy = by.key
	}
	return out, nil
}

// validity returns the beginning and the end of what the CoRIM says: the latest
// beginning and the earliest end of all that are given.
func validity(m manifest, by *signature, o ImportOptions) (begin, end time.Time, err error) {
	begin, end = m.notBefore, earlier(m.notAfter, o.NotAfter)
	if by != nil {
		begin, end = later(begin, by.notBefore), earlier(end, by.notAfter)
	}
	refuse := func(format string, args ...any) (time.Time, time.Time, error) {
		return begin, end, evidence.Errorf(evidence.CodeCoRIMValidity, "corim.rim-validity", format, args...)
	}
	switch {
	case end.IsZero():
		return refuse("the CoRIM does not say until when it is valid; say until when its values count")
	case begin.After(o.Now):
		return refuse("the CoRIM is valid from %s", begin.Format(time.RFC3339))
	case !end.After(o.Now):
		return refuse("the CoRIM was valid until %s", end.Format(time.RFC3339))
	case begin.IsZero():
		begin = o.Now.UTC().Truncate(time.Second)
	}
	return begin, end, nil
}

// reader turns triples into lists of reference values.
type reader struct {
	partial      bool
	requirements []Requirement
	leftOut      []string
}

// record is what one triple gives: values by the key that refers to them.
type record struct {
	technology evidence.Kind
	what       string // the environment, for provenance
	lists      map[string][]evidence.Hex
}

// beyond reports what no document can hold.
func (r *reader) beyond(i item, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if !r.partial {
		return i.unsupported("%s, which reference values cannot hold", text)
	}
	switch {
	case len(r.leftOut) < maxLeftOut:
		r.leftOut = append(r.leftOut, i.at+": "+text)
	case len(r.leftOut) == maxLeftOut:
		r.leftOut = append(r.leftOut, "and more")
	}
	return nil
}

// require reports what has its place in a workload.
func (r *reader) require(i item, technology, key, value string) error {
	if !r.partial {
		return i.unsupported("it asks for %s.%s %s, which has its place in a workload and not in reference values", technology, key, value)
	}
	wanted := Requirement{technology, key, value, i.at}
	same := func(q Requirement) bool { return q.Technology == technology && q.Key == key && q.Value == value }
	if slices.ContainsFunc(r.requirements, same) {
		return nil
	}
	if len(r.requirements) == maxLeftOut {
		return i.unsupported("the CoRIM asks for more than %d things besides values", maxLeftOut)
	}
	r.requirements = append(r.requirements, wanted)
	return nil
}

var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// documents reads the modules: values that stand for themselves gather in one
// document for each technology; registers that belong together get one of their own.
func (r *reader) documents(m manifest, name string) ([]document, error) {
	var all []document
	for _, module := range m.modules {
		found, err := r.module(m, module)
		if err != nil {
			return nil, err
		}
		if name == "" {
			if !nameForm.MatchString(module.id) {
				return nil, item{at: "corim.tags"}.unsupported("the tag's ID %q is not of the form of names; give the document a name", module.id)
			}
			number(found, module.id)
		}
		all = append(all, found...)
	}
	if name != "" {
		number(all, name)
	}
	return all, nil
}

// number names documents: one by the name, several with numbers.
func number(documents []document, name string) {
	for i := range documents {
		documents[i].name = name
		if len(documents) > 1 {
			documents[i].name += "-" + strconv.Itoa(i+1)
		}
	}
}

func (r *reader) module(m manifest, of module) ([]document, error) {
	var out []document
	gathered := map[string]int{} // by environment, the index in out
	for _, t := range of.triples {
		rec, err := r.triple(m.profile, t)
		if err != nil {
			return nil, err
		}
		at, ok := gathered[rec.what]
		if !ok || len(rec.lists) > 1 {
			at = len(out)
			out = append(out, document{
				technology: rec.technology, createdBy: m.createdBy(of), lists: map[string][]evidence.Hex{},
				source: fmt.Sprintf("CoRIM %s, tag %s: %s", m.id, of.id, rec.what),
			})
			if len(rec.lists) == 1 {
				gathered[rec.what] = at
			}
		}
		out[at].add(rec.lists)
	}
	return out, nil
}

func (d *document) add(lists map[string][]evidence.Hex) {
	for key, values := range maps.All(lists) {
		for _, value := range values {
			d.put(key, value)
		}
	}
}

// modelsTDXModule are the models that published examples call the TDX module by.
var modelsTDXModule = []string{"TDX SEAM", "TDXSEAM"}

var classKeys = map[int64]string{0: "class-id", 1: "vendor", 2: "model"}

// triple reads a triple by its environment's class.
func (r *reader) triple(profile string, t triple) (record, error) {
	f, err := t.class.fields(classKeys)
	if err != nil {
		return record{}, err
	}
	class, err := r.className(*t.class, f)
	if err != nil {
		return record{}, err
	}
	for _, m := range t.measurements {
		if m.authorizedBy != nil {
			if err := r.beyond(*m.authorizedBy, "the values count where certain keys vouch for them"); err != nil {
				return record{}, err
			}
		}
	}
	switch {
	case profile != "" && profile != profileAMD && profile != profileAMD2024 && profile != profileIntel:
		return record{}, item{at: "corim.profile"}.unsupported("the profile is none that is known")
	case class == classSNPByChip || class == classSNPByCSP:
		if profile == profileIntel {
			return record{}, t.class.unsupported("the environment is not of the CoRIM's profile")
		}
		return r.snp(t, class)
	case class == classTDXModule || class == modelTD:
		if profile == profileAMD || profile == profileAMD2024 {
			return record{}, t.class.unsupported("the environment is not of the CoRIM's profile")
		}
		return r.tdx(t, class)
	}
	return record{}, t.class.unsupported("the environment is none that is known: SEV-SNP guests, TDX modules and TDs are")
}

// className returns a class's OID; no OID is assigned to TDs, so that these go by
// vendor and model. Beside an OID these may narrow it, to a product line for instance.
func (r *reader) className(at item, f map[string]item) (string, error) {
	names := map[string]string{}
	for _, key := range []string{"vendor", "model"} {
		if value, ok := f[key]; ok {
			text, err := value.text()
			if err != nil {
				return "", err
			}
			names[key] = text
		}
	}
	if id, ok := f["class-id"]; ok {
		class, err := id.oid()
		described := class == classTDXModule && names["vendor"] == vendorIntel && slices.Contains(modelsTDXModule, names["model"])
		if err == nil && len(names) > 0 && !described {
			err = r.beyond(at, "the values are those of vendor %q and model %q", names["vendor"], names["model"])
		}
		return class, err
	}
	if names["vendor"] == vendorIntel && names["model"] == modelTD {
		return modelTD, nil
	}
	return "", nil
}
