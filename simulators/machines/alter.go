package machines

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/eventlog"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/simulators/tpm"
)

// sending is what has a machine send something else.
type sending = func(ctx context.Context, m *Machine, binding evidence.Binding, honest attest) (evidence.Bundle, error)

// altered sends honest evidence in which one item was altered.
func altered[I evidence.Item](alter func(*Machine, I) (I, error)) sending {
	return func(ctx context.Context, m *Machine, binding evidence.Binding, honest attest) (evidence.Bundle, error) {
		bundle, err := honest(ctx, binding)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(bundle, func(i evidence.Item) bool { _, ok := i.(I); return ok })
		if at < 0 {
			return nil, fmt.Errorf("machines: the evidence of %s has no such item", m.spec.Name)
		}
		bundle = slices.Clone(bundle)
		bundle[at], err = alter(m, bundle[at].(I))
		return bundle, err
	}
}

// sentReport sends a report that was altered and signed again by the chip's key.
func sentReport(alter func(report []byte)) sending {
	return altered(func(m *Machine, item *evidence.SNP) (*evidence.SNP, error) {
		changed := *item
		changed.Report = slices.Clone(item.Report)
		alter(changed.Report)
		var err error
		changed.Report, err = m.guest.Sign(changed.Report)
		return &changed, err
	})
}

// The place of REPORTDATA in quotes of version 4 and 5 in bytes (Intel TDX DCAP Quoting Library
// API, appendix A).
const (
	reportDataAt  = 48 + 520
	reportDataAt5 = reportDataAt + 6
)

// sentQuote sends a quote of a domain whose parts were altered, and signed again by the
// platform's keys.
func sentQuote(alter func(*Machine, *tdx.Parts)) sending {
	return altered(func(m *Machine, item *evidence.TDX) (*evidence.TDX, error) {
		at := reportDataAt
		if item.Quote[0] == 5 {
			at = reportDataAt5
		}
		parts := m.domain.Parts([64]byte(item.Quote[at:]))
		alter(m, parts)
		changed := *item
		changed.Quote = parts.Assemble()
		return &changed, nil
	})
}

// sentAttest sends a statement of the TPM that was altered and signed again by its key.
func sentAttest(alter func(*tpm2.TPMSAttest)) sending {
	return altered(func(m *Machine, item *evidence.TPM) (*evidence.TPM, error) {
		attest, err := tpm2.Unmarshal[tpm2.TPMSAttest](item.Attest)
		if err != nil {
			return nil, err
		}
		alter(attest)
		return resigned(m, item, tpm2.Marshal(*attest))
	})
}

// resigned returns an item with another statement, signed by the TPM's key.
func resigned(m *Machine, item *evidence.TPM, attest []byte) (*evidence.TPM, error) {
	changed := *item
	signed, err := m.module.(inProcess).Sign(attest)
	if err != nil {
		return nil, err
	}
	changed.Attest, changed.Signature = signed.Attest, signed.Signature
	return &changed, nil
}

// sentItem sends an item of the TPM with something of it altered that nothing signs.
func sentItem(alter func(*evidence.TPM)) sending {
	return altered(func(_ *Machine, item *evidence.TPM) (*evidence.TPM, error) {
		changed := *item
		alter(&changed)
		return &changed, nil
	})
}

// sentDomainLog sends another event log beside the quote of a trust domain.
func sentDomainLog(alter func(*eventlog.Builder)) sending {
	return altered(func(m *Machine, item *evidence.TDX) (*evidence.TDX, error) {
		log := m.domain.Log()
		alter(log)
		changed := *item
		changed.EventLog = log.Encode()
		return &changed, nil
	})
}

// sentModuleLog sends another event log beside the quote of a TPM.
func sentModuleLog(alter func(*eventlog.Builder)) sending {
	return altered(func(m *Machine, item *evidence.TPM) (*evidence.TPM, error) {
		log := m.module.(inProcess).Log()
		alter(log)
		changed := *item
		changed.EventLog = log.Encode()
		return &changed, nil
	})
}

// builtReport has the guest's reports say something else.
func builtReport(alter func(*sevsnp.Report)) func(*simulators.World, *plan) error {
	return func(_ *simulators.World, p *plan) error {
		alter(p.guest.Report)
		return nil
	}
}

// builtDomain has the trust domain, or its platform, be something else.
func builtDomain(alter func(*tdx.MachineOptions)) func(*simulators.World, *plan) error {
	return func(_ *simulators.World, p *plan) error {
		alter(&p.domain)
		return nil
	}
}

// builtModule has the TPM, or what boots above it, be something else.
func builtModule(alter func(*tpm.MachineOptions)) func(*simulators.World, *plan) error {
	return func(_ *simulators.World, p *plan) error {
		alter(&p.module)
		return nil
	}
}

// oversize returns what is sent, and ones behind it up to a bound in bytes.
func oversize(sent []byte, most int) []byte {
	return slices.Concat(sent, bytes.Repeat([]byte{1}, most-len(sent)))
}
