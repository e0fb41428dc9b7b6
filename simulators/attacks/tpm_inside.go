package attacks

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/paravisor"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tpm"
)

// tpmInside has its TPM in memory that the processor protects: the report names its key.
const tpmInside = "snp-tpm-inside"

// inside is the machine of that subject, and its parts.
type inside struct {
	*paravisor.Machine
	guest *sevsnp.Machine
}

func insideSubject(w *simulators.World) (Subject, error) {
	s, err := snpGuest{name: tpmInside}.subject(w)
	if err != nil {
		return s, err
	}
	m := measured{name: tpmInside}
	h, err := newHost(w, m.name, tpm.MachineOptions{WithoutCertificate: true}, m.measure)
	if err != nil {
		return s, err
	}
	guest := s.Machine.(*sevsnp.Machine)
	machine, err := paravisor.New(guest, h.Machine, paravisor.Options{Form: paravisor.PublicArea})
	s.Machine = inside{machine, guest}
	s.Requires += "\n" + h.workload("ak: {sources: [tee]}", pcrsOf(h.pins(tpm.SHA256, pinned...)))
	return s, err
}

// tpmInsideRows put TPMs beside reports that do not name them, or ought not to.
func tpmInsideRows() []Row {
	unnamed := codes(evidence.CodeBinding, evidence.CodeCompositeLink, evidence.CodeTPMAKUntrusted)
	covered := append(codes(evidence.CodeCompositeRuntime), unnamed...)
	text := func(edit func(text string) string) func(a *Attacker, m inside) (evidence.Item, error) {
		return func(a *Attacker, m inside) (evidence.Item, error) {
			runtime, err := runtimeData(a)
			if err != nil {
				return nil, err
			}
			return m.HardwareOver([]byte(edit(runtime)))
		}
	}
	return []Row{
		{"P35", "provider's virtual TPM as hardware", []Case{{
			Name: "a key of the guest's own software, named by its report", Subject: composed, Want: codes(evidence.CodePolicyTPMAKSource),
			Try: stitchedIn,
		}}},
		{"P36", "runtime data that nothing measured", []Case{
			insideCase("another area of the key than the report's", unnamed, func(_ *Attacker, m inside) (evidence.Item, error) { return m.Hardware() }, func(item *evidence.TPM) error {
				var err error
				item.AKPublic, err = altered(item.AKPublic, func(p *tpm2.TPMTPublic) { p.ObjectAttributes.NoDA = !p.ObjectAttributes.NoDA })
				return err
			}),
			insideCase("text that the report does not cover", covered, func(a *Attacker, m inside) (evidence.Item, error) {
				item, err := m.Hardware()
				if err != nil {
					return nil, err
				}
				runtime, err := runtimeData(a)
				item.(*evidence.SNP).RuntimeData = []byte(runtime)
				return item, err
			}),
			insideCase("two attestation keys", covered, text(func(text string) string {
				return string(bytes.Replace([]byte(text), []byte("HCLEkPub"), []byte("HCLAkPub"), 1))
			})),
			insideCase("no attestation key", covered, text(func(text string) string {
				return string(bytes.Replace([]byte(text), []byte("HCLAkPub"), []byte("HCLXkPub"), 1))
			})),
			insideCase("a member twice", covered, text(func(text string) string { return text[:len(text)-1] + `,"keys":[]}` })),
			insideCase("something behind the text", covered, text(func(text string) string { return text + "{}" })),
			byCheck(insideCase("text that names another key than the quote's", codes(evidence.CodeTPMAKPublicMatch, evidence.CodeTPMSignatureScheme), text(func(text string) string { return text })),
				evidence.CodePolicyParavisor),
			{
				Name: "a report that a layer below made, without a quote", Subject: tpmInside, Want: codes(evidence.CodeCompositeTPMNeeded), Proof: ByParser, Why: "what is left is no more than a part of what the policy asks for",
				Try: func(ctx context.Context, a *Attacker) (Got, error) {
					m, err := a.inside()
					if err != nil {
						return Got{}, err
					}
					return a.Attest(ctx, Attempt{Kinds: []evidence.Kind{evidence.KindSEVSNP}, Evidence: func(context.Context, evidence.Binding) (evidence.Bundle, error) {
						item, err := text(func(text string) string { return text })(a, m)
						if err != nil {
							return nil, err
						}
						return evidence.NewBundle(item)
					}})
				},
			},
		}},
		{"P37", "parts of different machines", []Case{
			{
				Name: "the report of one machine, the certified TPM of another", Subject: tpmInside, Want: codes(evidence.CodeBinding, evidence.CodeCompositeLink),
				Behind: codes(evidence.CodePolicyTPMAKSource),
				Try:    besideReport(func(*tpm.MachineOptions) {}),
			},
			{
				Name: "the report of one machine, a TPM of software", Subject: tpmInside, Want: unnamed, Proof: ByParser, Why: unvouched,
				Try: besideReport(func(o *tpm.MachineOptions) { o.WithoutCertificate = true }),
			},
		}},
	}
}

