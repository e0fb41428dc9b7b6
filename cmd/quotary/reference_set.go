package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/policies"
)

// documentSet is the files of a policy set, document by document, so that one can be
// changed and everything else stays as somebody wrote it.
type documentSet struct{ list []*documentFile }

// documentFile is a file as its documents, which together are its text.
type documentFile struct {
	name    string
	pieces  []*piece
	changed bool
}

// piece is the text of one document, from the line with --- that begins it, if there
// is one. Such lines stand nowhere else: what belongs to a document is indented, or
// begins with a key (YAML 1.2, section 9.1.2).
type piece struct {
	file *documentFile
	text string
	root *yaml.Node // nil if there are only comments
}

// referenceKind is the kind of documents of reference values.
const referenceKind = "ReferenceValues"

// readDocumentSet reads a set in files.
func readDocumentSet(paths []string) (*documentSet, error) {
	files, err := readDocuments(paths)
	if err != nil {
		return nil, err
	}
	return newDocumentSet(files)
}

func newDocumentSet(files []policies.File) (*documentSet, error) {
	set := &documentSet{}
	for _, f := range files {
		file := &documentFile{name: f.Name}
		for _, text := range splitDocuments(string(f.Data)) {
			p, err := newPiece(file, text)
			if err != nil {
				return nil, withHint(fmt.Errorf("%s: %w", f.Name, err), "see quotary policy lint")
			}
			file.pieces = append(file.pieces, p)
		}
		set.list = append(set.list, file)
	}
	return set, nil
}

// splitDocuments cuts a file before each line that begins a document.
func splitDocuments(text string) []string {
	var all []string
	var b strings.Builder
	for line := range strings.Lines(text) {
		if isMarker(line) && b.Len() > 0 {
			all = append(all, b.String())
			b.Reset()
		}
		b.WriteString(line)
	}
	return append(all, b.String())
}

func isMarker(line string) bool {
	rest, ok := strings.CutPrefix(line, "---")
	return ok && (rest == "" || strings.ContainsRune(" \t\r\n", rune(rest[0])))
}

func newPiece(file *documentFile, text string) (*piece, error) {
	p := &piece{file: file, text: text}
	decoder := yaml.NewDecoder(strings.NewReader(text))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			return p, nil
		}
		return nil, err
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("a document ends in the middle of a line") // as with "..."
	}
	if document.Kind == yaml.DocumentNode && len(document.Content) == 1 && document.Content[0].Kind == yaml.MappingNode {
		p.root = document.Content[0]
	}
	return p, nil
}

// body is the document's text without the line that begins it.
func (p *piece) body() string {
	first, rest, _ := strings.Cut(p.text, "\n")
	if isMarker(first) && strings.TrimSpace(first) == "---" {
		return rest
	}
	return p.text
}

// files is the set as it stands.
func (d *documentSet) files() []policies.File {
	files := make([]policies.File, len(d.list))
	for i, file := range d.list {
		files[i] = policies.File{Name: file.name, Data: []byte(file.text())}
	}
	return files
}

func (f *documentFile) text() string {
	var b strings.Builder
	for _, p := range f.pieces {
		b.WriteString(p.text)
	}
	return b.String()
}

// pieces lists the documents of reference values.
func (d *documentSet) pieces() []*piece {
	var all []*piece
	for _, file := range d.list {
		for _, p := range file.pieces {
			if p.scalar("kind") == referenceKind {
				all = append(all, p)
			}
		}
	}
	return all
}

// reference returns the document of reference values of a name.
func (d *documentSet) reference(name string) (*piece, error) {
	var names []string
	for _, p := range d.pieces() {
		if p.scalar("name") == name {
			return p, nil
		}
		names = append(names, p.scalar("name"))
	}
	slices.Sort(names)
	missing, hint := fmt.Sprintf("the set has no reference values %q", name), "it has none"
	if len(names) > 0 {
		hint = "it has: " + printable(strings.Join(names, ", "))
	}
	if signed := d.signedFiles(); len(signed) > 0 {
		missing += " that are not signed"
		hint += "; signed files are kept as they are (" + printable(strings.Join(signed, ", ")) + "): get them with quotary policy show --out DIR, sign what is changed, and take it over with quotary reference add --replace"
	}
	return nil, usage(missing, hint)
}

// signedFiles names the files that are kept as they are.
func (d *documentSet) signedFiles() []string {
	var names []string
	for _, file := range d.list {
		if slices.ContainsFunc(file.pieces, (*piece).signed) {
			names = append(names, file.name)
		}
	}
	return names
}

// child returns what a path of keys leads to, nil for nothing.
func (p *piece) child(path ...string) *yaml.Node {
	n := p.root
	for _, key := range path {
		var found *yaml.Node
		for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				found = n.Content[i+1]
			}
		}
		n = found
	}
	return n
}

