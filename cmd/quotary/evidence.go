package main

import (
	"flag"
	"os"

	"github.com/quotary/quotary/evidence"
)

const evidenceHelp = `usage: quotary evidence pack [FLAG]… [--out FILE]
       quotary evidence collect --report-data HEX [FLAG]… [--out FILE]

Make evidence (a CMW collection). Nothing is judged.

subcommands:
  pack     of raw parts, in files
  collect  of the machine that this runs on

Each has its own: quotary evidence pack --help
`

// evidenceCommands lists the subcommands of evidence.
func evidenceCommands() []command {
	return []command{
		{"pack", "of raw parts, in files", packHelp, pack},
		{"collect", "of the machine that this runs on", collectHelp, collect},
	}
}

func evidenceCommand(s streams, args []string) (exit, error) {
	return subcommand(s, "evidence", evidenceCommands(), args)
}

// bundleOutput says how a bundle is written, and where.
type bundleOutput struct {
	encoding *choice
	file     string
}

func (o *bundleOutput) define(fs *flag.FlagSet) {
	o.encoding = outputFlag(fs, "json", "cbor")
	fs.StringVar(&o.file, "out", "", "")
}

// write encodes the bundle and reads it back: what a service would refuse to
// decode is not worth sending.
func (o *bundleOutput) write(s streams, bundle evidence.Bundle) error {
	encode := bundle.MarshalJSON
	if o.encoding.value == "cbor" {
		encode = bundle.MarshalCBOR
	}
	encoded, err := encode()
	if err == nil {
		_, err = evidence.Parse(encoded)
	}
	if err != nil {
		return err
	}
	if o.file == "" {
		o.file = standardOutput
	}
	return writeNew(s, o.file, encoded)
}

// standardOutput is the file that means it.
const standardOutput = "-"

// writeNew writes a file that must not exist, as nothing is overwritten, or to
// standard output.
func writeNew(s streams, path string, data []byte) error {
	if path == standardOutput {
		s.out.Write(data)
		return nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return withHint(err, "--out writes a new file; remove the old one first or choose another name")
	}
	if _, err := file.Write(data); err != nil {
		file.Close()
		os.Remove(path)
		return err
	}
	return file.Close()
}
