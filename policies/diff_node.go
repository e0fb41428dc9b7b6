package policies

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// differ gathers what differs between two documents.
type differ struct {
	changes        []KeyChange
	added, removed int // below values
}

// node compares two values, of which one may be absent.
func (d *differ) node(path string, was, is *yaml.Node) {
	switch {
	case was == nil || is == nil:
		d.oneSided(path, was, is)
	case was.Kind == yaml.MappingNode && is.Kind == yaml.MappingNode:
		d.mapping(path, was, is)
	case isList(was) && isList(is):
		d.list(path, was, is)
	case !sameNode(was, is):
		d.count(path, was, is)
		d.changes = append(d.changes, KeyChange{Key: path, Change: ChangeChanged, Before: brief(was), After: brief(is)})
	}
}

func (d *differ) oneSided(path string, was, is *yaml.Node) {
	d.count(path, was, is)
	change := KeyChange{Key: path, Change: ChangeAdded}
	if is != nil {
		change.After = brief(is)
	} else {
		change.Change, change.Before = ChangeRemoved, brief(was)
	}
	d.changes = append(d.changes, change)
}

// count counts reference values of which one side has all.
func (d *differ) count(path string, was, is *yaml.Node) {
	if path == "values" || strings.HasPrefix(path, "values.") {
		d.removed += countLeaves(was)
		d.added += countLeaves(is)
	}
}

// mapping compares the keys of two mappings, in the order of the latter.
func (d *differ) mapping(path string, was, is *yaml.Node) {
	old := mappingOf(was)
	for i := 0; i+1 < len(is.Content); i += 2 {
		key := is.Content[i].Value
		d.node(below(path, key), old[key], is.Content[i+1])
		delete(old, key)
	}
	for i := 0; i+1 < len(was.Content); i += 2 {
		if key := was.Content[i].Value; old[key] != nil {
			d.node(below(path, key), old[key], nil)
		}
	}
}

// list compares two lists: entries that are mappings by their names, or else
// their places; others as sets.
func (d *differ) list(path string, was, is *yaml.Node) {
	oldNamed, oldPlain := entriesOf(was)
	newNamed, newPlain := entriesOf(is)
	for _, e := range newNamed {
		d.node(path+"["+e.name+"]", find(oldNamed, e.name), e.node)
	}
	for _, e := range oldNamed {
		if find(newNamed, e.name) == nil {
			d.node(path+"["+e.name+"]", e.node, nil)
		}
	}
	change := KeyChange{Key: path, Change: ChangeChanged}
	change.Added, change.AddedCount = missing(newPlain, oldPlain)
	change.Removed, change.RemovedCount = missing(oldPlain, newPlain)
	if change.AddedCount+change.RemovedCount > 0 {
		d.changes = append(d.changes, change)
		if strings.HasPrefix(path, "values.") {
			d.added += change.AddedCount
			d.removed += change.RemovedCount
		}
	}
}

// entry is an entry of a list that is a mapping, by its name.
type entry struct {
	name string
	node *yaml.Node
}

// entryNames are the keys that name an entry of a list.
var entryNames = []string{"name", "id", "status"}

// entriesOf sorts the entries of a list. A reference counts as a plain value.
func entriesOf(list *yaml.Node) (named []entry, plain []string) {
	for i, n := range list.Content {
		if n.Kind != yaml.MappingNode {
			plain = append(plain, n.Value)
			continue
		}
		keys := mappingOf(n)
		if name := keys["reference"]; name != nil {
			plain = append(plain, "reference "+name.Value)
			continue
		}
		label := strconv.Itoa(i + 1)
		for _, key := range entryNames {
			if name := keys[key]; name != nil && name.Kind == yaml.ScalarNode {
				label = name.Value
				break
			}
		}
		if find(named, label) != nil {
			label += "#" + strconv.Itoa(i+1)
		}
		named = append(named, entry{label, n})
	}
	return named, plain
}

func find(entries []entry, name string) *yaml.Node {
	i := slices.IndexFunc(entries, func(e entry) bool { return e.name == name })
	if i < 0 {
		return nil
	}
	return entries[i].node
}

// missing returns the first texts of a that b has not, and how many there are.
func missing(a, b []string) (first []string, count int) {
	have := make(map[string]bool, len(b))
	for _, text := range b {
		have[text] = true
	}
	for _, text := range a {
		if have[text] {
			continue
		}
		if count++; count <= maxWantValues {
			first = append(first, clipTo(onOneLine(text), maxText))
		}
	}
	return first, count
}

func mappingOf(n *yaml.Node) map[string]*yaml.Node {
	out := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		out[n.Content[i].Value] = n.Content[i+1]
	}
	return out
}

func below(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func isList(n *yaml.Node) bool { return n.Kind == yaml.SequenceNode }

func sameNode(a, b *yaml.Node) bool { return string(appendNode(nil, a)) == string(appendNode(nil, b)) }

// countLeaves counts the entries of all lists below n.
func countLeaves(n *yaml.Node) int {
	switch {
	case n == nil:
		return 0
	case isList(n):
		return len(n.Content)
	case n.Kind == yaml.ScalarNode:
		return 1
	}
	count := 0
	for i := 1; i < len(n.Content); i += 2 {
		count += countLeaves(n.Content[i])
	}
	return count
}

// onOneLine writes a text without the end that YAML's blocks give it, and in
// quotes if it holds what does not print.
func onOneLine(text string) string {
	text = strings.TrimSuffix(text, "\n")
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

// brief writes a value on one line, cut where it is long.
func brief(n *yaml.Node) string {
	const enough = 120
	var b strings.Builder
	writeBrief(&b, n, enough)
	return clipTo(b.String(), enough)
}

func writeBrief(b *strings.Builder, n *yaml.Node, enough int) {
	switch n.Kind {
	case yaml.ScalarNode:
		b.WriteString(onOneLine(n.Value))
		return
	case yaml.SequenceNode:
		b.WriteString("[")
		defer b.WriteString("]")
	default:
		b.WriteString("{")
		defer b.WriteString("}")
	}
	step := 1
	if n.Kind == yaml.MappingNode {
		step = 2
	}
	for i := 0; i < len(n.Content) && b.Len() <= enough; i += step {
		if i > 0 {
			b.WriteString(", ")
		}
		if step == 2 {
			b.WriteString(n.Content[i].Value + ": ")
		}
		writeBrief(b, n.Content[i+step-1], enough)
	}
}
