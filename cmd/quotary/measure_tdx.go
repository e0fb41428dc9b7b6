package main

import (
	"crypto"
	"encoding/hex"
	"flag"
	"maps"
	"slices"
	"strconv"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/launch/ovmf"
	"github.com/quotary/quotary/tee/launch/tdx"
)

const measureTDXHelp = `usage: quotary measure tdx --tdvf FILE [--uki FILE | --kernel FILE] [FLAG]…

Compute the registers of a TDX trust domain: MRTD from its firmware and, if what it
boots is given, RTMR1 (images) and RTMR2 (command line, initrd, unified kernel image).
RTMR0 is never known from files: memory and devices of the host get into it.

flags:
  --tdvf FILE              the firmware, with TDX metadata, as one image
  --page-order page|section
                           whether the host measures page by page (default) or adds all
                           pages of a section first (older hosts, with QEMU 8)
` + chainFlagsHelp + `  --phases LIST            words that systemd extends RTMR2 with until the quote is made
` + measureOutputHelp + `
exit codes: 0 computed, 1 usage or internal error, or not computable

examples:
  quotary measure tdx --tdvf OVMF.fd
  quotary measure tdx --tdvf OVMF.fd --uki linux.efi --reference gateway-td > references.yaml
`

// measureTDXOptions are measure tdx's flags.
type measureTDXOptions struct {
	tdvf   string
	order  *choice
	chain  chainFlags
	phases string
	boots  bool // something is said of what is booted
	output measureOutput
}

func (o *measureTDXOptions) define(fs *flag.FlagSet) {
	o.order = &choice{"page", []string{"page", "section"}}
	fs.StringVar(&o.tdvf, "tdvf", "", "")
	fs.Var(o.order, "page-order", "")
	fs.StringVar(&o.phases, "phases", "", "")
	o.chain.define(fs)
	o.output.define(fs)
}

func measureTDX(s streams, args []string) (exit, error) {
	var o measureTDXOptions
	fs := flagSet("measure tdx")
	o.define(fs)
	if err := parseWithout(fs, args); err != nil {
		return exitFailed, err
	}
	o.boots = o.phases != "" || chainGiven(fs)
	if o.tdvf == "" {
		return exitFailed, usage("there is no --tdvf", "name the firmware that the domain is launched with; try: quotary measure tdx --help")
	}
	m, err := o.measure()
	if err != nil {
		return exitFailed, hintMeasure("tdx", err)
	}
	return exitAccepted, o.output.write(s, m)
}

func (o *measureTDXOptions) measure() (measurement, error) {
	m := measurement{Technology: evidence.KindTDX, Launch: "pages measured " + o.order.value + " by " + o.order.value, Unknown: map[string]string{}}
	firmware, err := m.Artefacts.read("tdvf", o.tdvf, ovmf.MaxSize)
	if err != nil {
		return m, err
	}
	order := tdx.PageByPage
	if o.order.value == "section" {
		order = tdx.SectionPassing
	}
	mrtd, err := tdx.MRTD(firmware, order)
	if err != nil {
		return m, err
	}
	m.Values = map[string]any{"mrtd": []string{hex.EncodeToString(mrtd[:])}}
	if volume, err := tdx.ConfigurationVolume(firmware); err == nil {
		m.Events = append(m.Events, measuredEvent{"rtmr0", "volume of variables, if the host keeps them in the firmware", volume})
	}
	if !o.boots {
		m.Unknown["rtmr0"] = tdx.HostDependent
		for _, r := range []string{"rtmr1", "rtmr2"} {
			m.Unknown[r] = "what is booted is not given"
		}
		return m, nil
	}
	return m, o.addRuntime(&m)
}

// addRuntime adds the registers that the boot chain tells.
func (o *measureTDXOptions) addRuntime(m *measurement) error {
	boot, err := o.chain.boot(&m.Artefacts)
	if err != nil {
		return err
	}
	boot.Phases = splitPhases(o.phases)
	log, err := boot.Log(crypto.SHA384)
	if err != nil {
		return err
	}
	values, unknown, err := tdx.Runtime(log)
	if err != nil {
		return err
	}
	for r, value := range values {
		m.Values["rtmr"+strconv.Itoa(r)] = []string{value.String()}
	}
	for r, why := range unknown {
		m.Unknown["rtmr"+strconv.Itoa(r)] = why
	}
	o.chain.addBootLists(m, boot, crypto.SHA384)
	m.Launch += "; " + o.chain.words()
	events := tdx.Events(log)
	for _, r := range slices.Sorted(maps.Keys(events)) {
		if r == 0 && boot.SecureBoot == nil {
			continue // nothing of it is known
		}
		for _, e := range events[r] {
			m.Events = append(m.Events, measuredEvent{"rtmr" + strconv.Itoa(r), e.What, e.Digest})
		}
	}
	return nil
}
