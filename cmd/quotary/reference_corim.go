package main

import (
	"flag"
	"path/filepath"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/policies/corim"
)

// corimHelp explains the flags of corimFlags.
const corimHelp = `files of suppliers:
  --corim                the files are CoRIMs (docs/corim.md), in CBOR
  --corim-key FILE       a public key (PEM) of which one must have signed them;
                         without, they must not be signed; repeatable
  --name NAME            what the document is to be called; by default as its tag is
  --not-after TIME       when it ends (RFC 3339), if the CoRIM does not say
  --partial              take the values of one that asks for more, and tell the rest

`

// corimFlags say how files of suppliers are read.
type corimFlags struct {
	given, partial bool
	keys           signingKeys
	name           string
	notAfter       instant
}

func (f *corimFlags) register(fs *flag.FlagSet) {
	fs.BoolVar(&f.given, "corim", false, "")
	fs.BoolVar(&f.partial, "partial", false, "")
	fs.Var(&f.keys.files, "corim-key", "")
	fs.StringVar(&f.name, "name", "", "")
	fs.Var(&f.notAfter, "not-after", "")
}

// words are the flags as they were given.
func (f *corimFlags) words() []string {
	if !f.given {
		return nil
	}
	words := []string{"--corim"}
	for _, key := range f.keys.files {
		words = append(words, "--corim-key", key)
	}
	if f.name != "" {
		words = append(words, "--name", f.name)
	}
	if f.notAfter.given {
		words = append(words, "--not-after", stamp(f.notAfter.Time))
	}
	if f.partial {
		words = append(words, "--partial")
	}
	return words
}

// read reads documents to add: of policy files, or what CoRIMs become.
func (f *corimFlags) read(s streams, paths []string) (*documentSet, error) {
	if !f.given {
		if f.partial || f.name != "" || f.notAfter.given || len(f.keys.files) > 0 {
			return nil, usage("--corim-key, --name, --not-after and --partial are of CoRIMs", "say that the files are: --corim")
		}
		return readDocumentSet(paths)
	}
	if len(paths) == 0 {
		return nil, usage("no CoRIM is named", "name the suppliers' files")
	}
	keys, err := f.keys.options()
	if err != nil {
		return nil, err
	}
	o := corim.ImportOptions{Name: f.name, Keys: keys.ReferenceKeys, Now: time.Now(), NotAfter: f.notAfter.Time, Partial: f.partial}
	var files []policies.File
	for _, path := range paths {
		text, err := importCoRIM(s, path, o)
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)) + ".yaml"
		files = append(files, policies.File{Name: filepath.Join(filepath.Dir(path), name), Data: text})
	}
	return newDocumentSet(files)
}

// importCoRIM reads a CoRIM, and tells what of it has no place in reference values.
func importCoRIM(s streams, path string, o corim.ImportOptions) ([]byte, error) {
	data, err := readFile(path, policies.MaxFileSize)
	if err != nil {
		return nil, err
	}
	imported, err := corim.Import(data, o)
	switch evidence.CodeOf(err) {
	case evidence.CodeCoRIMUnsupported:
		return nil, withHint(err, "--partial takes the values alone; whether they are good without the rest is yours to decide")
	case evidence.CodeCoRIMSignature:
		return nil, withHint(err, "name the supplier's key with --corim-key; without it, a CoRIM must not be signed")
	}
	if err != nil {
		return nil, withHint(err, "see docs/corim.md for what is read")
	}
	for _, r := range imported.Requirements {
		s.note("warning: %s: the supplier asks for %s.%s: %s, which belongs into the workload", printable(r.At), r.Technology, r.Key, printable(r.Value))
	}
	for _, left := range imported.LeftOut {
		s.note("warning: left out: %s", printable(left))
	}
	return imported.YAML, nil
}
