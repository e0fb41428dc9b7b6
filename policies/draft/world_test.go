package draft_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/policies/draft"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/eventlog"
	"github.com/quotary/quotary/simulators/paravisor"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tdx"
	simulated "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
	snpverifier "github.com/quotary/quotary/tee/sevsnp"
	tdxverifier "github.com/quotary/quotary/tee/tdx"
	"github.com/quotary/quotary/tee/tpm"
	"github.com/quotary/quotary/verifier"
	"github.com/quotary/quotary/verifier/verifiertest"
)

var now = verifiertest.Now()

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// machines are the claims of simulated machines of every kind, as the verifiers
// find them, by the machines' names.
func machines(t testing.TB) map[string][]evidence.Claims {
	once.Do(func() { found = appraised(t) })
	return found
}

var (
	once  sync.Once
	found map[string][]evidence.Claims
)

func appraised(t testing.TB) map[string][]evidence.Claims {
	world := must(simulators.New("drafts", now))
	snp := must(snpverifier.New(world.SEVSNP.Anchor()))
	intel := must(tdxverifier.New(world.TDX.Anchor()))
	module := must(tpm.New(tpm.Options{Roots: []tee.Anchor{world.TPM.Anchor()}}))
	endorsements := must(world.Endorsements())
	challenges := verifier.NewChallenges(&verifier.SpentSet{})
	v := must(verifier.New(verifier.Config{
		Technologies: []tee.Verifier{snp, intel, module}, TrustDomain: "example.org", AcceptSimulated: true, Challenges: challenges,
		Policies: func() *policies.Set { return &policies.Set{} }, Now: func() time.Time { return now },
		Endorsements: func() *tee.Endorsements { return endorsements },
	}))
	found := map[string][]evidence.Claims{}
	for name, machine := range attesters(world) {
		key := verifiertest.NewKey(t)
		challenge, sealed := challenges.Issue(evidence.PurposeCertificate, "example.org", now)
		binding := evidence.NewBinding(evidence.PurposeCertificate, challenge.Nonce, key.SPKI(), "example.org", machine.Kinds())
		bundle := must(machine.Attest(context.Background(), binding))
		result := must(v.Appraise(verifier.Request{Bundle: bundle, Freshness: verifier.Answer{Challenge: sealed, PublicKey: key.SPKI()}}))
		if found[name] = result.Claims(); len(found[name]) == 0 {
			panic(fmt.Sprint(name, ": ", result.Checks().Failed()))
		}
	}
	return found
}

func attesters(world *simulators.World) map[string]tee.Attester {
	boot := func(m *simulated.Machine) *simulated.Machine {
		for pcr := range 15 {
			if pcr != 10 && pcr != 12 {
				if err := m.Measure(pcr, []byte{byte(pcr)}); err != nil {
					panic(err)
				}
			}
		}
		return m
	}
	virtual := simulated.MachineOptions{Name: "virtual", Key: simulated.KeyRSA, EK: simulated.EKRSA2048, WithoutCertificate: true}
	first := must(world.SEVSNP.NewMachine(sevsnp.MachineOptions{Name: "one"}))
	return map[string]tee.Attester{
		"sev-snp":              first,
		"sev-snp by provider":  must(world.SEVSNP.NewMachine(sevsnp.MachineOptions{Name: "two", CSPID: "cloud"})),
		"tdx":                  world.TDX.NewMachine(tdx.DefaultMachine()),
		"tdx with a log":       world.TDX.NewMachine(tdx.BootedMachine()),
		"tpm":                  boot(must(world.TPM.NewMachine(simulated.MachineOptions{Name: "three"}))),
		"tpm with a log":       must(world.TPM.NewMachine(simulated.MachineOptions{Name: "four", Boot: unified()})),
		"tpm with a list":      measuring(world),
		"tpm with GRUB":        must(world.TPM.NewMachine(simulated.MachineOptions{Name: "five", Boot: grub()})),
		"sev-snp and tpm":      tee.Compose(first, boot(must(world.TPM.NewMachine(simulated.MachineOptions{Name: "six"})))),
		"tdx and tpm":          tee.Compose(world.TDX.NewMachine(tdx.BootedMachine()), must(world.TPM.NewMachine(simulated.MachineOptions{Name: "seven", Boot: unified()}))),
		"sev-snp by paravisor": must(paravisor.New(first, boot(must(world.TPM.NewMachine(virtual))), paravisor.Options{Form: paravisor.RuntimeData})),
		"tdx by paravisor":     must(paravisor.New(world.TDX.NewMachine(tdx.DefaultMachine()), boot(must(world.TPM.NewMachine(virtual))), paravisor.Options{Form: paravisor.RuntimeData})),
	}
}

// unified is a boot of a unified kernel image, and grub one by shim and GRUB.
func unified() *eventlog.Boot {
	boot := tdx.DefaultBoot()
	return &boot
}

func grub() *eventlog.Boot {
	boot := tdx.DefaultBoot()
	boot.GRUB = &eventlog.GRUB{
		Loader: []byte("grub"), Mok: []byte("mok"), MokX: []byte("mokx"), Commands: []string{"set timeout=0"}, KernelPath: "/vmlinuz",
	}
	return &boot
}

// measuring is a machine whose kernel measures files.
func measuring(world *simulators.World) tee.Attester {
	m := must(world.TPM.NewMachine(simulated.MachineOptions{Name: "nine", Boot: unified(), IMA: true}))
	for _, name := range []string{"/usr/bin/payments", "/usr/bin/init"} {
		digest := sha256.Sum256([]byte(name))
		if err := m.MeasureFile(name, digest[:]); err != nil {
			panic(err)
		}
	}
	return m
}

// options are those of a draft that consents to simulated evidence.
func options() draft.Options {
	return draft.Options{Name: "web", SPIFFEID: "spiffe://example.org/web", TTL: 30 * time.Minute, Simulated: true, Source: "machine.json", At: now}
}

func load(t testing.TB, text []byte) *policies.Set {
	t.Helper()
	set, err := policies.Load(policies.File{Name: "draft.yaml", Data: text})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return set
}
