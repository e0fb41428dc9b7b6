package main

import (
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/eventlog"
	"github.com/quotary/quotary/tee/hcl"
)

// bundle reads the parts.
func (o *packOptions) bundle() (evidence.Bundle, error) {
	paravisor, err := o.readHCL()
	if err != nil {
		return nil, err
	}
	var items []evidence.Item
	if o.snpReport != "" || paravisor != nil && paravisor.Kind == evidence.KindSEVSNP {
		item, err := o.readSNP(paravisor)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	if o.tdxQuote != "" {
		item, err := o.readTDX(paravisor)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	if o.tpmQuote != "" {
		item, err := o.readTPM()
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return evidence.NewBundle(items...)
}

// readHCL reads the report of an Azure confidential VM, if one is named. That of a
// trust domain is only good beside its quote, which another service makes of it.
func (o *packOptions) readHCL() (*hcl.Report, error) {
	if o.hclReport == "" {
		return nil, nil
	}
	data, err := readFile(o.hclReport, evidence.MaxReport)
	if err != nil {
		return nil, err
	}
	report, err := hcl.Parse(data)
	if err != nil {
		return nil, err
	}
	switch isTDX := report.Kind == evidence.KindTDX; {
	case isTDX && o.tdxQuote == "":
		return nil, usage("the report in "+o.hclReport+" is one of TDX, which only its own machine can verify",
			"have a quote made of it (Azure: POST it to http://169.254.169.254/acc/tdquote) and name that with --tdx-quote")
	case isTDX && len(o.certificates) > 0:
		return nil, usage("--certificates go with a report of SEV-SNP, and that in "+o.hclReport+" is one of TDX", "a TDX quote holds its certificates; leave --certificates out")
	case !isTDX && o.tdxQuote != "":
		return nil, usage("the report in "+o.hclReport+" is one of SEV-SNP, and no machine has both", "leave --tdx-quote out")
	}
	return report, nil
}

func (o *packOptions) readSNP(paravisor *hcl.Report) (evidence.Item, error) {
	certificates, err := readCertificates(o.certificates)
	if err != nil {
		return nil, err
	}
	if paravisor != nil {
		return &evidence.SNP{Report: paravisor.HardwareReport, Certificates: certificates, RuntimeData: paravisor.RuntimeData}, nil
	}
	report, err := readFile(o.snpReport, evidence.MaxReport)
	if err != nil {
		return nil, err
	}
	return &evidence.SNP{Report: report, Certificates: certificates}, nil
}

func (o *packOptions) readTDX(paravisor *hcl.Report) (evidence.Item, error) {
	quote, err := readFile(o.tdxQuote, evidence.MaxReport)
	if err != nil {
		return nil, err
	}
	log, err := readEventLog(o.eventLog)
	if err != nil {
		return nil, err
	}
	item := &evidence.TDX{Quote: quote, EventLog: log}
	if paravisor != nil {
		item.RuntimeData = paravisor.RuntimeData
	}
	return item, nil
}

func (o *packOptions) readTPM() (evidence.Item, error) {
	message, isQuote, err := findQuote(o.tpmQuote, &o.tpm)
	if err != nil {
		return nil, err
	}
	if !isQuote {
		return nil, usage("--tpm-quote needs its signature and PCR values", "name them with --tpm-signature and --tpm-pcrs")
	}
	return o.tpm.read(message)
}

// readEventLog reads the memory with an event log, if one is named, and leaves its
// padding out. What is no log is for its verifier to refuse.
func readEventLog(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	area, err := readFile(path, maxLogArea)
	if err != nil {
		return nil, err
	}
	if len(area) == 0 {
		return nil, withHint(evidence.Errorf(evidence.CodeEvidenceEmpty, path, "there is no event log in this file"),
			"Linux has the log in /sys/firmware/acpi/tables/data/CCEL; leave --event-log out to send none")
	}
	if log, err := eventlog.Parse(area, eventlog.RTMRs); err == nil {
		return area[:log.Size], nil
	}
	return area, nil
}
