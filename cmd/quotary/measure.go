package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/quotary/quotary/evidence"
)

const measureHelp = `usage: quotary measure snp|tdx|pcr|uki [FLAG]…

Compute from firmware, kernel, initrd and command line what a machine will be
measured to be, before there is one. Nothing is asked but the files.

  quotary measure snp   the launch measurement of an SEV-SNP guest
  quotary measure tdx   MRTD and runtime registers of a TDX trust domain
  quotary measure pcr   the PCRs of a machine with a TPM
  quotary measure uki   what is in a unified kernel image, and its digests

With --reference NAME the first three write a document of reference values that a
policy takes. What a measurement rests on, and which registers nobody can
foretell from files: docs/measure.md.

Each has its own help: quotary measure snp --help
`

// measureCommand executes measure's own commands.
func measureCommand(s streams, args []string) (exit, error) {
	return subcommand(s, "measure", measureCommands(), args)
}

// measureCommands lists the subcommands of measure.
func measureCommands() []command {
	return []command{
		{"snp", "the launch measurement of an SEV-SNP guest", measureSNPHelp, measureSNP},
		{"tdx", "MRTD and runtime registers of a TDX trust domain", measureTDXHelp, measureTDX},
		{"pcr", "the PCRs of a machine with a TPM", measurePCRHelp, measurePCR},
		{"uki", "what is in a unified kernel image, and its digests", measureUKIHelp, measureUKI},
	}
}

// artefact is a file that a measurement was computed from.
type artefact struct {
	Role   string `json:"role"` // the flag that names it
	Name   string `json:"name"` // without its directory
	SHA256 string `json:"sha256"`
}

// artefacts reads files and remembers what they were.
type artefacts []artefact

// read reads the file that a flag names, nil if there is none.
func (a *artefacts) read(flag, path string, most int) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	data, err := readFile(path, most)
	if err != nil {
		return nil, withHint(err, fmt.Sprintf("--%s names a file of at most %d MiB", flag, most>>20))
	}
	return a.add(flag, path, data), nil
}

// readStart reads at most so many bytes of a file's beginning.
func (a *artefacts) readStart(flag, path string, most int) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, int64(most)))
	if err != nil {
		return nil, err
	}
	return a.add(flag, path, data), nil
}

// add returns data, which an empty file is, too.
func (a *artefacts) add(flag, path string, data []byte) []byte {
	digest := sha256.Sum256(data)
	*a = append(*a, artefact{flag, filepath.Base(path), hex.EncodeToString(digest[:])})
	if data == nil {
		return []byte{}
	}
	return data
}

// measureHints say what to do about a refusal.
var measureHints = map[evidence.Code]string{
	evidence.CodeLaunchFirmware:    "give the image that the hypervisor loads (OVMF.fd with code and variables), neither packed nor in pieces",
	evidence.CodeLaunchUnsupported: "docs/measure.md says what can be computed, and what an image needs for it",
	evidence.CodeLaunchImage:       "give a program of UEFI: vmlinuz (an EFI stub kernel), a boot loader, a unified kernel image",
	evidence.CodeLaunchVariable:    "give signature lists (.esl), or the variable's file from efivarfs",
}

// hintMeasure adds the next step to a refusal.
func hintMeasure(command string, err error) error {
	if err == nil {
		return nil
	}
	if hint := measureHints[evidence.CodeOf(err)]; hint != "" {
		return withHint(err, hint)
	}
	if evidence.CodeOf(err) == evidence.CodeLaunchOption {
		return withHint(err, "try: quotary measure "+command+" --help")
	}
	return err
}
