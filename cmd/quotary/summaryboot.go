package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// summariseBoot says in a few lines what an event log tells of the boot.
func summariseBoot(b *evidence.BootClaims) []row {
	if b == nil {
		return nil
	}
	rows := []row{{"event log", registersText(b.Registers)}}
	if b.SecureBoot != nil {
		rows = append(rows, row{"secure boot", secureBootText(b.SecureBoot)})
	}
	if b.UKI != nil {
		rows = append(rows, row{"kernel image", "sections " + strings.Join(slices.Sorted(maps.Keys(b.UKI.Sections)), ", ")})
	}
	for _, line := range b.CommandLines {
		rows = append(rows, row{"command line", shorten(line.Text)})
	}
	for _, line := range b.UnsettledCommandLines {
		rows = append(rows, row{"command line", "perhaps " + shorten(line.Text)})
	}
	return append(rows, row{"measured", fmt.Sprintf("%d images, %d events of applications, %d digests of what the log does not hold",
		len(b.Images), len(b.Events), len(b.Measurements))})
}

// registersText groups registers by how the log accounts for them.
func registersText(registers map[int]evidence.BootRegister) string {
	by := map[string][]string{}
	for _, n := range slices.Sorted(maps.Keys(registers)) {
		status := registers[n].Status
		by[status] = append(by[status], fmt.Sprint(n))
	}
	var parts []string
	for _, status := range slices.Sorted(maps.Keys(by)) {
		parts = append(parts, fmt.Sprintf("registers %s %s", strings.Join(by[status], ", "), status))
	}
	return strings.Join(parts, "; ")
}

func secureBootText(s *evidence.SecureBootClaims) string {
	state := "unknown"
	switch {
	case s.SetupMode:
		state = "in setup mode"
	case s.Enabled != nil && *s.Enabled:
		state = "on"
	case s.Enabled != nil:
		state = "off"
	}
	return fmt.Sprintf("%s; db has %d certificates and %d hashes, dbx %d and %d", state,
		len(s.DB.Certificates), len(s.DB.Hashes), len(s.DBX.Certificates)+len(s.DBX.RevokedCertificates), len(s.DBX.Hashes))
}
