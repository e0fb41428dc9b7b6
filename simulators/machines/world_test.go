package machines_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/machines"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/sevsnp"
	"github.com/quotary/quotary/tee/tdx"
	"github.com/quotary/quotary/tee/tpm"
	"github.com/quotary/quotary/verifier"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const domain = "sim.test"

// world is made once: its RSA keys take a second.
var world = sync.OnceValues(func() (*simulators.World, error) { return simulators.New("machines", now) })

// newMachine makes a machine that ends with the test.
func newMachine(t testing.TB, s machines.Spec) *machines.Machine {
	t.Helper()
	w, err := world()
	if err != nil {
		t.Fatal(err)
	}
	m, err := machines.New(w, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// service is the core of a service: real verifiers that trust the world, and policies.
type service struct {
	*verifier.Verifier
	challenges *verifier.Challenges

	mu     sync.Mutex
	states map[evidence.Digest]tee.KeyState // what the last accepted quote left
	scopes map[evidence.Digest]string
}

// KeyState implements verifier.KeyStates.
func (s *service) KeyState(ak evidence.Digest) (tee.KeyState, string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state, ok := s.states[ak]
	return state, s.scopes[ak], ok
}

// forget forgets what was accepted.
func (s *service) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states, s.scopes = map[evidence.Digest]tee.KeyState{}, map[evidence.Digest]string{}
}

// keep does what a service does when it accepts.
func (s *service) keep(r verifier.Result) {
	update := r.KeyUpdate()
	if update == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states[update.AK], s.scopes[update.AK] = update.After, update.Scope
}

// newService makes a service with the workloads of machines.
func newService(t testing.TB, granted ...*machines.Machine) *service {
	t.Helper()
	w, err := world()
	if err != nil {
		t.Fatal(err)
	}
	var lines []tee.Anchor
	for _, line := range w.Lines() {
		lines = append(lines, line.Anchor())
	}
	snp, err := sevsnp.New(lines...)
	if err != nil {
		t.Fatal(err)
	}
	intel, err := tdx.New(w.TDX.Anchor())
	if err != nil {
		t.Fatal(err)
	}
	module, err := tpm.New(tpm.Options{Roots: []tee.Anchor{w.TPM.Anchor()}})
	if err != nil {
		t.Fatal(err)
	}
	var files []policies.File
	for _, m := range granted {
		files = append(files, m.Workload(domain))
	}
	set, err := policies.Load(files...)
	if err != nil {
		t.Fatal(err)
	}
	published, err := w.Endorsements()
	if err != nil {
		t.Fatal(err)
	}
	s := &service{challenges: verifier.NewChallenges(&verifier.SpentSet{})}
	s.forget()
	s.Verifier, err = verifier.New(verifier.Config{
		Technologies: []tee.Verifier{snp, intel, module}, TrustDomain: domain, AcceptSimulated: true, Challenges: s.challenges,
		Policies: func() *policies.Set { return set }, KeyStates: s, Now: func() time.Time { return now },
		Endorsements: func() *tee.Endorsements { return published }, Pooled: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newKey is a workload's key.
var newKey = sync.OnceValue(func() evidence.Key {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	key, err := evidence.NewKey(private.Public())
	if err != nil {
		panic(err)
	}
	return key
})

// attest has a machine attest to the service, and returns what became of it: no code if it was
// accepted, or those of the checks that failed.
func (s *service) attest(t testing.TB, m tee.Attester) []evidence.Code {
	t.Helper()
	challenge, sealed := s.challenges.Issue(evidence.PurposeCertificate, domain, now)
	key := newKey()
	bundle, err := m.Attest(t.Context(), evidence.NewBinding(evidence.PurposeCertificate, challenge.Nonce, key.SPKI(), domain, m.Kinds()))
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := bundle.MarshalCBOR()
	if err != nil {
		return []evidence.Code{evidence.CodeOf(err)}
	}
	received, err := evidence.Parse(encoded)
	if err != nil {
		return []evidence.Code{evidence.CodeOf(err)}
	}
	result, err := s.Appraise(verifier.Request{Bundle: received, Freshness: verifier.Answer{Challenge: sealed, PublicKey: key.SPKI()}})
	if err != nil {
		return []evidence.Code{evidence.CodeOf(err)}
	}
	if result.Accepted() {
		s.keep(result)
		return nil
	}
	var codes []evidence.Code
	for _, check := range result.Checks() {
		if check.Status == evidence.Fail && check.Code != evidence.CodePolicyWorkload && !slices.Contains(codes, check.Code) {
			codes = append(codes, check.Code)
			t.Logf("%.300s", check)
		}
	}
	if len(codes) == 0 {
		t.Errorf("%s without a failed check: %v", result.Verdict(), result.Checks())
	}
	return codes
}
