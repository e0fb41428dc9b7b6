package machines

import "go.yaml.in/yaml/v3"

// into returns what reads a text into a value.
func into[T ~string](r *reader, value *T) func(*yaml.Node) {
	return func(n *yaml.Node) { *value = T(r.text(n)) }
}

// spec reads a description.
func (r *reader) spec(n *yaml.Node, s *Spec) {
	artefact := func(a *Artefact) func(*yaml.Node) { return func(n *yaml.Node) { r.artefact(n, a) } }
	r.mapping(n, "a machine", []member{
		{"name", into(r, &s.Name)}, {"technology", into(r, &s.Technology)},
		{"product", into(r, &s.Product)}, {"vlek", into(r, &s.VLEK)},
		{"firmware", artefact(&s.Firmware)}, {"kernel", artefact(&s.Kernel)}, {"initrd", artefact(&s.Initrd)},
		{"command_line", into(r, &s.CommandLine)},
		{"vcpus", func(n *yaml.Node) { s.VCPUs = r.number(n) }}, {"vcpu_type", into(r, &s.VCPUType)},
		{"tpm", func(n *yaml.Node) { r.tpm(n, &s.TPM) }},
		{"ima", func(n *yaml.Node) {
			r.list(n, maxFiles, func(n *yaml.Node) { s.IMA = append(s.IMA, r.file(n)) })
		}},
		{"pinned", func(n *yaml.Node) { s.Pinned = r.truth(n) }},
		{"faults", func(n *yaml.Node) {
			r.list(n, maxFaults, func(n *yaml.Node) { s.Faults = append(s.Faults, r.text(n)) })
		}},
	})
	for _, needed := range []struct{ key, value string }{{"name", s.Name}, {"technology", string(s.Technology)}} {
		if needed.value == "" && len(r.errs) == 0 {
			r.fail(n, "a machine needs the key %s", needed.key)
		}
	}
}

// artefact reads a name, or a mapping that names a file.
func (r *reader) artefact(n *yaml.Node, a *Artefact) {
	if n.Kind == yaml.MappingNode {
		r.mapping(n, "an artefact", []member{{"file", into(r, &a.File)}})
		if a.File == "" && len(r.errs) == 0 {
			r.fail(n, "an artefact is a name, or a mapping with the key file")
		}
		return
	}
	a.Name = r.text(n)
}

func (r *reader) tpm(n *yaml.Node, t *TPMSpec) {
	r.mapping(n, "a TPM", []member{
		{"backend", into(r, &t.Backend)}, {"key", into(r, &t.Key)}, {"ek", into(r, &t.EK)}, {"bank", into(r, &t.Bank)},
		{"enrolled", func(n *yaml.Node) { t.Enrolled = r.truth(n) }},
	})
}

func (r *reader) file(n *yaml.Node) (f File) {
	r.mapping(n, "a measured file", []member{{"path", into(r, &f.Path)}, {"content", into(r, &f.Content)}})
	if f.Path == "" && len(r.errs) == 0 {
		r.fail(n, "a measured file needs the key path")
	}
	return f
}