// scalar returns the text that a path leads to, "" for none.
func (p *piece) scalar(path ...string) string {
	if n := p.child(path...); n != nil && n.Kind == yaml.ScalarNode {
		return n.Value
	}
	return ""
}

// setText replaces a text where it stands, and nothing beside it.
func (p *piece) setText(key, value string) error {
	n := p.child(key)
	if n == nil || n.Kind != yaml.ScalarNode {
		return usage("the document has no "+key, "see quotary policy lint")
	}
	lines := strings.SplitAfter(p.text, "\n")
	if n.Line < 1 || n.Line > len(lines) {
		return fmt.Errorf("%s stands nowhere", key)
	}
	line := []rune(lines[n.Line-1])
	if n.Column < 1 || n.Column > len(line) {
		return fmt.Errorf("%s stands nowhere", key)
	}
	before, rest := string(line[:n.Column-1]), string(line[n.Column-1:])
	for _, quote := range []string{"", `"`, "'"} {
		if after, ok := strings.CutPrefix(rest, quote+n.Value+quote); ok {
			lines[n.Line-1] = before + quote + value + quote + after
			return p.replace(strings.Join(lines, ""))
		}
	}
	return usage(key+" is written in a way that this program does not replace", "write it in one line, or edit the file")
}

// replace gives the document another text.
func (p *piece) replace(text string) error {
	changed, err := newPiece(p.file, text)
	if err != nil {
		return err
	}
	p.text, p.root, p.file.changed = changed.text, changed.root, true
	return nil
}

// take adds documents, which must all be reference values. Those of a name that is
// there take its place, if they may; others go into the file of a place.
func (d *documentSet) take(added *documentSet, replace bool, place func(string) string) error {
	for _, file := range added.list {
		if !slices.ContainsFunc(file.pieces, func(p *piece) bool { return p.root != nil || p.signed() }) {
			return usage(file.name+" has no document of reference values", "quotary measure --reference NAME writes such documents")
		}
		for _, p := range file.pieces {
			if p.root == nil && !p.signed() {
				continue
			}
			if p.signed() {
				if err := d.takeFile(file, replace, place(file.name)); err != nil {
					return err
				}
				continue
			}
			if kind := p.scalar("kind"); kind != referenceKind {
				return usage(fmt.Sprintf("%s has a document of kind %q, and only reference values are taken here", file.name, kind), "put other documents in force with quotary policy apply")
			}
			if err := d.takeOne(p, replace, place(file.name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *documentSet) takeOne(p *piece, replace bool, place string) error {
	name := p.scalar("name")
	for _, old := range d.pieces() {
		if old.scalar("name") != name {
			continue
		}
		if !replace {
			return usage(fmt.Sprintf("the set has reference values %q already, in %s", name, old.file.name), "give the new ones another name, or --replace to have them take the place")
		}
		begin := ""
		if old.text != old.body() {
			begin = "---\n"
		}
		return old.replace(begin + wholeLines(p.body()))
	}
	file := d.file(place)
	text := wholeLines(p.body())
	if len(file.pieces) > 0 {
		last := file.pieces[len(file.pieces)-1]
		last.text = wholeLines(last.text)
		text = "---\n" + text
	}
	fresh, err := newPiece(file, text)
	if err != nil {
		return err
	}
	file.pieces, file.changed = append(file.pieces, fresh), true
	return nil
}

// signed reports whether this is a signed file, which is kept as it is: an envelope
// (DSSE) or a message (COSE_Sign1, as PEM).
func (p *piece) signed() bool {
	return p.scalar("payloadType") != "" || strings.HasPrefix(strings.TrimSpace(p.text), "-----BEGIN COSE")
}

// takeFile adds a signed file, whose documents are read by whoever has the keys.
func (d *documentSet) takeFile(added *documentFile, replace bool, place string) error {
	if filepath.Base(place) != filepath.Base(added.name) {
		return usage("a signed file stays a file of its own", "name the policy's directory with --policy")
	}
	file := d.file(place)
	if len(file.pieces) > 0 && !replace {
		return usage(fmt.Sprintf("the set has a file %s already", file.name), "rename the new one, or have it take the place with --replace")
	}
	file.pieces, file.changed = added.pieces, true
	return nil
}

// file returns the file of a name, which may be new.
func (d *documentSet) file(name string) *documentFile {
	for _, file := range d.list {
		if file.name == name {
			return file
		}
	}
	file := &documentFile{name: name}
	d.list = append(d.list, file)
	return file
}

// wholeLines is text whose last line ends.
func wholeLines(text string) string {
	if text == "" || strings.HasSuffix(text, "\n") {
		return text
	}
	return text + "\n"
}