// stitchedIn attests as a guest that runs a TPM in its own software, with a report that
// names its key, and the honest machine's values in its registers.
func stitchedIn(ctx context.Context, a *Attacker) (Got, error) {
	software, err := newTPM(a.World(), tpm.MachineOptions{Name: "attacks/software", PCRs: []int{7}, WithoutCertificate: true})
	if err == nil {
		err = software.Measure(7, []byte(composed))
	}
	if err != nil {
		return Got{}, err
	}
	return recomposed(func(ctx context.Context, c composite, b evidence.Binding) (evidence.Bundle, error) {
		own, err := paravisor.New(c.guest, software, paravisor.Options{Form: paravisor.PublicArea})
		if err != nil {
			return nil, err
		}
		return own.Attest(ctx, b)
	})(ctx, a)
}

// inside is the honest machine of the case's subject.
func (a *Attacker) inside() (inside, error) {
	m, ok := a.Machine().(inside)
	if !ok {
		return m, fmt.Errorf("the subject %q has no TPM in protected memory", a.subject.Name)
	}
	return m, nil
}

// insideCase has other hardware evidence beside a quote of the honest TPM, and then lies about that.
func insideCase(name string, want []evidence.Code, hardware func(a *Attacker, m inside) (evidence.Item, error), lies ...func(*evidence.TPM) error) Case {
	return Case{
		Name: name, Subject: tpmInside, Want: want, Proof: ByParser, Why: unvouched,
		Try: func(ctx context.Context, a *Attacker) (Got, error) {
			m, err := a.inside()
			if err != nil {
				return Got{}, err
			}
			return a.Attest(ctx, Attempt{Evidence: func(_ context.Context, b evidence.Binding) (evidence.Bundle, error) {
				item, err := hardware(a, m)
				if err != nil {
					return nil, err
				}
				quote, err := m.TPM.Quote(b.ReportData(evidence.KindTPM))
				if err != nil {
					return nil, err
				}
				for _, lie := range lies {
					if err := lie(quote); err != nil {
						return nil, err
					}
				}
				return evidence.NewBundle(item, quote)
			}})
		},
	}
}

// byCheck has a case be proved by its checks, and by those behind them.
func byCheck(c Case, behind ...evidence.Code) Case {
	c.Proof, c.Why, c.Behind = ByCheck, "", behind
	return c
}

// besideReport has the quote of another TPM, which measured the same, beside the honest report.
func besideReport(change func(*tpm.MachineOptions)) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		m, err := a.inside()
		if err != nil {
			return Got{}, err
		}
		o := tpm.MachineOptions{Name: "attacks/beside", Firmware: firmwareOf(tpmInside)}
		change(&o)
		other, err := newTPM(a.World(), o)
		if err == nil {
			err = measured{name: tpmInside}.measure(other)
		}
		if err != nil {
			return Got{}, err
		}
		return a.Attest(ctx, Attempt{Evidence: func(_ context.Context, b evidence.Binding) (evidence.Bundle, error) {
			item, err := m.Hardware()
			if err != nil {
				return nil, err
			}
			quote, err := other.Quote(b.ReportData(evidence.KindTPM))
			if err != nil {
				return nil, err
			}
			return evidence.NewBundle(item, quote)
		}})
	}
}

// runtimeData is a text as Azure's paravisor writes it, with keys that are no TPM's.
func runtimeData(a *Attacker) (string, error) {
	key, err := largeKey(a)
	if err != nil {
		return "", err
	}
	modulus := base64.RawURLEncoding.EncodeToString(key.N.Bytes())
	return fmt.Sprintf(`{"keys":[{"kid":"HCLAkPub","key_ops":["sign"],"kty":"RSA","e":"AQAB","n":%[1]q},`+
		`{"kid":"HCLEkPub","key_ops":["encrypt"],"kty":"RSA","e":"AQAB","n":%[1]q}],`+
		`"vm-configuration":{"console-enabled":false,"root-cert-thumbprint":"","secure-boot":true,"tpm-enabled":true,"tpm-persisted":true,`+
		`"vmUniqueId":"51544E59-0000-4000-8000-000000000001"},"user-data":"%0128X"}`, modulus, 0), nil
}
