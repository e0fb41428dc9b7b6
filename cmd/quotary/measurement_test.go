package main

import (
	"fmt"
	"strings"
	"testing"
)

// What reference values say they were made from is short enough for a policy.
func TestSourceFits(t *testing.T) {
	m := measurement{Launch: "unified kernel image handed over by QEMU"}
	for n := range 40 {
		source := m.source()
		named := strings.Count(source, "sha256:")
		if len(source) > maxSource || !strings.HasSuffix(source, m.Launch) || n < 5 && named != n {
			t.Errorf("%d files: %q", n, source)
		}
		if more := fmt.Sprintf("and %d more; ", n-named); named < n != strings.Contains(source, more) {
			t.Errorf("%d files, of which %d are named: %q", n, named, source)
		}
		m.Artefacts = append(m.Artefacts, artefact{Role: "uki", Name: fmt.Sprintf("f%d", n), SHA256: strings.Repeat("0", 64)})
	}
}
