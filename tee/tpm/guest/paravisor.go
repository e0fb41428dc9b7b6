package guest

import (
	"bytes"
	"context"
	"slices"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/hcl"
)

// ParavisorAK is the persistent handle of the attestation key that the paravisor of an
// Azure confidential VM made; see [Options.AKHandle].
const ParavisorAK = 0x81000003

// ParavisorAttester gives evidence of an Azure confidential VM with SEV-SNP: the
// report that its paravisor had the hardware make when the VM was started, and a quote by the
// attestation key of its virtual TPM, which that report covers. It implements
// tee.KeyAttester and is safe for concurrent use.
//
// Such VMs with TDX get their quote from the cloud's metadata service, over the
// network, which this package does not use.
type ParavisorAttester struct {
	*Attester
	report *evidence.SNP
}

// Paravisor returns an attester of an Azure confidential VM, whose TPM was opened with the attestation
// key [ParavisorAK]. It reads the report from the TPM. That there is none is
// [evidence.CodeAttesterAbsent].
func (a *Attester) Paravisor(ctx context.Context) (*ParavisorAttester, error) {
	refuse := func(code evidence.Code, format string, args ...any) (*ParavisorAttester, error) {
		return nil, evidence.Errorf(code, a.tpm.device.String(), format, args...)
	}
	raw, err := do(ctx, a.tpm, func(l *link) ([]byte, error) {
		indices, err := l.indices()
		if err != nil || !slices.Contains(indices, tpm2.TPMHandle(hcl.NVIndex)) {
			return nil, err
		}
		return l.readNV(hcl.NVIndex)
	})
	if err != nil {
		return nil, err
	}
	if raw == nil {
		return refuse(evidence.CodeAttesterAbsent, "the TPM has no paravisor's report (NV index %#x): the machine is no Azure confidential VM", hcl.NVIndex)
	}
	report, err := hcl.Parse(raw)
	if err != nil {
		return nil, err
	}
	if report.Kind != evidence.KindSEVSNP {
		return refuse(evidence.CodeAttesterAbsent, "the paravisor's report is of %s; its quote is to be had from the cloud's metadata service alone", report.Kind)
	}
	runtime, err := hcl.ParseRuntimeData(report.RuntimeData)
	if err != nil {
		return nil, err
	}
	if runtime.AKSHA256 != a.AttestationKey() {
		return refuse(evidence.CodeAttesterReport, "the paravisor's report covers another attestation key than the TPM was opened with; open it with %#x", uint32(ParavisorAK))
	}
	return &ParavisorAttester{a, &evidence.SNP{Report: report.HardwareReport, RuntimeData: report.RuntimeData}}, nil
}

// Kinds returns the kinds of the report and of the quote.
func (*ParavisorAttester) Kinds() []evidence.Kind {
	return []evidence.Kind{evidence.KindSEVSNP, evidence.KindTPM}
}

// Report returns the report with its runtime data.
func (p *ParavisorAttester) Report() *evidence.SNP {
	return &evidence.SNP{Report: bytes.Clone(p.report.Report), RuntimeData: bytes.Clone(p.report.RuntimeData)}
}

// Attest returns the report, which knows nothing of the binding, and a quote that
// carries it. See [Attester.Collect] for its errors.
func (p *ParavisorAttester) Attest(ctx context.Context, binding evidence.Binding) (evidence.Bundle, error) {
	quote, err := p.Attester.Attest(ctx, binding)
	if err != nil {
		return nil, err
	}
	return evidence.NewBundle(append(quote, p.Report())...)
}
