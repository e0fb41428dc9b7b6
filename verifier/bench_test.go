package verifier_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
	snpverifier "github.com/quotary/quotary/tee/sevsnp"
	tdxverifier "github.com/quotary/quotary/tee/tdx"
	tpmverifier "github.com/quotary/quotary/tee/tpm"
	"github.com/quotary/quotary/verifier"
)

// benchPolicy has a place for each machine's measurements.
const benchPolicy = `
apiVersion: quotary.dev/v1
kind: Workload
name: bench
identity: {spiffe_id: spiffe://example.org/bench}
allow_simulated: true
any_of:
  - sev_snp: {measurements: [%x], minimum_tcb: any}
  - tdx: {mrtd: [%x], rtmr0: [%x], rtmr1: [%x], rtmr2: [%x], rtmr3: any}
  - tpm: {ak: {sources: [certificate]}, pcrs: {sha256: {7: [%s]}}}
require:
  - {name: simulated, rule: simulated, message: a simulated machine}
`

// BenchmarkAppraise measures a whole appraisal of each technology with all
// caches warm: fence, verification, binding, policy with a rule. Compare with
// BenchmarkBareSignature of the curve.
func BenchmarkAppraise(b *testing.B) {
	world, err := simulators.New("bench", time.Now())
	if err != nil {
		b.Fatal(err)
	}
	snp, err := world.SEVSNP.NewMachine(sevsnp.MachineOptions{Name: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	machine, err := world.TPM.NewMachine(tpm.MachineOptions{Name: "bench", PCRs: []int{7}})
	if err != nil {
		b.Fatal(err)
	}
	if err := machine.Measure(7, []byte("secure boot")); err != nil {
		b.Fatal(err)
	}
	td := tdx.DefaultMachine()
	v := benchVerifier(b, world, fmt.Sprintf(benchPolicy, snp.Template.Measurement,
		td.MRTD, td.RTMR[0], td.RTMR[1], td.RTMR[2], machine.PCRs()[tpm.SHA256][7]))
	for name, attester := range map[string]tee.Attester{
		"sev-snp": snp, "tdx": world.TDX.NewMachine(td), "tpm": machine,
	} {
		b.Run(name, func(b *testing.B) {
			binding := evidence.NewBinding(evidence.PurposeToken, [evidence.NonceSize]byte{}, nil, "bench", attester.Kinds())
			bundle, err := attester.Attest(context.Background(), binding)
			if err != nil {
				b.Fatal(err)
			}
			request := verifier.Request{Bundle: bundle, Freshness: verifier.BackgroundCheck{ReportData: binding[:]}}
			b.ReportAllocs()
			for b.Loop() {
				result, err := v.Appraise(request)
				if err != nil || !result.Accepted() {
					b.Fatal(err, result.Checks().Failed())
				}
			}
		})
	}
}

func benchVerifier(b *testing.B, world *simulators.World, policy string) *verifier.Verifier {
	b.Helper()
	snp, err := snpverifier.New(world.SEVSNP.Anchor())
	if err != nil {
		b.Fatal(err)
	}
	intel, err := tdxverifier.New(world.TDX.Anchor())
	if err != nil {
		b.Fatal(err)
	}
	machines, err := tpmverifier.New(tpmverifier.Options{Roots: []tee.Anchor{world.TPM.Anchor()}})
	if err != nil {
		b.Fatal(err)
	}
	set, err := policies.Load(policies.File{Name: "bench.yaml", Data: []byte(policy)})
	if err != nil {
		b.Fatal(err)
	}
	published, err := world.Endorsements()
	if err != nil {
		b.Fatal(err)
	}
	v, err := verifier.New(verifier.Config{
		Technologies: []tee.Verifier{snp, intel, machines}, AcceptSimulated: true,
		Policies:     func() *policies.Set { return set },
		Endorsements: func() *tee.Endorsements { return published },
	})
	if err != nil {
		b.Fatal(err)
	}
	return v
}

// BenchmarkBareSignature is the one verification that no appraisal can do without.
func BenchmarkBareSignature(b *testing.B) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		b.Run(curve.Params().Name, func(b *testing.B) {
			key, err := ecdsa.GenerateKey(curve, rand.Reader)
			if err != nil {
				b.Fatal(err)
			}
			digest := make([]byte, curve.Params().BitSize/8)
			signature, err := ecdsa.SignASN1(rand.Reader, key, digest)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if !ecdsa.VerifyASN1(&key.PublicKey, digest, signature) {
					b.Fatal("a good signature does not verify")
				}
			}
		})
	}
}
