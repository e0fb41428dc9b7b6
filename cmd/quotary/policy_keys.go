package main

import (
	"flag"
	"path/filepath"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// keysHelp explains the flag of signingKeys.
const keysHelp = `  --reference-key FILE   a public key (PEM) that signs reference values, as the service's
                         reference_keys have it, named as the file is; repeatable. With
                         any, unsigned reference values are refused
`

// signingKeys are files of keys that may sign reference values.
type signingKeys struct{ files list }

func (k *signingKeys) register(fs *flag.FlagSet) { fs.Var(&k.files, "reference-key", "") }

// options are how documents are read by these keys.
func (k *signingKeys) options() (o policies.Options, err error) {
	for _, path := range k.files {
		data, err := readFile(path, evidence.MaxCertificate)
		if err != nil {
			return o, err
		}
		name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		key, err := policies.ParseReferenceKey(name, data)
		if err != nil {
			return o, withHint(err, "--reference-key takes a public key in PEM (PUBLIC KEY), in a file whose name is the key's")
		}
		o.ReferenceKeys = append(o.ReferenceKeys, key)
	}
	return o, nil
}

// load reads and compiles the documents that flags name.
func (k *signingKeys) load(paths list) (*policies.Set, error) {
	if len(paths) == 0 {
		return nil, usage("no policy is named", "give --policy PATH: a YAML file, or a directory of them; repeatable")
	}
	files, err := readDocuments(paths)
	if err != nil {
		return nil, err
	}
	o, err := k.options()
	if err != nil {
		return nil, err
	}
	set, err := o.Load(files...)
	return set, withHint(err, "correct the policy documents; nothing was judged. See quotary policy lint")
}
