package main

import (
	"crypto"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/launch/pcr"
)

// addBootLists adds what a policy's boot may ask of the machine's event log, where
// registers as a whole say too much: the digests of what is booted.
func (c *chainFlags) addBootLists(m *measurement, b *pcr.Boot, bank crypto.Hash) {
	lists := map[string]any{}
	one := func(digest pcr.Measured) []string { return []string{evidence.Hex(digest(bank)).String()} }
	const images, kernelFiles = 4, 9 // the PCRs that these are measured into
	if b.Unknown[images] == "" {
		var all []string
		for _, image := range b.Images {
			all = append(all, one(image)...)
		}
		lists["images"], lists["kernels"] = all, one(b.Images[len(c.loaders)])
	}
	if len(b.Sections) > 0 {
		sections := map[string]any{}
		for _, s := range b.Sections {
			sections[s.Name] = one(s.Digest)
		}
		lists["uki"] = sections
	}
	if b.Kernel.LoadOptions != nil {
		lists["load_options"] = one(b.Kernel.LoadOptions)
	}
	if b.Kernel.Initrd != nil && (b.Unknown[kernelFiles] == "" || c.uki == "") {
		lists["initrds"] = one(b.Kernel.Initrd)
	}
	if len(lists) == 0 {
		return
	}
	if m.Values == nil {
		m.Values = map[string]any{}
	}
	m.Values["boot"] = lists
}
