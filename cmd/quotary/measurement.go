package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// measurement is the answer of measure snp, tdx and pcr.
type measurement struct {
	Technology evidence.Kind `json:"technology"`
	// Values has the keys that reference values have in a policy.
	Values map[string]any `json:"values"`
	// Unknown says which registers the artefacts do not tell, and why.
	Unknown   map[string]string `json:"unknown,omitempty"`
	Events    []measuredEvent   `json:"events,omitempty"`
	Launch    string            `json:"launch"` // in words
	Artefacts artefacts         `json:"artefacts"`
	// Shape is the virtual machine that the values are for; nil if they depend on none.
	Shape *machineShape `json:"shape,omitempty"`
}

// machineShape says what of a virtual machine gets into its values, as reference values do.
type machineShape struct {
	VCPUs int    `json:"vcpus"`
	CPU   string `json:"cpu,omitempty"`
	VMM   string `json:"vmm"`
}

// measuredEvent is one extension of a register.
type measuredEvent struct {
	Register string       `json:"register"`
	What     string       `json:"what"`
	Digest   evidence.Hex `json:"digest"`
}

// referenceLife is how long reference values count unless told otherwise: half a
// year, by which an image has a successor.
const referenceLife = 180 * 24 * time.Hour

// measureOutput is the flags that say how a measurement is written.
type measureOutput struct {
	format              *choice
	reference           string
	createdBy           string
	createdAt, notAfter instant
}

const measureOutputHelp = `  -o text|json|yaml        output format
  --reference NAME         write a document of reference values of this name, as
                           policies have them (as YAML, unless -o json)
  --created-by WHO         who vouches for it; default: quotary measure
  --created-at TIME        when it was made (RFC 3339); default: now
  --not-after TIME         from when on it no longer counts; default: 180 days later
`

func (m *measureOutput) define(fs *flag.FlagSet) {
	m.format = outputFlag(fs, "text", "json", "yaml")
	fs.StringVar(&m.reference, "reference", "", "")
	fs.StringVar(&m.createdBy, "created-by", "quotary measure", "")
	fs.Var(&m.createdAt, "created-at", "")
	fs.Var(&m.notAfter, "not-after", "")
}

// write writes the measurement, or the reference values that it makes.
func (m *measureOutput) write(s streams, result measurement) error {
	if m.reference == "" {
		return m.encode(s, result, result.writeText)
	}
	document, err := m.document(result)
	if err != nil {
		return err
	}
	return m.encode(s, document, func(out *bytes.Buffer) error { return writeYAML(out, document) })
}

// encode writes value as JSON or YAML, or as text says.
func (m *measureOutput) encode(s streams, value any, text func(*bytes.Buffer) error) error {
	switch m.format.value {
	case "json":
		return writeJSON(s, value)
	case "yaml":
		return writeYAML(s.out, value)
	}
	return text(s.out)
}

// referenceDocument is a document of reference values (docs/policy.md).
type referenceDocument struct {
	APIVersion string              `json:"apiVersion"`
	Kind       string              `json:"kind"`
	Name       string              `json:"name"`
	Technology evidence.Kind       `json:"technology"`
	Provenance referenceProvenance `json:"provenance"`
	NotAfter   string              `json:"not_after"`
	Shape      *machineShape       `json:"shape,omitempty"`
	Values     map[string]any      `json:"values"`
}

type referenceProvenance struct {
	Source    string `json:"source"`
	CreatedBy string `json:"created_by"`
	CreatedAt string `json:"created_at"`
}

func (m *measureOutput) document(result measurement) (referenceDocument, error) {
	at := m.createdAt.Time
	if !m.createdAt.given {
		at = time.Now()
	}
	end := m.notAfter.Time
	if !m.notAfter.given {
		end = at.Add(referenceLife)
	}
	if len(result.Values) == 0 {
		return referenceDocument{}, usage("no register is known, so there are no reference values", "see what is unknown, and why, without --reference")
	}
	if !end.After(at) {
		return referenceDocument{}, usage("--not-after is not later than --created-at", "give a time by which the image will have a successor")
	}
	return referenceDocument{
		"quotary.dev/v1", "ReferenceValues", m.reference, result.Technology,
		referenceProvenance{result.source(), m.createdBy, at.UTC().Format(time.RFC3339)}, end.UTC().Format(time.RFC3339), result.Shape, result.Values,
	}, nil
}

