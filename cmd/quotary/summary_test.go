package main

import (
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
)

// A TPM's summary says what its logs tell, and no more of its key than is known.
func TestSummariseTPM(t *testing.T) {
	text := func(c *evidence.TPMClaims) string {
		var all []string
		for _, r := range summariseTPM(c) {
			all = append(all, r.name+": "+r.value)
		}
		return strings.Join(all, "\n")
	}
	on := true
	full := text(&evidence.TPMClaims{
		AKSHA256: evidence.Hex{0xab}, AKSource: "enrolled", Bank: "sha256",
		Boot: &evidence.BootClaims{SecureBoot: &evidence.SecureBootClaims{Enabled: &on}, Images: make([]evidence.BootImage, 2)},
		IMA:  &evidence.IMAClaims{Entries: 7, Offset: 3, Files: make([]evidence.IMAFile, 4), Violations: 1},
	})
	for _, want := range []string{"ab (enrolled)", "secure boot: on", "2 images", "7 entries, of which 3 were judged before; 4 contents of files, 1 violations"} {
		if !strings.Contains(full, want) {
			t.Errorf("%q is not in\n%s", want, full)
		}
	}
	if bare := text(&evidence.TPMClaims{}); !strings.Contains(bare, "attestation key: not known") || strings.Contains(bare, "()") {
		t.Error(bare)
	}
	if given := text(&evidence.TPMClaims{AKSHA256: evidence.Hex{0xab}}); strings.Contains(given, "()") {
		t.Error(given)
	}
}
