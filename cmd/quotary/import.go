package main

import (
	"fmt"
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
	"github.com/quotary/quotary/tee/endorsements/store"
)

const importHelp = `usage: quotary endorsements import --store DIR [FLAG]… PATH…

Take into a store what is authentic of files, directories and archives: a bundle
that quotary endorsements export wrote, files from AMD's or Intel's services (with
the chains of their headers as files, too), a host's certificate table (auxblob,
THIM JSON). Where they come from does not matter. What is older than what the store
has seen is refused; nothing displaces what is newer.

flags:
` + storeFlagsHelp + `  -o text|json    output format

What becomes of each endorsement:
  added      the store has it now
  held       was there, or is no newer than what is there
  refused    authentic, but older than what was seen before, or without room
  unvouched  no chain leads to a trusted root of AMD's or Intel's: forged, of
             another vendor or for other evidence (SGX), or of a simulator whose
             root --trust does not name
  root       not kept: trusted roots are part of this build, or named with --trust

exit codes: 0 all of it was added, held or a root, 2 something was refused or
unvouched (the rest is in the store), 1 usage or internal error, or there is no
endorsement in any PATH

examples:
  quotary endorsements import --store ./collateral bundle.tar.gz
  quotary endorsements import --store /var/lib/quotary/collateral vcek.der auxblob
  quotary endorsements import --store ./collateral tcb.json identity.json pck.crl root.crl chain.pem
`

// importReport is import's answer, as JSON has it.
type importReport struct {
	Store     string          `json:"store"`
	Added     []importName    `json:"added,omitempty"`
	Held      int             `json:"held"`
	Roots     int             `json:"roots"`
	Refused   []importRefused `json:"refused,omitempty"`
	Unvouched []importRefused `json:"unvouched,omitempty"`
	// Unused lists files that are no endorsements.
	Unused []endorsements.Source `json:"unused,omitempty"`
}

type importName struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// importRefused is what was not taken in, and why.
type importRefused struct {
	What  string       `json:"what"`
	Error *reportError `json:"error"`
}

func importCommand(s streams, args []string) (exit, error) {
	fs := flagSet("endorsements import")
	var f storeFlags
	f.define(fs)
	output := outputFlag(fs, "text", "json")
	paths, err := parse(fs, args)
	if err == nil {
		err = f.check(fs)
	}
	if err == nil && len(paths) == 0 {
		err = usage("there is no PATH", "name files, directories or archives; see quotary endorsements import --help")
	}
	if err != nil {
		return exitFailed, err
	}
	r, err := importPaths(f, paths)
	if err != nil {
		return exitFailed, err
	}
	if output.value == "json" {
		return r.exit(), writeJSON(s, r)
	}
	r.writeText(s)
	return r.exit(), nil
}

func importPaths(f storeFlags, paths []string) (*importReport, error) {
	authorities, err := f.authorities()
	if err != nil {
		return nil, err
	}
	found, read, err := endorsements.Load(paths...)
	if err != nil {
		return nil, withHint(err, "PATH is a file, directory or archive of certificates and revocation lists; nothing was imported")
	}
	services := new(vendorFlags).services(authorities)
	opened, err := openStore(f.config(services))
	if err != nil {
		return nil, err
	}
	taken, err := opened.Import(found)
	if err != nil {
		return nil, err
	}
	r := &importReport{Store: f.dir, Held: taken.Held, Unused: read.Unrecognised}
	r.addTaken(taken)
	if taken.Unknown > 0 {
		held := opened.Endorsements()
		var authentic []tee.Endorsed
		for _, service := range services {
			authentic = append(authentic, service.Endorser.Admit(found, held, f.now())...)
		}
		r.addUnknown(unknownOf(found, held, authentic))
	}
	return r, closeStore(opened)
}

func (r *importReport) addTaken(taken store.ImportReport) {
	for _, name := range taken.Added {
		r.Added = append(r.Added, importName{name.Type, name.ID})
	}
	for _, refused := range taken.Refused {
		r.Refused = append(r.Refused, importRefused{refused.Name.String(), errorOf(refused.Err)})
	}
}

// addUnknown tells roots, which are in every chain that is handed out, from what
// nobody vouches for.
func (r *importReport) addUnknown(unknown *tee.Endorsements) {
	eachOf(unknown, func(d tee.Endorsed) {
		if c := d.Certificate; c != nil && c.IsCA && string(c.RawSubject) == string(c.RawIssuer) {
			r.Roots++
			return
		}
		err := evidence.Errorf(evidence.CodeEndorsementUnvouched, "", "no chain leads from it to a trusted root of AMD's or Intel's, it is for other evidence than theirs, or it is dated after now")
		r.Unvouched = append(r.Unvouched, importRefused{describeEndorsed(d), errorOf(err)})
	})
}

// exit is exitRejected if anything was not taken in that should have been.
func (r *importReport) exit() exit {
	if len(r.Refused)+len(r.Unvouched) > 0 {
		return exitRejected
	}
	return exitAccepted
}

// writeText writes the report for people; what was not taken in is noted at once.
func (r *importReport) writeText(s streams) {
	for _, file := range r.Unused {
		s.note("%s was not used: %s", printable(file.Name), printable(shorten(file.Note)))
	}
	for _, refused := range slices.Concat(r.Refused, r.Unvouched) {
		s.note("%s: %s: %s", printable(shorten(refused.What)), refused.Error.Code, printable(refused.Error.Detail))
	}
	if len(r.Unvouched) > 0 {
		s.note("hint: is it what AMD or Intel hands out for SEV-SNP or TDX, with its chain, and is the clock right? the root of a simulator or test PKI is named with --trust")
	}
	for _, name := range r.Added {
		fmt.Fprintf(s.out, "added  %s\n", printable(cutTo(nameWidth, name.Type+" "+name.ID)))
	}
	fmt.Fprintf(s.out, "%s: %d added, %d held, %d refused, %d unvouched, %d roots\n",
		printable(r.Store), len(r.Added), r.Held, len(r.Refused), len(r.Unvouched), r.Roots)
}
