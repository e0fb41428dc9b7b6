package verifier_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/simulators"
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

// world is a service with the real verifiers, that trusts simulated vendors.
type world struct {
	*simulators.World
	t          testing.TB
	at         time.Time
	challenges *verifier.Challenges
	states     *keyStates
	without    bool // no endorsement is at hand
	config     verifier.Config
	service    *verifier.Verifier
}

// The world's vendors; RSA keys take a while to make.
var vendors = sync.OnceValues(func() (*simulators.World, error) { return simulators.New("composites", verifiertest.Now()) })

// machinePolicy grants an identity to simulated machines that measured what
// [world.tpm] has them measure.
func machinePolicy(snp evidence.Hex, pcr evidence.Hex) string {
	requires := map[string]string{
		"snp": fmt.Sprintf("sev_snp: {measurements: [%s], minimum_tcb: any}", snp),
		"tdx": fmt.Sprintf("tdx: {mrtd: [%x], rtmr0: any, rtmr1: any, rtmr2: any, rtmr3: any}", tdx.DefaultMachine().MRTD),
	}
	text := `apiVersion: quotary.dev/v1
kind: Workload
name: machine
identity: {spiffe_id: "spiffe://example.org/machine"}
allow_simulated: true
any_of:
`
	for name, require := range requires {
		text += fmt.Sprintf("  - name: %[1]s\n    %[2]s\n    tpm: {pcrs: {sha256: {7: [%[3]s]}}, ak: {sources: [certificate, tee]}, revocation: off}\n"+
			"  - name: %[1]s-paravisor\n    %[2]s\n    tpm: {pcrs: {sha256: {7: [%[3]s]}}, ak: {sources: [tee]}}\n    paravisor: {secure_boot: required}\n", name, require, pcr)
	}
	return text + fmt.Sprintf("  - name: tpm\n    tpm: {pcrs: {sha256: {7: [%s]}}, revocation: off}\n", pcr)
}

