package corim

import (
	"crypto"
	"crypto/rand"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/veraison/go-cose"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// ExportOptions say how a CoRIM is written.
type ExportOptions struct {
	// ID is the CoRIM's ID; empty means the first document's name.
	ID string
	// Signer signs the CoRIM (COSE_Sign1); nil leaves it unsigned.
	Signer crypto.Signer
	// SignerName is what the signer calls itself; it must be there with a Signer.
	SignerName string
	// KeyID is the key ID of the signature; empty means the key's own (policies.ReferenceKey.ID).
	KeyID string
}

var deterministic = func() cbor.EncMode {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic("corim: " + err.Error())
	}
	return mode
}()

func encode(v any) ([]byte, error) { return deterministic.Marshal(v) }

// Export writes documents of reference values, which must be of one origin and one
// end, as a CoRIM with a tag for each of them. The error is a [policies.Problems] for
// documents that do not load, and otherwise an *evidence.Error: CodeCoRIMExport for what a CoRIM of these
// profiles cannot hold, CodePolicyReferenceKey for a key that cannot sign.
// The shape and the source of values stay behind: a CoRIM has no place for them.
func Export(text []byte, o ExportOptions) ([]byte, error) {
	set, err := policies.Load(policies.File{Name: "reference values", Data: text})
	if err != nil {
		return nil, err
	}
	infos := set.References()
	if err := exportable(infos, set); err != nil {
		return nil, err
	}
	if o.ID == "" {
		o.ID = infos[0].Name
	}
	corim, err := manifestOf(infos, set, o.ID)
	if err != nil {
		return nil, err
	}
	if o.Signer == nil {
		return corim, nil
	}
	return signCoRIM(corim, o)
}

func refuseExport(name, format string, args ...any) error {
	return evidence.Errorf(evidence.CodeCoRIMExport, name, format, args...)
}

// exportable refuses what a CoRIM has no place for.
func exportable(infos []policies.ReferenceInfo, set *policies.Set) error {
	if len(infos) == 0 || len(set.Workloads()) > 0 {
		return refuseExport("", "a CoRIM is made of documents of reference values alone, at least one")
	}
	first := infos[0]
	for _, info := range infos {
		switch {
		case info.Technology != evidence.KindSEVSNP && info.Technology != evidence.KindTDX:
			return refuseExport(info.Name, "there is no profile for values of technology %s", info.Technology)
		case info.Technology != first.Technology:
			return refuseExport(info.Name, "a CoRIM has one profile, and the documents are of two technologies; export them one by one")
		case len(info.KnownBad) > 0:
			return refuseExport(info.Name, "values that are known to be bad have no place in a CoRIM, which says what is good")
		case !info.NotAfter.Equal(first.NotAfter) || !info.Provenance.CreatedAt.Equal(first.Provenance.CreatedAt) || info.Provenance.CreatedBy != first.Provenance.CreatedBy:
			return refuseExport(info.Name, "a CoRIM has one creator and one validity, and the documents differ in theirs; export them one by one")
		case len(info.Provenance.CreatedBy) > maxText:
			return refuseExport(info.Name, "created_by is longer than %d bytes", maxText)
		case !wholeSeconds(info.NotAfter) || !wholeSeconds(info.Provenance.CreatedAt):
			return refuseExport(info.Name, "the times of a CoRIM are whole seconds from 1970")
		}
		for key := range info.Values {
			if !slices.Contains([]string{"measurements", "mrtd", "mrseam", "rtmr0", "rtmr1", "rtmr2", "rtmr3"}, key) {
				return refuseExport(info.Name, "the profiles have no place for the list %s", key)
			}
		}
	}
	return nil
}

func wholeSeconds(t time.Time) bool { return t.Nanosecond() == 0 && t.Unix() >= 0 && !t.After(latest) }

type (
	ints  map[int64]any
	items []any
)

