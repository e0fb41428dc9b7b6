package verifier_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
	"github.com/quotary/quotary/verifier"
	"github.com/quotary/quotary/verifier/verifiertest"
)

const domain = verifiertest.TrustDomain

// service is a verifier with the parts that a test changes.
type service struct {
	challenges *verifier.Challenges
	technology []tee.Verifier
	policy     string
	simulated  bool
	domain     string
	at         time.Time
	noPolicies bool

	endorsements func() *tee.Endorsements
	keyStates    verifier.KeyStates
}

var acceptSNP = `apiVersion: quotary.dev/v1
kind: Workload
name: any
identity: {spiffe_id: "spiffe://example.org/any"}
any_of:
  - sev_snp: {measurements: ["` + teetest.Measurement(48).String() + `"], minimum_tcb: any}
`

func newService() *service {
	return &service{
		challenges: verifier.NewChallenges(&verifier.SpentSet{}),
		technology: []tee.Verifier{
			&teetest.Technology{Of: evidence.KindSEVSNP, Claims: teetest.Claims(evidence.KindSEVSNP)},
			&teetest.Technology{Of: evidence.KindTPM, Claims: teetest.Claims(evidence.KindTPM)},
		},
		policy: acceptSNP, domain: domain, at: verifiertest.Now(),
	}
}

