package paravisor

import (
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tdx"
)

// hardware is what a machine's processor reports.
type hardware interface {
	// report is what the layer below the guest gets.
	report(reportData [64]byte) ([]byte, error)
	// item is what the guest sends.
	item(reportData [64]byte, runtime []byte) (evidence.Item, error)
}

type processorSNP struct{ *sevsnp.Machine }

func (p processorSNP) report(reportData [64]byte) ([]byte, error) {
	item, err := p.Item(reportData)
	if err != nil {
		return nil, err
	}
	return item.Report, nil
}

func (p processorSNP) item(reportData [64]byte, runtime []byte) (evidence.Item, error) {
	item, err := p.Item(reportData)
	if err != nil {
		return nil, err
	}
	item.RuntimeData = runtime
	return item, nil
}

type processorTDX struct{ *tdx.Machine }

func (p processorTDX) report(reportData [64]byte) ([]byte, error) {
	return tdReport(p.Parts(reportData)), nil
}

func (p processorTDX) item(reportData [64]byte, runtime []byte) (evidence.Item, error) {
	item := p.Item(reportData)
	item.RuntimeData = runtime
	return item, nil
}
