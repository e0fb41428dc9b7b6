package main

import (
	"fmt"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// summarise shows the few claims that people ask for first; inspect and the
// JSON output have them all.
func summarise(c *evidence.Claims) []row {
	switch {
	case c.SEVSNP != nil:
		return summariseSNP(c.SEVSNP)
	case c.TDX != nil:
		return summariseTDX(c.TDX)
	case c.TPM != nil:
		return summariseTPM(c.TPM)
	}
	return nil
}

func summariseSNP(c *evidence.SNPClaims) []row {
	tcb := c.ReportedTCB
	return []row{
		{"product", fmt.Sprintf("%s, report version %d", c.Product, c.Version)},
		{"measurement", c.Measurement.String()},
		{"report data", c.ReportData.String()},
		{"debug, VMPL", fmt.Sprintf("%t, %d", c.Policy.Debug, c.VMPL)},
		{"reported TCB", fmt.Sprintf("bootloader %d, tee %d, snp %d, microcode %d", tcb.Bootloader, tcb.TEE, tcb.SNP, tcb.Microcode)},
	}
}

func summariseTDX(c *evidence.TDXClaims) []row {
	rows := []row{
		{"quote", fmt.Sprintf("version %d, TD report %s, FMSPC %s", c.QuoteVersion, c.BodyVersion, c.FMSPC)},
		{"MRTD", c.MRTD.String()},
		{"report data", c.ReportData.String()},
		{"debug", fmt.Sprint(c.Attributes.Debug)},
	}
	rows = append(rows, summariseBoot(c.Boot)...)
	if c.TCB == nil {
		return rows
	}
	advisories := "no advisories"
	if len(c.TCB.Advisories) > 0 {
		advisories = strings.Join(c.TCB.Advisories, ", ")
	}
	rows = append(rows, row{"TCB status", fmt.Sprintf("%s (evaluation %d; %s)", c.TCB.Status, c.TCB.EvaluationDataNumber, advisories)})
	if len(c.TCB.Behind) > 0 {
		rows = append(rows, row{"behind", behindText(c.TCB.Behind)})
	}
	return rows
}

// behindText says what a TCB lacks of one that is up to date.
func behindText(behind []evidence.TDXShortfall) string {
	all := make([]string, len(behind))
	for i, b := range behind {
		all[i] = fmt.Sprintf("%s is %d, needs %d", b.Component, b.Have, b.Need)
		if b.Part != "" {
			all[i] += " (" + b.Part + ")"
		}
	}
	return strings.Join(all, "; ")
}

func summariseTPM(c *evidence.TPMClaims) []row {
	rows := []row{
		{"attestation key", akText(c)},
		{"PCRs", fmt.Sprintf("%d of bank %s", len(c.PCRs), c.Bank)},
		{"extra data", c.ExtraData.String()},
	}
	rows = append(rows, summariseBoot(c.Boot)...)
	if c.IMA != nil {
		rows = append(rows, row{"IMA list", imaText(c.IMA)})
	}
	return rows
}

// akText says which attestation key it is, and why it is trusted.
func akText(c *evidence.TPMClaims) string {
	switch {
	case len(c.AKSHA256) == 0:
		return "not known"
	case c.AKSource == "":
		return c.AKSHA256.String()
	}
	return fmt.Sprintf("%s (%s)", c.AKSHA256, c.AKSource)
}

func imaText(c *evidence.IMAClaims) string {
	return fmt.Sprintf("%d entries, of which %d were judged before; %d contents of files, %d violations, %d unread", c.Entries, c.Offset, len(c.Files), c.Violations, c.Unread)
}
