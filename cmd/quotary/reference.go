package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/policies/corim"
)

const referenceHelp = `usage: quotary reference list|export|add|expire|import [FLAG]… [OPERAND]…

Look after reference values: what good machines measure, who says so, and until when.
They are documents of a policy set, which quotary measure --reference computes: of the
set in force at a service, or, with --policy, of one in files.

subcommands:
  list    list the documents of reference values
  export  print one of them
  add     add documents to the set
  expire  have the values of one no longer count from some time on
  import  take over all documents of a directory, also newer ones of names that are there

The other documents of the set, and all comments, stay as they are. At a service every
change is a dry run unless told otherwise. Each has its own: quotary reference add --help
`

// referencePlace explains the flags of referenceFlags.
const referencePlace = `whose reference values:
  --policy PATH          those of a set in files, a file or directory, instead of those
                         that are in force at the service; repeatable
` + keysHelp + `
`

// referenceCommands lists the subcommands of reference.
func referenceCommands() []command {
	return []command{
		{"list", "list the documents of reference values", referenceListHelp, referenceList},
		{"export", "print one of them", referenceExportHelp, referenceExport},
		{"add", "add documents to the set", referenceAddHelp, referenceAdd},
		{"expire", "have the values of one no longer count", referenceExpireHelp, referenceExpire},
		{"import", "take over all documents of a directory", referenceImportHelp, referenceImport},
	}
}

func referenceCommand(s streams, args []string) (exit, error) {
	return subcommand(s, "reference", referenceCommands(), args)
}

// referenceFlags say which set is meant.
type referenceFlags struct {
	service adminFlags
	policy  list
	keys    signingKeys
}

func (f *referenceFlags) register(fs *flag.FlagSet) {
	f.service.register(fs)
	fs.Var(&f.policy, "policy", "")
	f.keys.register(fs)
}

// look reads the set and shows something of it.
func (f *referenceFlags) look(s streams, show func(*documentSet) error) (exit, error) {
	if len(f.policy) > 0 {
		set, err := readDocumentSet(f.policy)
		if err == nil {
			err = show(set)
		}
		return exitAccepted, err
	}
	return f.service.do(s, viewer, func(ctx context.Context, c *admin.Client) error {
		p, err := c.Policy(ctx)
		if err != nil {
			return err
		}
		set, err := newDocumentSet(filesOf(p.Documents))
		if err != nil {
			return err
		}
		return show(set)
	})
}

// change edits the set, and writes its files or has the service take it over.
func (f *referenceFlags) change(s streams, how changeFlags, command []string, edit func(*documentSet) error) (exit, error) {
	if len(f.policy) > 0 {
		if how != (changeFlags{}) {
			return exitFailed, usage("--yes, --base and --comment are of changes at a service", "with --policy, the files are written at once")
		}
		if err := f.changeFiles(s, edit); err != nil {
			return exitFailed, err
		}
		return exitAccepted, nil
	}
	return administer(s, &f.service, how.role(), func(ctx context.Context, c *admin.Client) error {
		p, err := c.Policy(ctx)
		if err != nil {
			return err
		}
		set, err := newDocumentSet(filesOf(p.Documents))
		if err != nil {
			return err
		}
		if err := edit(set); err != nil {
			return err
		}
		documents, err := documentsOf(set.files())
		if err != nil {
			return err
		}
		if how.base == "" {
			how.base = p.Digest // what was edited
		}
		return applying(c, how, command, &f.service, documents).do(ctx, s, c)
	})
}

// changeFiles edits a set in files, which must load before and after.
func (f *referenceFlags) changeFiles(s streams, edit func(*documentSet) error) error {
	set, err := readDocumentSet(f.policy)
	if err != nil {
		return err
	}
	before := set.files()
	if err := edit(set); err != nil {
		return err
	}
	o, err := f.keys.options()
	if err != nil {
		return err
	}
	changes, err := o.Diff(before, set.files())
	if err != nil {
		return withHint(err, "nothing was written: the set would not load; see quotary policy lint")
	}
	for _, file := range set.list {
		if !file.changed {
			continue
		}
		if err := os.WriteFile(file.name, []byte(file.text()), 0o644); err != nil {
			return err
		}
	}
	return writeValue(s, f.service.output.value, changes, func() error {
		showChanges(s, changes)
		showNext(s, "quotary policy lint "+shellWords(f.policy))
		return nil
	})
}