func newWorld(t testing.TB) *world {
	t.Helper()
	all, err := vendors()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{World: all, t: t, at: verifiertest.Now(), challenges: verifier.NewChallenges(&verifier.SpentSet{}), states: &keyStates{}}
	snp, err := snpverifier.New(all.SEVSNP.Anchor())
	if err != nil {
		t.Fatal(err)
	}
	intel, err := tdxverifier.New(all.TDX.Anchor())
	if err != nil {
		t.Fatal(err)
	}
	module, err := tpm.New(tpm.Options{Roots: []tee.Anchor{all.TPM.Anchor()}})
	if err != nil {
		t.Fatal(err)
	}
	text := machinePolicy(evidence.Hex(w.SEVSNP.Report("any").Measurement[:]), w.tpm("any", simulated.MachineOptions{}).PCRs()[simulated.SHA256][7])
	set, err := policies.Load(policies.File{Name: "p.yaml", Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	w.config = verifier.Config{
		Technologies: []tee.Verifier{snp, intel, module}, TrustDomain: domain, AcceptSimulated: true, Challenges: w.challenges,
		Policies: func() *policies.Set { return set }, KeyStates: w.states, Now: func() time.Time { return w.at },
		Endorsements: func() *tee.Endorsements {
			if w.without {
				return nil
			}
			published, err := all.Endorsements()
			if err != nil {
				t.Error(err)
			}
			return published
		},
	}
	w.service = w.configured(func(*verifier.Config) {})
	return w
}

// configured is a service like the world's, with one thing altered.
func (w *world) configured(alter func(*verifier.Config)) *verifier.Verifier {
	w.t.Helper()
	c := w.config
	alter(&c)
	v, err := verifier.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func (w *world) tpm(name string, o simulated.MachineOptions) *simulated.Machine {
	w.t.Helper()
	o.Name = name
	m, err := w.TPM.NewMachine(o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.measure(m)
	return m
}

// measure has a machine measure what the policy wants.
func (w *world) measure(m *simulated.Machine) {
	w.t.Helper()
	if err := m.Measure(7, []byte("the right state")); err != nil {
		w.t.Fatal(err)
	}
}

// hardware is a confidential VM of a kind.
func (w *world) hardware(kind evidence.Kind, name string) tee.Attester {
	w.t.Helper()
	if kind == evidence.KindTDX {
		return w.TDX.NewMachine(tdx.DefaultMachine())
	}
	m, err := w.SEVSNP.NewMachine(sevsnp.MachineOptions{Name: name})
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// paravised is a confidential VM whose paravisor vouches for a virtual TPM.
func (w *world) paravised(kind evidence.Kind, name string, form paravisor.Form) *paravisor.Machine {
	w.t.Helper()
	vtpm := w.tpm(name, simulated.MachineOptions{Key: simulated.KeyRSA, EK: simulated.EKRSA2048, WithoutCertificate: true})
	m, err := paravisor.New(w.hardware(kind, name), vtpm, paravisor.Options{Form: form})
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// attempt is what a machine sends for a new challenge.
func (w *world) attempt(machine tee.Attester) verifier.Request {
	w.t.Helper()
	challenge, sealed := w.challenges.Issue(evidence.PurposeCertificate, domain, w.at)
	key := verifiertest.NewKey(w.t)
	binding := evidence.NewBinding(evidence.PurposeCertificate, challenge.Nonce, key.SPKI(), domain, machine.Kinds())
	bundle, err := machine.Attest(w.t.Context(), binding)
	if err != nil {
		w.t.Fatal(err)
	}
	return verifier.Request{Bundle: bundle, Freshness: verifier.Answer{Challenge: sealed, PublicKey: key.SPKI()}}
}

// stitched is a machine that takes the items of one kind from one machine and the
// others from another.
type stitched struct {
	tee.Attester
	other tee.Attester
	kind  evidence.Kind
}

func (s stitched) Attest(ctx context.Context, binding evidence.Binding) (evidence.Bundle, error) {
	mine, err := s.Attester.Attest(ctx, binding)
	if err != nil {
		return nil, err
	}
	theirs, err := s.other.Attest(ctx, binding)
	for i, item := range mine {
		if item.Kind() == s.kind {
			n := slices.IndexFunc(theirs, func(i evidence.Item) bool { return i.Kind() == s.kind })
			mine[i] = theirs[n]
		}
	}
	return mine, err
}

// composites are the ways in which a TEE and a TPM belong together, each with two
// machines.
func (w *world) composites(kind evidence.Kind) map[string][2]tee.Attester {
	w.t.Helper()
	composed := func(name string) tee.Attester {
		return tee.Compose(w.hardware(kind, name), w.tpm(name, simulated.MachineOptions{}))
	}
	return map[string][2]tee.Attester{
		"covering":     {composed("a"), composed("b")},
		"runtime data": {w.paravised(kind, "a", paravisor.RuntimeData), w.paravised(kind, "b", paravisor.RuntimeData)},
		"key digest":   {w.paravised(kind, "a", paravisor.PublicArea), w.paravised(kind, "b", paravisor.PublicArea)},
	}
}

// TestAttack_P37_PartsOfTwoMachines: each part is genuine and, where it can be,
// fresh; but they are parts of two machines.
func TestAttack_P37_PartsOfTwoMachines(t *testing.T) {
	for _, kind := range []evidence.Kind{evidence.KindSEVSNP, evidence.KindTDX} {
		w := newWorld(t)
		for name, pair := range w.composites(kind) {
			t.Run(fmt.Sprint(kind, " ", name), func(t *testing.T) {
				if result := appraise(t, w.service, w.attempt(pair[0])); !result.Accepted() {
					t.Fatalf("one machine: %s %v", result.Verdict(), result.Checks().Failed())
				}
				for part, other := range map[string]evidence.Kind{"report": kind, "quote": evidence.KindTPM} {
					if result := appraise(t, w.service, w.attempt(stitched{pair[0], pair[1], other})); result.Verdict() != verifier.Rejected {
						t.Errorf("with the other's %s: %s", part, result.Verdict())
					}
				}
				request := w.attempt(pair[0])
				for _, alone := range request.Bundle {
					r := w.attempt(pair[0])
					r.Bundle = evidence.Bundle{alone}
					if result := appraise(t, w.service, r); result.Verdict() != verifier.Rejected {
						t.Errorf("the %s alone: %s", alone.Kind(), result.Verdict())
					}
				}
			})
		}
	}
}

// TestAttack_P36_HostileParavisor: genuine hardware signed the digest of whatever
// the layer below the guest wrote.
func TestAttack_P36_HostileParavisor(t *testing.T) {
	w := newWorld(t)
	victim, attacker := w.paravised(evidence.KindSEVSNP, "victim", paravisor.RuntimeData), w.paravised(evidence.KindSEVSNP, "attacker", paravisor.RuntimeData)
	mine, err := attacker.RuntimeData()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := victim.RuntimeData()
	if err != nil {
		t.Fatal(err)
	}
	for name, runtime := range map[string][]byte{
		"two texts":        append(slices.Clone(mine), theirs...),
		"a trailing space": append(slices.Clone(mine), ' ', 0),
		"nothing":          []byte("{}"),
	} {
		item, err := attacker.HardwareOver(runtime)
		if err != nil {
			t.Fatal(err)
		}
		r := w.attempt(attacker)
		r.Bundle[0] = item
		if result := appraise(t, w.service, r); result.Verdict() != verifier.Rejected {
			t.Errorf("%s: %s", name, result.Verdict())
		}
	}
	// The victim's report beside the attacker's quote, with the attacker's text.
	r := w.attempt(attacker)
	report, err := victim.Hardware()
	if err != nil {
		t.Fatal(err)
	}
	report.(*evidence.SNP).RuntimeData = mine
	r.Bundle[0] = report
	if result := appraise(t, w.service, r); !fails(result, evidence.CodeCompositeRuntime) {
		t.Errorf("the victim's report: %s %v", result.Verdict(), result.Checks().Failed())
	}
}

// TestAttack_P20_QuotesOutOfOrder: a quote that was made before one that was
// accepted shows a machine as it was.
func TestAttack_P20_QuotesOutOfOrder(t *testing.T) {
	w := newWorld(t)
	machine := w.tpm("p20", simulated.MachineOptions{})
	first, second := w.attempt(machine), w.attempt(machine)
	w.states.keep(t, appraise(t, w.service, second))
	if result := appraise(t, w.service, first); !fails(result, evidence.CodeTPMClock) {
		t.Errorf("%s: %v", result.Verdict(), result.Checks().Failed())
	}
	w.states.keep(t, appraise(t, w.service, w.attempt(machine)))
}

// TestAttack_P20_CloneOfVirtualTPM: a copy of a virtual TPM goes on from an earlier
// state. As soon as both are used, one of them is seen to run backwards.
func TestAttack_P20_CloneOfVirtualTPM(t *testing.T) {
	w := newWorld(t)
	machine := w.tpm("clone", simulated.MachineOptions{})
	w.states.keep(t, appraise(t, w.service, w.attempt(machine)))
	copied := machine.Clone()
	if err := machine.Reboot(); err != nil {
		t.Fatal(err)
	}
	w.measure(machine)
	w.states.keep(t, appraise(t, w.service, w.attempt(machine)))
	if result := appraise(t, w.service, w.attempt(copied)); !fails(result, evidence.CodeTPMClock) {
		t.Errorf("%s: %v", result.Verdict(), result.Checks().Failed())
	}
}

// TestAttack_P22_CertificationForAnotherChallenge: the key lives in the TPM, but the
// TPM said so for another challenge.
func TestAttack_P22_CertificationForAnotherChallenge(t *testing.T) {
	w := newWorld(t)
	machine := w.tpm("p22", simulated.MachineOptions{})
	key, err := machine.MakeKey(simulated.KeyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	public, err := evidence.NewKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	machine.UseKey(key)
	attest := func() verifier.Request {
		challenge, sealed := w.challenges.Issue(evidence.PurposeCertificate, domain, w.at)
		binding := evidence.NewBinding(evidence.PurposeCertificate, challenge.Nonce, public.SPKI(), domain, machine.Kinds())
		bundle, err := machine.Attest(t.Context(), binding)
		if err != nil {
			t.Fatal(err)
		}
		return verifier.Request{Bundle: bundle, Freshness: verifier.Answer{Challenge: sealed, PublicKey: public.SPKI()}}
	}
	old := attest()
	result := appraise(t, w.service, old)
	if claims := result.Claims()[0].TPM; !result.Accepted() || claims.CertifiedKey == nil {
		t.Fatalf("%s: %v", result.Verdict(), result.Checks().Failed())
	}
	replayed := attest()
	replayed.Bundle[0].(*evidence.TPM).Certification = old.Bundle[0].(*evidence.TPM).Certification
	if result := appraise(t, w.service, replayed); !fails(result, evidence.CodeTPMCertification) {
		t.Errorf("%s: %v", result.Verdict(), result.Checks().Failed())
	}
	// A machine whose key is certified, but that asks for a certificate for another.
	if result := appraise(t, w.service, w.attempt(machine)); !fails(result, evidence.CodeCompositeKeyInTPM) {
		t.Errorf("another key: %s: %v", result.Verdict(), result.Checks().Failed())
	}
}
