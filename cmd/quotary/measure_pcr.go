package main

import (
	"flag"
	"fmt"
	"strconv"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/launch/pcr"
	"github.com/quotary/quotary/tee/launch/pe"
)

const measurePCRHelp = `usage: quotary measure pcr --uki FILE | --kernel FILE [FLAG]…

Compute the PCRs of a machine with a TPM that boots these files: 4 (images), 7
(Secure Boot), 8 (GRUB's commands), 9 (command line, initrd, GRUB's files), 11
(unified kernel image), 12 (command lines from outside). A register into which
something goes that the files do not tell is left out, and why is said.

flags:
` + chainFlagsHelp + `  --phases LIST            words that systemd extends PCR 11 with until the quote is made:
                           enter-initrd,leave-initrd,sysinit,ready
  --bank sha256|sha384|sha512   the bank
` + measureOutputHelp + `
exit codes: 0 computed, 1 usage or internal error, or not computable

examples:
  quotary measure pcr --uki linux.efi --phases enter-initrd,leave-initrd,sysinit,ready
  quotary measure pcr --uki linux.efi --from-disk --secure-boot --pk PK.esl --kek KEK.esl --db db.esl --dbx dbx.esl
  quotary measure pcr --loader systemd-bootx64.efi --menu systemd-boot --kernel vmlinuz --initrd initrd \
      --initrd-path '\initrd' --cmdline "root=/dev/vda2" --reference edge-boot > references.yaml
`

// measurePCROptions are measure pcr's flags.
type measurePCROptions struct {
	chain  chainFlags
	phases string
	bank   *choice
	output measureOutput
}

func measurePCR(s streams, args []string) (exit, error) {
	o := &measurePCROptions{bank: &choice{"sha256", []string{"sha256", "sha384", "sha512"}}}
	fs := flagSet("measure pcr")
	o.define(fs)
	if err := parseWithout(fs, args); err != nil {
		return exitFailed, err
	}
	m, err := o.measure()
	if err != nil {
		return exitFailed, hintMeasure("pcr", err)
	}
	return exitAccepted, o.output.write(s, m)
}

func (o *measurePCROptions) define(fs *flag.FlagSet) {
	o.chain.define(fs)
	fs.StringVar(&o.phases, "phases", "", "")
	fs.Var(o.bank, "bank", "")
	o.output.define(fs)
}

func (o *measurePCROptions) measure() (measurement, error) {
	m := measurement{Technology: evidence.KindTPM, Launch: o.chain.words(), Unknown: map[string]string{}}
	bank, err := pcr.ParseBank(o.bank.value)
	if err != nil {
		return m, err
	}
	boot, err := o.chain.boot(&m.Artefacts)
	if err != nil {
		return m, err
	}
	boot.Phases = splitPhases(o.phases)
	log, err := boot.Log(bank)
	if err != nil {
		return m, err
	}
	o.addRegisters(&m, log)
	o.chain.addBootLists(&m, boot, bank)
	return m, nil
}

func splitPhases(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// addRegisters lists registers, leaving out those that say nothing of the files:
// only separators, or settings.
func (o *measurePCROptions) addRegisters(m *measurement, log *pcr.Log) {
	values := map[string]any{}
	for n, value := range log.Values() {
		if n != 2 && n != 3 && n != 6 {
			values[strconv.Itoa(n)] = []string{value.String()}
		}
	}
	if len(values) > 0 {
		m.Values = map[string]any{"pcrs": map[string]any{o.bank.value: values}}
	}
	for n, why := range log.Unknown {
		m.Unknown[strconv.Itoa(n)] = why
	}
	for _, e := range log.Events {
		if e.PCR > 3 && e.PCR != 6 {
			m.Events = append(m.Events, measuredEvent{strconv.Itoa(e.PCR), e.What, e.Digest})
		}
	}
}

// images reads programs of UEFI.
func images(files *artefacts, flag string, paths ...string) (all []*pe.Image, err error) {
	for _, path := range paths {
		data, err := files.read(flag, path, pe.MaxSize)
		if err != nil {
			return nil, err
		}
		image, err := pe.Parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, image)
	}
	return all, nil
}