func manifestOf(infos []policies.ReferenceInfo, set *policies.Set, id string) ([]byte, error) {
	var tags items
	for _, info := range infos {
		comid, err := encode(ints{
			1: ints{0: info.Name},
			4: ints{0: triplesOf(info.Technology, set.ReferenceLists(info.Name))},
		})
		if err != nil {
			return nil, err
		}
		tags = append(tags, cbor.Tag{Number: tagCoMID, Content: comid})
	}
	first := infos[0]
	profile := cbor.Tag{Number: tagURI, Content: profileAMD}
	if first.Technology == evidence.KindTDX {
		profile = cbor.Tag{Number: tagOID, Content: []byte(profileIntel)}
	}
	return encode(cbor.Tag{Number: tagCoRIM, Content: ints{
		0: id,
		1: tags,
		3: profile,
		4: ints{0: timeOf(first.Provenance.CreatedAt), 1: timeOf(first.NotAfter)},
		5: items{ints{0: first.Provenance.CreatedBy, 2: items{roleManifestCreator}}},
	}})
}

func timeOf(t time.Time) cbor.Tag { return cbor.Tag{Number: tagTime, Content: t.Unix()} }

// triplesOf writes lists as they count: each value for itself. Only where
// every register has one value, they stand in one triple, as those of one release.
func triplesOf(technology evidence.Kind, lists map[string][]evidence.Hex) items {
	if technology == evidence.KindSEVSNP {
		var triples items
		for _, value := range lists["measurements"] {
			triples = append(triples, items{
				ints{0: ints{0: cbor.Tag{Number: tagOID, Content: append([]byte{0x06, byte(len(classSNPByChip))}, classSNPByChip...)}}},
				items{ints{0: snpMeasurement, 1: ints{2: items{digestOf(value)}}}},
			})
		}
		return triples
	}
	modules := moduleTriples(lists["mrseam"])
	delete(lists, "mrseam")
	single := true
	for _, list := range lists {
		single = single && len(list) == 1
	}
	if single && len(lists) > 0 {
		return append(modules, tdTriple(lists))
	}
	for _, key := range []string{"mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3"} {
		for _, value := range lists[key] {
			modules = append(modules, tdTriple(map[string][]evidence.Hex{key: {value}}))
		}
	}
	return modules
}

func digestOf(value evidence.Hex) items { return items{algorithmSHA384, []byte(value)} }

func moduleTriples(values []evidence.Hex) items {
	var triples items
	for _, value := range values {
		triples = append(triples, items{
			ints{0: ints{0: cbor.Tag{Number: tagOID, Content: []byte(classTDXModule)}}},
			items{ints{1: ints{-83: items{digestOf(value)}}}},
		})
	}
	return triples
}

// tdTriple writes registers of one TD.
func tdTriple(lists map[string][]evidence.Hex) items {
	values, registers := ints{}, ints{}
	if mrtd := lists["mrtd"]; mrtd != nil {
		values[-83] = items{digestOf(mrtd[0])}
	}
	for index, key := range tdxRegisters {
		if list := lists[key]; list != nil {
			registers[index] = items{digestOf(list[0])}
		}
	}
	if len(registers) > 0 {
		values[14] = registers
	}
	return items{ints{0: ints{1: vendorIntel, 2: modelTD}}, items{ints{1: values}}}
}

// signCoRIM signs as draft-ietf-rats-corim, 4.2 says: the signer's name is protected.
func signCoRIM(corim []byte, o ExportOptions) ([]byte, error) {
	algorithm, err := policies.SigningAlgorithm(o.Signer.Public())
	if err != nil {
		return nil, err
	}
	if o.SignerName == "" || len(o.SignerName) > maxText {
		return nil, refuseExport("", "the signer needs a name, of at most %d bytes", maxText)
	}
	if o.KeyID == "" {
		o.KeyID = policies.ReferenceKey{Public: o.Signer.Public()}.ID()
	}
	by, err := cose.NewSigner(algorithm, o.Signer)
	if err != nil {
		return nil, refuseExport("", "%w", err)
	}
	meta, err := encode(ints{0: ints{0: o.SignerName}})
	if err != nil {
		return nil, err
	}
	signed, err := cose.Sign1(rand.Reader, by, cose.Headers{Protected: cose.ProtectedHeader{
		labelAlgorithm: algorithm, labelContent: contentTypeRIM, labelKeyID: []byte(o.KeyID), labelMeta: meta,
	}}, corim, nil)
	if err != nil {
		return nil, refuseExport("", "%w", err)
	}
	return signed, nil
}
