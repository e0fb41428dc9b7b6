package draft

import (
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// references are the lists that the workload refers to, by kind of evidence, in
// the order of their first mention.
type references struct {
	kinds []evidence.Kind
	lists map[evidence.Kind]*node
}

// node is a key of a document with what is below it.
type node struct {
	name     string
	children []*node
	values   []string // quoted; of a list
}

// add puts a list at its place. The same list may be mentioned again.
func (r *references) add(kind evidence.Kind, path, values []string) {
	if r.lists == nil {
		r.lists = map[evidence.Kind]*node{}
	}
	at := r.lists[kind]
	if at == nil {
		at = &node{}
		r.kinds, r.lists[kind] = append(r.kinds, kind), at
	}
	for _, name := range path {
		at = at.child(name)
	}
	if at.values == nil {
		at.values = values
		return
	}
	for _, value := range values { // a few: long lists are mentioned once
		if !slices.Contains(at.values, value) {
			at.values = append(at.values, value)
		}
	}
}

func (n *node) child(name string) *node {
	for _, child := range n.children {
		if child.name == name {
			return child
		}
	}
	child := &node{name: name}
	n.children = append(n.children, child)
	return child
}

// write writes the documents of reference values behind the workload.
func (r *references) write(w *page) {
	for _, kind := range r.kinds {
		w.line("---")
		w.say("What the workload %s refers to. A value that is added here is good for every workload that refers to this document.", w.options.Name)
		w.line("apiVersion: quotary.dev/v1")
		w.line("kind: ReferenceValues")
		w.line("name: %s", quote(w.options.reference(kind)))
		w.line("technology: %s", kind)
		w.open("provenance", "Where the values come from. They are observed: replace this by the build's once you have computed the values from its artefacts.")
		w.line("source: %s", quote(plain("observed: a machine's own evidence"+from(w.options.Source))))
		author := strings.TrimSpace(plain(w.options.CreatedBy))
		if author == "" {
			author = "a draft from evidence"
		}
		w.line("created_by: %s", quote(author))
		w.line("created_at: %s", w.options.made())
		w.close()
		w.key("not_after", w.options.notAfter(), "From then on these values match nothing. An image that is not rebuilt for long lacks its updates.")
		w.line("values:")
		w.indent += 2
		r.lists[kind].write(w)
		w.indent -= 2
	}
}

func (n *node) write(w *page) {
	for _, child := range n.children {
		name := word(child.name)
		if len(child.children) == 0 {
			w.sequence(name, child.values)
			continue
		}
		w.line("%s:", name)
		w.indent += 2
		child.write(w)
		w.indent -= 2
	}
}
