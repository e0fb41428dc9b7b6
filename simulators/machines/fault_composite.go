package machines

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
)

// compositeFaults are those of machines with a TEE and a TPM.
func compositeFaults() []fault {
	return []fault{
		{Fault: Fault{
			Name: "dropped-quote", Title: "leaves the TPM's quote out of what it said to send",
			Technologies: covering, Code: evidence.CodeBinding,
		}, send: without(func(k evidence.Kind) bool { return k == evidence.KindTPM })},
		{Fault: Fault{
			Name: "dropped-report", Title: "leaves the TEE's report out of what it said to send",
			Technologies: slices.Concat(covering, azure), Code: evidence.CodeBinding,
		}, send: without(func(k evidence.Kind) bool { return k != evidence.KindTPM })},
		{Fault: Fault{
			Name: "stitched", Title: "sends its own report beside the quote of another machine's TPM",
			Technologies: covering, Code: evidence.CodeCompositeLink,
		}, send: stitched},
		{Fault: Fault{
			Name: "azure-stitched", Title: "sends the paravisor's report beside the quote of another machine's TPM",
			Technologies: azure, Code: evidence.CodeTPMAKPublicMatch,
		}, send: stitched},
		{Fault: Fault{
			Name: "azure-dropped-quote", Title: "sends the paravisor's report without the quote that makes it fresh",
			Technologies: azure, Code: evidence.CodeCompositeTPMNeeded,
		}, send: without(func(k evidence.Kind) bool { return k == evidence.KindTPM })},
		{Fault: Fault{
			Name: "azure-other-runtime-data", Title: "sends runtime data that the paravisor's report does not cover",
			Technologies: azure, Code: evidence.CodeCompositeRuntime,
		}, send: otherRuntimeData},
		{Fault: Fault{
			Name: "azure-two-keys", Title: "its paravisor names two attestation keys",
			Technologies: azure, Code: evidence.CodeCompositeRuntime,
		}, send: twoKeys},
		{Fault: Fault{
			Name: "azure-without-secure-boot", Title: "its paravisor says that secure boot is off",
			Technologies: azure, Code: evidence.CodePolicyParavisorSecureBoot,
		}, build: func(_ *simulators.World, p *plan) error { p.layer.WithoutSecureBoot = true; return nil }},
		{Fault: Fault{
			Name: "azure-console", Title: "its paravisor says that the host has a console",
			Technologies: azure, Code: evidence.CodePolicyParavisorConsole,
		}, build: func(_ *simulators.World, p *plan) error { p.layer.Console = true; return nil }},
	}
}

// without leaves items of some kinds out.
func without(dropped func(evidence.Kind) bool) sending {
	return func(ctx context.Context, _ *Machine, binding evidence.Binding, honest attest) (evidence.Bundle, error) {
		bundle, err := honest(ctx, binding)
		if err != nil {
			return nil, err
		}
		return evidence.NewBundle(slices.DeleteFunc(slices.Clone(bundle), func(i evidence.Item) bool { return dropped(i.Kind()) })...)
	}
}

// stitched sends the quote of the neighbour's TPM beside the own report.
func stitched(ctx context.Context, m *Machine, binding evidence.Binding, honest attest) (evidence.Bundle, error) {
	other, err := m.neighbour()
	if err != nil {
		return nil, err
	}
	bundle, err := honest(ctx, binding)
	if err != nil {
		return nil, err
	}
	quotes, err := other.module.Attest(ctx, binding)
	if err != nil {
		return nil, err
	}
	own := slices.DeleteFunc(slices.Clone(bundle), func(i evidence.Item) bool { return i.Kind() == evidence.KindTPM })
	return evidence.NewBundle(append(own, quotes...)...)
}

// otherRuntimeData names another VM in the text, which the report then does not cover.
func otherRuntimeData(ctx context.Context, m *Machine, binding evidence.Binding, honest attest) (evidence.Bundle, error) {
	text, err := m.virtual.RuntimeData()
	if err != nil {
		return nil, err
	}
	bundle, err := honest(ctx, binding)
	return withRuntimeData(bundle, bytes.Replace(text, []byte(`"console-enabled":false`), []byte(`"console-enabled":null`), 1)), err
}

// withRuntimeData replaces the text beside a report.
func withRuntimeData(bundle evidence.Bundle, text []byte) evidence.Bundle {
	bundle = slices.Clone(bundle)
	for i, item := range bundle {
		switch item := item.(type) {
		case *evidence.SNP:
			changed := *item
			changed.RuntimeData = text
			bundle[i] = &changed
		case *evidence.TDX:
			changed := *item
			changed.RuntimeData = text
			bundle[i] = &changed
		}
	}
	return bundle
}

// twoKeys has the hardware cover a text in which both keys have the name of the
// attestation key.
func twoKeys(ctx context.Context, m *Machine, binding evidence.Binding, honest attest) (evidence.Bundle, error) {
	text, err := m.virtual.RuntimeData()
	if err != nil {
		return nil, err
	}
	item, err := m.virtual.HardwareOver(bytes.Replace(text, []byte("HCLEkPub"), []byte("HCLAkPub"), 1))
	if err != nil {
		return nil, err
	}
	bundle, err := honest(ctx, binding)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(bundle, func(i evidence.Item) bool { return i.Kind() == item.Kind() })
	if at < 0 {
		return nil, fmt.Errorf("machines: the evidence has no %s", item.Kind())
	}
	bundle = slices.Clone(bundle)
	bundle[at] = item
	return bundle, nil
}
