package main

import (
	"bytes"
	"crypto"
	_ "crypto/sha512" // SHA-384, of which confidential machines' registers are
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/launch/pe"
)

const measureUKIHelp = `usage: quotary measure uki FILE

Show what is in a unified kernel image: its Authenticode digests, which firmware
measures and signatures cover, and its sections with what its stub measures of them.
Other programs of UEFI (kernels, boot loaders) are shown, too. Signatures are not
judged.

flags:
  -o text|json|yaml        output format

exit codes: 0 read, 1 usage or internal error, or no program of UEFI

example:
  quotary measure uki linux.efi
`

// ukiAnswer is measure uki's answer.
type ukiAnswer struct {
	Authenticode imageDigests `json:"authenticode"`
	Signed       bool         `json:"signed"` // carries signatures; nobody has judged them
	// Gaps says that tools may disagree about the digest: there are bytes between sections.
	Gaps        bool         `json:"gaps,omitempty"`
	Stub        int          `json:"stub_version,omitempty"`
	CommandLine string       `json:"command_line,omitempty"`
	Sections    []ukiSection `json:"sections"`
	// NoUKI says why the stub's measurements are not known: it is another program, or
	// they depend on the machine.
	NoUKI     *reportError `json:"no_uki,omitempty"`
	Artefacts artefacts    `json:"artefacts"`
}

type imageDigests struct {
	SHA256 evidence.Hex `json:"sha256"`
	SHA384 evidence.Hex `json:"sha384"`
}

type ukiSection struct {
	Name string `json:"name"`
	Size uint32 `json:"size"` // in memory, in bytes
	imageDigests
	Measured bool `json:"measured"` // by the stub of this version
}

func measureUKI(s streams, args []string) (exit, error) {
	fs := flagSet("measure uki")
	var output measureOutput
	output.format = outputFlag(fs, "text", "json", "yaml")
	operand, err := oneOperand(fs, args, "FILE")
	if err != nil {
		return exitFailed, err
	}
	var files artefacts
	data, err := files.read("image", operand, pe.MaxSize)
	if err != nil {
		return exitFailed, err
	}
	image, err := pe.Parse(data)
	if err != nil {
		return exitFailed, hintMeasure("uki", err)
	}
	answer, err := describeUKI(image)
	if err != nil {
		return exitFailed, err
	}
	answer.Artefacts = files
	return exitAccepted, output.encode(s, answer, answer.writeText)
}

func digestsOf(digest func(crypto.Hash) []byte) imageDigests {
	return imageDigests{digest(crypto.SHA256), digest(crypto.SHA384)}
}

func describeUKI(image *pe.Image) (a ukiAnswer, err error) {
	a = ukiAnswer{Authenticode: digestsOf(image.Authenticode), Signed: image.Signed, Gaps: image.Gaps}
	var measured []pe.Section
	uki, err := image.UKI()
	if a.NoUKI, err = asReportError(err); err != nil {
		return a, err
	}
	if uki != nil && a.NoUKI == nil {
		a.Stub, a.CommandLine = uki.Stub, uki.CommandLine()
		measured = uki.Measured(uki.Stub)
	}
	for _, section := range image.Sections {
		is := slices.ContainsFunc(measured, func(m pe.Section) bool { return m.Name == section.Name })
		a.Sections = append(a.Sections, ukiSection{section.Name, section.Size, digestsOf(section.Digest), is})
	}
	return a, nil
}

func (a ukiAnswer) writeText(out *bytes.Buffer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "authenticode sha256\t%s\n", a.Authenticode.SHA256)
	fmt.Fprintf(table, "authenticode sha384\t%s\n", a.Authenticode.SHA384)
	if a.NoUKI != nil {
		fmt.Fprintf(table, "unified kernel image\tno: %s\n", printable(a.NoUKI.Detail))
	} else {
		fmt.Fprintf(table, "systemd-stub\t%s\n", version0(a.Stub))
		fmt.Fprintf(table, "command line\t%s\n", printable(a.CommandLine))
	}
	if a.Signed {
		fmt.Fprintln(table, "signatures\tsome, not judged here")
	} else {
		fmt.Fprintln(table, "signatures\tnone")
	}
	table.Flush()
	if a.Gaps {
		fmt.Fprintln(out, "there are bytes between sections: signing tools may compute another digest than firmware, which computes this one")
	}
	fmt.Fprintln(out, "\nsections:")
	for _, s := range a.Sections {
		mark := ""
		if s.Measured {
			mark = "measured"
		}
		fmt.Fprintf(table, "  %s\t%d\tsha256:%s\t%s\n", printable(s.Name), s.Size, s.SHA256, mark)
	}
	return table.Flush()
}

func version0(version int) string {
	if version == 0 {
		return "of a version that the image does not say"
	}
	return fmt.Sprint(version)
}
