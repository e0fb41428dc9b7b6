package policies

import (
	"maps"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
)

// ReferenceInfo is what a document of reference values says of itself.
type ReferenceInfo struct {
	Name       string        `json:"name"`
	Technology evidence.Kind `json:"technology"`
	// Values counts the values of each list, by the key that refers to it, such as "rtmr1".
	Values     map[string]int `json:"values"`
	Provenance Provenance     `json:"provenance"`
	NotAfter   time.Time      `json:"not_after"` // from then on the values no longer count
	Shape      *Shape         `json:"shape,omitempty"`
	KnownBad   []string       `json:"known_bad,omitempty"` // what is wrong with the values
	// SignedBy are the names of the configured keys that signed the document; none
	// if it is not signed.
	SignedBy []string `json:"signed_by,omitempty"`
	Used     bool     `json:"used"` // a workload refers to it
	File     string   `json:"file"`
}

// Provenance says where reference values come from. It is the word of whoever
// wrote the document, or signed it.
type Provenance struct {
	Source    string    `json:"source"`
	CreatedBy string    `json:"created_by"`
	CreatedAt time.Time `json:"created_at"`
}

// Shape is the virtual machine that the values were made for. It is for people:
// measurements depend on it, and nothing is compared with it.
type Shape struct {
	VCPUs  uint64 `json:"vcpus,omitempty"`
	CPU    string `json:"cpu,omitempty"`    // the processor's model, as the VMM calls it
	Memory string `json:"memory,omitempty"` // such as 8 GiB
	VMM    string `json:"vmm,omitempty"`    // such as QEMU 10.1
}

// References lists the set's reference values by name.
func (s *Set) References() []ReferenceInfo {
	if s == nil {
		return nil
	}
	infos := make([]ReferenceInfo, len(s.references))
	for i, v := range s.references {
		infos[i] = v.info()
	}
	return infos
}

// ReferenceLists returns the values of a document by the key that refers to them,
// each list sorted; nil if there is no such document.
func (s *Set) ReferenceLists(name string) map[string][]evidence.Hex {
	if s == nil {
		return nil
	}
	for _, v := range s.references {
		if v.name != name {
			continue
		}
		lists := map[string][]evidence.Hex{}
		for key, list := range v.lists {
			for _, value := range slices.Sorted(maps.Keys(list)) {
				lists[key] = append(lists[key], evidence.Hex(value))
			}
		}
		return lists
	}
	return nil
}

func (v *referenceValues) info() ReferenceInfo {
	info := ReferenceInfo{
		Name: v.name, Technology: v.technology, Values: map[string]int{}, Provenance: v.provenance, NotAfter: v.notAfter,
		KnownBad: slices.Clone(v.knownBad), SignedBy: slices.Clone(v.signedBy), Used: v.used, File: v.at.file,
	}
	for key, list := range maps.All(v.lists) {
		info.Values[key] = len(list)
	}
	if v.shape != nil {
		shape := *v.shape
		info.Shape = &shape
	}
	return info
}

// readShape reads what machine the values are for; nil if the document does not say.
func (s source) readShape(f *fields) *Shape {
	if f == nil {
		return nil
	}
	vcpus := f.take("vcpus")
	shape := &Shape{
		VCPUs: s.number(vcpus, maxVCPUs), CPU: s.text(f.take("cpu")), Memory: s.text(f.take("memory")), VMM: s.text(f.take("vmm")),
	}
	if vcpus != nil && vcpus.Value == "0" {
		s.problem(vcpus, evidence.CodePolicyValue, "a machine has at least one vCPU")
	}
	if len(f.values) == 0 {
		s.problem(f.at, evidence.CodePolicyValue, "shape is empty; leave it out, or say what the values depend on")
	}
	f.done()
	return shape
}