func (s *service) verifier(tb testing.TB) *verifier.Verifier {
	tb.Helper()
	config := verifier.Config{
		Technologies: s.technology, TrustDomain: s.domain, AcceptSimulated: s.simulated,
		Challenges: s.challenges, Now: func() time.Time { return s.at }, Endorsements: s.endorsements, KeyStates: s.keyStates,
	}
	if !s.noPolicies {
		set, err := policies.Load(policies.File{Name: "p", Data: []byte(s.policy)})
		if err != nil {
			tb.Fatal(err)
		}
		config.Policies = func() *policies.Set { return set }
	}
	v, err := verifier.New(config)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// answer is evidence of these kinds for a new challenge.
type answer struct {
	challenge evidence.Challenge
	sealed    string
	key       evidence.Key
	kinds     []evidence.Kind
	purpose   evidence.Purpose
}

func (s *service) answer(tb testing.TB, kinds ...evidence.Kind) answer {
	tb.Helper()
	challenge, sealed := s.challenges.Issue(evidence.PurposeCertificate, s.domain, s.at)
	return answer{challenge, sealed, verifiertest.NewKey(tb), kinds, evidence.PurposeCertificate}
}

// request is what the machine sends: evidence bound as a says.
func (a answer) request(tb testing.TB) verifier.Request {
	tb.Helper()
	binding := evidence.NewBinding(a.purpose, a.challenge.Nonce, a.key.SPKI(), a.challenge.Audience, a.kinds)
	var items []evidence.Item
	for _, kind := range a.kinds {
		items = append(items, teetest.Item(kind, teetest.Bound(binding, a.kinds)(kind)))
	}
	bundle, err := evidence.NewBundle(items...)
	if err != nil {
		tb.Fatal(err)
	}
	return verifier.Request{Bundle: bundle, Freshness: verifier.Answer{Challenge: a.sealed, PublicKey: a.key.SPKI()}}
}

func appraise(tb testing.TB, v *verifier.Verifier, r verifier.Request) verifier.Result {
	tb.Helper()
	result, err := v.Appraise(r)
	if err != nil {
		tb.Fatal(err)
	}
	return result
}

// refusedWith fails the test unless the appraisal ends in an error of this code.
func refusedWith(tb testing.TB, v *verifier.Verifier, r verifier.Request, code evidence.Code) {
	tb.Helper()
	result, err := v.Appraise(r)
	if evidence.CodeOf(err) != code || result.Valid() || result.Accepted() {
		tb.Errorf("got %v, want a refusal with %s", err, code)
	}
}

func TestAttack_B01_EvidenceIsReplayed(t *testing.T) {
	s := newService()
	v, r := s.verifier(t), s.answer(t, evidence.KindSEVSNP).request(t)
	if !appraise(t, v, r).Accepted() {
		t.Fatal("not accepted at first")
	}
	refusedWith(t, v, r, evidence.CodeChallengeSpent)
	// the same evidence under a new challenge
	r.Freshness = verifier.Answer{Challenge: s.answer(t, evidence.KindSEVSNP).sealed, PublicKey: r.Freshness.(verifier.Answer).PublicKey}
	if result := appraise(t, v, r); result.Verdict() != verifier.Rejected || result.Nonce() != nil {
		t.Errorf("old evidence under a new challenge: %s, nonce %x", result.Verdict(), result.Nonce())
	}
}

func TestAttack_B02_NoncesAreRandom(t *testing.T) {
	s := newService()
	seen := map[[32]byte]bool{}
	ones := 0
	for range 1000 {
		c, _ := s.challenges.Issue(evidence.PurposeToken, domain, s.at)
		seen[c.Nonce] = true
		for _, b := range c.Nonce {
			for ; b != 0; b &= b - 1 {
				ones++
			}
		}
	}
	if share := float64(ones) / (1000 * 256); len(seen) != 1000 || share < 0.49 || share > 0.51 {
		t.Errorf("%d distinct nonces of 1000, %.3f of the bits set", len(seen), share)
	}
}

func TestAttack_B03_ChallengeIsUsedByManyAtOnce(t *testing.T) {
	s := newService()
	v, r := s.verifier(t), s.answer(t, evidence.KindSEVSNP).request(t)
	var accepted, spent atomic.Int32
	var wait sync.WaitGroup
	gate := make(chan struct{})
	for range 200 {
		wait.Go(func() {
			<-gate
			result, err := v.Appraise(r)
			if evidence.CodeOf(err) == evidence.CodeChallengeSpent {
				spent.Add(1)
			}
			if result.Accepted() {
				accepted.Add(1)
			}
		})
	}
	close(gate)
	wait.Wait()
	if accepted.Load() != 1 || spent.Load() != 199 {
		t.Errorf("%d accepted, %d spent", accepted.Load(), spent.Load())
	}
}

// A challenge dies with the process that sealed it, and with that the need to
// remember that it was spent.
func TestAttack_B05_RestartBetweenTwoUses(t *testing.T) {
	s := newService()
	r := s.answer(t, evidence.KindSEVSNP).request(t)
	if !appraise(t, s.verifier(t), r).Accepted() {
		t.Fatal("not accepted at first")
	}
	s.challenges = verifier.NewChallenges(&verifier.SpentSet{})
	refusedWith(t, s.verifier(t), r, evidence.CodeChallengeMalformed)
}

func TestAttack_B06_ChallengeExpires(t *testing.T) {
	s := newService()
	issued := s.at
	inTime, late := s.answer(t, evidence.KindSEVSNP).request(t), s.answer(t, evidence.KindSEVSNP).request(t)
	s.at = issued.Add(verifier.ChallengeTTL - time.Second)
	if !appraise(t, s.verifier(t), inTime).Accepted() {
		t.Error("refused in time")
	}
	s.at = issued.Add(verifier.ChallengeTTL)
	refusedWith(t, s.verifier(t), late, evidence.CodeChallengeExpired)
	s.at = issued.Add(400 * 24 * time.Hour)
	refusedWith(t, s.verifier(t), late, evidence.CodeChallengeExpired)
}

func TestAttack_B07_ChallengeOfTheRequestersOwn(t *testing.T) {
	s := newService()
	var key [evidence.SealKeySize]byte
	own := evidence.NewSealer(key).Seal(evidence.Challenge{Purpose: evidence.PurposeCertificate, Audience: domain, Expires: s.at.Add(time.Minute)})
	_, sealed := s.challenges.Issue(evidence.PurposeCertificate, domain, s.at)
	flipped := []byte(sealed)
	flipped[len(flipped)/2] ^= 1
	for _, text := range []string{"", "x", own, string(flipped), sealed[:len(sealed)-1], sealed + "A", " " + sealed, strings.Repeat("A", 1<<20)} {
		a := s.answer(t, evidence.KindSEVSNP)
		a.sealed = text
		refusedWith(t, s.verifier(t), a.request(t), evidence.CodeChallengeMalformed)
	}
}

func TestAttack_B10_AnotherKeyThanTheAttestedOne(t *testing.T) {
	s := newService()
	v, a := s.verifier(t), s.answer(t, evidence.KindSEVSNP)
	r := a.request(t)
	r.Freshness = verifier.Answer{Challenge: a.sealed, PublicKey: verifiertest.NewKey(t).SPKI()}
	result := appraise(t, v, r)
	if result.Accepted() || result.Verdict() != verifier.Rejected {
		t.Errorf("the verdict is %s", result.Verdict())
	}
	if check, ok := result.Checks().Get(evidence.CodeBinding); !ok || check.Status != evidence.Fail {
		t.Errorf("the binding is %v", check)
	}
	if _, ok := result.CertificateKey(); ok {
		t.Error("the key may be certified")
	}
	refusedWith(t, v, a.request(t), evidence.CodeChallengeSpent) // and no second try
}

// Every part of the binding counts: what was made for something else is refused.
func TestAttack_B12_EvidenceForSomethingElse(t *testing.T) {
	for name, change := range map[string]func(*answer){
		"another audience": func(a *answer) { a.challenge.Audience = "other.org" },
		"another purpose":  func(a *answer) { a.purpose = evidence.PurposeToken },
		"another nonce":    func(a *answer) { a.challenge.Nonce[31] ^= 1 },
	} {
		s := newService()
		a := s.answer(t, evidence.KindSEVSNP)
		change(&a)
		if result := appraise(t, s.verifier(t), a.request(t)); result.Verdict() != verifier.Rejected {
			t.Errorf("%s: %s", name, result.Verdict())
		}
	}
}

func TestAttack_B12_ChallengeOfAnotherAudience(t *testing.T) {
	s := newService()
	a := s.answer(t, evidence.KindSEVSNP)
	a.challenge, a.sealed = s.challenges.Issue(evidence.PurposeCertificate, "other.org", s.at)
	refusedWith(t, s.verifier(t), a.request(t), evidence.CodeChallengeAudience)
}

func TestAttack_B19_ServicesClockRunsBackwards(t *testing.T) {
	s := newService()
	v := s.verifier(t)
	appraise(t, v, s.answer(t, evidence.KindSEVSNP).request(t))
	s.at = s.at.Add(-time.Hour)
	refusedWith(t, v, s.answer(t, evidence.KindSEVSNP).request(t), evidence.CodeOverloaded)
}

// The kinds of the whole bundle are bound: an item can be neither dropped nor
// added, and each item is bound by itself.
func TestAttack_B23_ItemsAreDroppedOrAdded(t *testing.T) {
	good := func(t *testing.T) (*service, answer, verifier.Request) {
		s := newService()
		s.policy = acceptSNP + "    tpm: any\n"
		a := s.answer(t, both...)
		return s, a, a.request(t)
	}
	s, _, r := good(t)
	if result := appraise(t, s.verifier(t), r); !result.Accepted() {
		t.Fatalf("the whole bundle: %v", result.Checks().Failed())
	}
	for name, change := range map[string]func(a answer, r *verifier.Request){
		"TPM dropped": func(_ answer, r *verifier.Request) { r.Bundle = r.Bundle[:1] },
		"SNP dropped": func(_ answer, r *verifier.Request) { r.Bundle = r.Bundle[1:] },
		"TPM of another machine": func(_ answer, r *verifier.Request) {
			r.Bundle = evidence.Bundle{r.Bundle[0], teetest.Item(evidence.KindTPM, make([]byte, 32))}
		},
		"SNP of another machine": func(_ answer, r *verifier.Request) {
			r.Bundle = evidence.Bundle{teetest.Item(evidence.KindSEVSNP, make([]byte, 64)), r.Bundle[1]}
		},
		"TPM with the whole binding": func(a answer, r *verifier.Request) {
			b := evidence.NewBinding(a.purpose, a.challenge.Nonce, a.key.SPKI(), domain, both)
			r.Bundle = evidence.Bundle{r.Bundle[0], teetest.Item(evidence.KindTPM, b[:])}
		},
	} {
		s, a, r := good(t)
		change(a, &r)
		if result := appraise(t, s.verifier(t), r); result.Verdict() != verifier.Rejected {
			t.Errorf("%s: %s", name, result.Verdict())
		}
	}
	s = newService()
	a := s.answer(t, evidence.KindSEVSNP)
	r = a.request(t)
	r.Bundle = append(r.Bundle, teetest.Item(evidence.KindTPM, make([]byte, 32)))
	if result := appraise(t, s.verifier(t), r); result.Verdict() != verifier.Rejected {
		t.Errorf("TPM added: %s", result.Verdict())
	}
}

// A challenge that was presented is spent, even if nothing else was good.
func TestChallengeIsSpentFirst(t *testing.T) {
	s := newService()
	v, a := s.verifier(t), s.answer(t, evidence.KindSEVSNP)
	good := a.request(t)
	empty := verifier.Request{Freshness: good.Freshness}
	refusedWith(t, v, empty, evidence.CodeEvidenceEmpty)
	refusedWith(t, v, good, evidence.CodeChallengeSpent)
	a = s.answer(t, evidence.KindSEVSNP)
	good = a.request(t)
	noKey := good
	noKey.Freshness = verifier.Answer{Challenge: a.sealed}
	refusedWith(t, v, noKey, evidence.CodeKeyMalformed)
	refusedWith(t, v, good, evidence.CodeChallengeSpent)
}

// TestSpend uses a challenge up without an appraisal.
func TestSpend(t *testing.T) {
	s := newService()
	a := s.answer(t, evidence.KindSEVSNP)
	v := s.verifier(t)
	v.Spend("no challenge at all")
	v.Spend(a.sealed)
	refusedWith(t, v, a.request(t), evidence.CodeChallengeSpent)
}