const referenceListHelp = `usage: quotary reference list [FLAG]…

List documents of reference values: for which technology, how many values, until when
they count, and what they were made from.

` + referencePlace + adminHelp + adminExits + `
examples:
  quotary reference list
  quotary reference list --policy ./policy -o json | jq -r '.references[] | select(.used | not).name'
`

func referenceList(s streams, args []string) (exit, error) {
	var f referenceFlags
	fs := flagSet("reference list")
	f.register(fs)
	if err := parseWithout(fs, args); err != nil {
		return exitFailed, err
	}
	o, err := f.keys.options()
	if err != nil {
		return exitFailed, err
	}
	return f.look(s, func(set *documentSet) error {
		loaded, err := o.Load(set.files()...)
		if err != nil {
			return withHint(err, "the set does not load here: if its reference values are signed, give the keys with --reference-key")
		}
		list := append([]policies.ReferenceInfo{}, loaded.References()...)
		return writeValue(s, f.service.output.value, map[string]any{"references": list}, func() error {
			showReferences(s, list, time.Now())
			return nil
		})
	})
}

func showReferences(s streams, list []policies.ReferenceInfo, now time.Time) {
	if len(list) == 0 {
		fmt.Fprintln(s.out, "none")
		return
	}
	t := newTable(column{"NAME", true}, column{"FOR", true}, column{"VALUES", true}, column{"COUNT UNTIL", true}, column{"", true}, column{"USED", true}, column{"SIGNED BY", true}, column{"BY", false}, column{"FROM", false})
	for _, r := range list {
		state := cell{"ended", red}
		switch {
		case len(r.KnownBad) > 0:
			state = cell{"KNOWN BAD", red}
		case r.NotAfter.After(now):
			state = cell{"in " + rough(r.NotAfter.Sub(now)), green}
		}
		used := cell{"no", yellow}
		if r.Used {
			used = cell{"yes", none}
		}
		t.add(r.Name, r.Technology, valuesIn(r), stamp(r.NotAfter), state, used, strings.Join(r.SignedBy, ", "), r.Provenance.CreatedBy, r.Provenance.Source)
	}
	t.write(s)
}

func valuesIn(r policies.ReferenceInfo) (sum int) {
	for _, n := range r.Values {
		sum += n
	}
	return sum
}

const referenceExportHelp = `usage: quotary reference export [FLAG]… NAME

Print a document of reference values as it stands in the set, with its comments.

  --out FILE             write it into this file, which must not exist
  --corim                write it as a CoRIM in CBOR, unsigned (docs/corim.md)

` + referencePlace + adminHelp + adminExits + `
examples:
  quotary reference export web-2026-11 > web-2026-11.yaml
  quotary reference export --policy ./policy web-2026-11
`

func referenceExport(s streams, args []string) (exit, error) {
	var f referenceFlags
	fs := flagSet("reference export")
	f.register(fs)
	out := fs.String("out", standardOutput, "")
	asCoRIM := fs.Bool("corim", false, "")
	name, err := operandOf(fs, args, "NAME")
	if err != nil {
		return exitFailed, err
	}
	return f.look(s, func(set *documentSet) error {
		piece, err := set.reference(name)
		if err != nil {
			return err
		}
		if *asCoRIM {
			data, err := corim.Export([]byte(piece.body()), corim.ExportOptions{})
			if err != nil {
				return withHint(err, "docs/corim.md says what a CoRIM can hold")
			}
			if *out == standardOutput && s.terminal.width > 0 {
				return usage("a CoRIM is no text for a terminal", "name a file with --out")
			}
			return writeNew(s, *out, data)
		}
		if f.service.output.value != "text" {
			var value any
			if err := piece.root.Decode(&value); err != nil {
				return err
			}
			return writeValue(s, f.service.output.value, value, nil)
		}
		return writeNew(s, *out, []byte(strings.TrimSuffix(piece.body(), "\n")+"\n"))
	})
}

