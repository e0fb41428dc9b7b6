package main

import (
	"bytes"

	"github.com/quotary/quotary/tee/endorsements/store"
)

const exportHelp = `usage: quotary endorsements export --store DIR --out FILE

Write everything that a store holds as one archive (tar.gz), for machines without
a network: quotary endorsements import takes it in there, and quotary verify
--endorsements and a service's endorsements directory read it as it is. It holds
no secrets, and needs no protection: whoever reads it verifies it.

flags:
` + storeFlagsHelp + `  --out FILE      the archive, which must not exist yet, or - for standard output

exit codes: 0 written, 1 usage or internal error, or the store is empty. What the
archive lacks, or holds although it has expired, is noted on standard error

example:
  quotary endorsements export --store ./collateral --out bundle.tar.gz
`

func export(s streams, args []string) (exit, error) {
	fs := flagSet("endorsements export")
	var f storeFlags
	f.define(fs)
	out := fs.String("out", "", "")
	if err := parseWithout(fs, args); err != nil {
		return exitFailed, err
	}
	if err := f.check(fs); err != nil {
		return exitFailed, err
	}
	if *out == "" {
		return exitFailed, usage("there is no --out", "name the archive to write, such as bundle.tar.gz")
	}
	opened, r, err := readStore(f, nil)
	if err != nil {
		return exitFailed, err
	}
	if opened.Endorsements().Len() == 0 {
		return exitFailed, usage("the store is empty, so there is nothing to export", "fill it: quotary endorsements prefetch --store DIR; a simulated or test root is named with --trust")
	}
	if err := writeBundle(s, *out, opened); err != nil {
		return exitFailed, err
	}
	for _, e := range r.Endorsements {
		if e.State == store.StateMissing || e.State == store.StateExpired {
			s.note("%s in the archive: %s", e.State, printable(cutTo(nameWidth, e.Type+" "+e.ID)))
		}
	}
	s.note("%s: %s", printable(*out), r.summary())
	return exitAccepted, nil
}

// writeBundle writes the archive, whole or not at all.
func writeBundle(s streams, path string, from *store.Store) error {
	var archive bytes.Buffer
	if err := from.Export(&archive); err != nil {
		return err
	}
	return writeNew(s, path, archive.Bytes())
}