// source says what the values were computed from: the launch, and as many of the files
// as a policy has room for.
func (m measurement) source() string {
	var b strings.Builder
	for n, a := range m.Artefacts {
		part := fmt.Sprintf("%s %s (sha256:%s); ", a.Role, printable(a.Name), a.SHA256)
		more := fmt.Sprintf("and %d more; ", len(m.Artefacts)-n)
		if b.Len()+len(part)+len(more)+len(m.Launch) > maxSource {
			b.WriteString(more)
			break
		}
		b.WriteString(part)
	}
	return b.String() + m.Launch
}

// writeText writes the measurement for people.
func (m measurement) writeText(out *bytes.Buffer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, line := range flatten("", m.Values) {
		fmt.Fprintf(table, "%s\t%s\n", line.name, line.value)
	}
	table.Flush()
	fmt.Fprintln(out, "\nfrom:")
	for _, a := range m.Artefacts {
		fmt.Fprintf(table, "  %s\t%s\tsha256:%s\n", a.Role, printable(a.Name), a.SHA256)
	}
	fmt.Fprintf(table, "  launch\t%s\n", printable(m.Launch))
	table.Flush()
	if len(m.Events) > 0 {
		fmt.Fprintln(out, "\nevents:")
		for _, e := range m.Events {
			fmt.Fprintf(table, "  %s\t%s\t%s\n", e.Register, e.Digest, printable(shorten(e.What)))
		}
		table.Flush()
	}
	if len(m.Unknown) > 0 {
		fmt.Fprintln(out, "\nnot known from these files:")
		for _, register := range slices.SortedFunc(maps.Keys(m.Unknown), byNumber) {
			fmt.Fprintf(table, "  %s\t%s\n", register, m.Unknown[register])
		}
		table.Flush()
	}
	return nil
}

// flatten lists values by their path, in the order of registers.
func flatten(path string, value any) []row {
	switch v := value.(type) {
	case map[string]any:
		var rows []row
		for _, name := range slices.SortedFunc(maps.Keys(v), byNumber) {
			rows = append(rows, flatten(strings.TrimPrefix(path+"."+name, "."), v[name])...)
		}
		return rows
	case []string:
		return []row{{path, strings.Join(v, " ")}}
	}
	return nil
}

// byNumber sorts registers by number where they are numbers.
func byNumber(a, b string) int {
	m, err1 := strconv.Atoi(a)
	n, err2 := strconv.Atoi(b)
	if err1 == nil && err2 == nil {
		return m - n
	}
	return strings.Compare(a, b)
}

// writeYAML writes what JSON would have, in the same order.
func writeYAML(out *bytes.Buffer, value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(encoded, &node); err != nil {
		return err
	}
	plain(&node)
	encoder := yaml.NewEncoder(out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&node); err != nil {
		return err
	}
	return encoder.Close()
}

// plain takes JSON's way of writing off a document, and registers into order.
func plain(n *yaml.Node) {
	n.Style = 0
	if n.Kind == yaml.MappingNode {
		plainKeys(n)
	}
	for _, child := range n.Content {
		plain(child)
	}
}

// plainKeys makes keys that are numbers of registers numbers, and sorts them.
func plainKeys(n *yaml.Node) {
	type entry struct{ key, value *yaml.Node }
	var entries []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		if _, err := strconv.Atoi(n.Content[i].Value); err != nil {
			return
		}
		entries = append(entries, entry{n.Content[i], n.Content[i+1]})
	}
	slices.SortFunc(entries, func(a, b entry) int { return byNumber(a.key.Value, b.key.Value) })
	n.Content = nil
	for _, e := range entries {
		e.key.Tag = "!!int"
		n.Content = append(n.Content, e.key, e.value)
	}
}