const referenceAddHelp = `usage: quotary reference add [FLAG]… FILE…

Add documents of reference values to the set, as quotary measure --reference writes them.
Each keeps its file's name.

  --replace              take the place of documents of the same name

` + corimHelp + referencePlace + changeHelp + adminHelp + adminExits + `
examples:
  quotary measure snp --ovmf OVMF.fd --vcpus 4 --vcpu-type EPYC-Milan --reference web-2026-11 > web-2026-11.yaml
  quotary reference add web-2026-11.yaml
  quotary reference add --policy ./policy web-2026-11.yaml
  quotary reference add --corim --corim-key supplier.pem firmware.corim
`

const referenceImportHelp = `usage: quotary reference import [FLAG]… DIRECTORY

Take over all documents of reference values in a directory: those of new names are added,
the others take the place of the documents of the same name.

` + referencePlace + changeHelp + adminHelp + adminExits + `
examples:
  quotary reference import ./references --yes --comment "release 2026-11"
`

func referenceAdd(s streams, args []string) (exit, error) {
	return addReferences(s, "add", args)
}

func referenceImport(s streams, args []string) (exit, error) {
	return addReferences(s, "import", args)
}

func addReferences(s streams, name string, args []string) (exit, error) {
	var f referenceFlags
	var how changeFlags
	fs := flagSet("reference " + name)
	f.register(fs)
	how.register(fs)
	replace := name == "import"
	var suppliers corimFlags
	if !replace {
		fs.BoolVar(&replace, "replace", false, "")
		suppliers.register(fs)
	}
	operands, err := parse(fs, args)
	if err != nil {
		return exitFailed, err
	}
	added, err := suppliers.read(s, operands)
	if err != nil {
		return exitFailed, err
	}
	command := append(append([]string{"quotary", "reference", name}, operands...), suppliers.words()...)
	if replace && name == "add" {
		command = append(command, "--replace")
	}
	return f.change(s, how, command, func(set *documentSet) error { return set.take(added, replace, f.place(set)) })
}

// place says which file new documents go into: one of their file's name, beside the
// others, or where no directory was named, the first that was.
func (f *referenceFlags) place(set *documentSet) func(name string) string {
	if len(f.policy) == 0 {
		return filepath.Base
	}
	for _, path := range f.policy {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return func(name string) string { return filepath.Join(path, filepath.Base(name)) }
		}
	}
	return func(string) string { return set.list[0].name }
}

const referenceExpireHelp = `usage: quotary reference expire --at TIME [FLAG]… NAME

Have the values of a document no longer count from some time on: not_after is replaced.
Machines that show them are refused then, at the latest when their identity ends.

  --at TIME              from when on (RFC 3339)

` + referencePlace + changeHelp + adminHelp + adminExits + `
examples:
  quotary reference expire --at 2026-12-31T00:00:00Z web-2026-05
`

func referenceExpire(s streams, args []string) (exit, error) {
	var f referenceFlags
	var how changeFlags
	var at instant
	fs := flagSet("reference expire")
	f.register(fs)
	how.register(fs)
	fs.Var(&at, "at", "")
	name, err := operandOf(fs, args, "NAME")
	if err != nil {
		return exitFailed, err
	}
	if !at.given {
		return exitFailed, usage("from when on are the values not to count?", "give --at TIME, such as 2026-12-31T00:00:00Z")
	}
	command := []string{"quotary", "reference", "expire", "--at", stamp(at.Time), name}
	return f.change(s, how, command, func(set *documentSet) error {
		piece, err := set.reference(name)
		if err != nil {
			return err
		}
		return piece.setText("not_after", stamp(at.Time))
	})
}
