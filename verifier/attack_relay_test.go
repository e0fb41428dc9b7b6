package verifier_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
	"github.com/quotary/quotary/verifier"
)

// elsewhere is a machine with the right image on another chip, for another owner.
func elsewhere() evidence.Claims {
	c := teetest.Claims(evidence.KindSEVSNP)
	c.SEVSNP.ChipID, c.SEVSNP.HostData = bytes.Repeat([]byte{8}, 64), bytes.Repeat([]byte{9}, 32)
	return c
}

// pinned is the policy of newService with something about the machine or its owner.
func pinned(what string) string {
	return strings.Replace(acceptSNP, "minimum_tcb: any", "minimum_tcb: any, "+what, 1)
}

// A genuine machine with the right image that stands elsewhere is told from the
// right one by what policy pins, and by nothing else.
func TestAttack_B13_LikeMachineElsewhere(t *testing.T) {
	chip, owner := fmt.Sprintf(`chip_ids: {allow: ["%0128x"]}`, bytes.Repeat([]byte{7}, 64)), fmt.Sprintf(`host_data: ["%064x"]`, 0)
	for name, c := range map[string]struct {
		policy string
		there  verifier.Verdict
		code   evidence.Code
	}{
		"nothing pinned": {acceptSNP, verifier.Accepted, evidence.Code{}},
		"machine pinned": {pinned(chip), verifier.Rejected, evidence.CodePolicySNPChip},
		"owner pinned":   {pinned(owner), verifier.Rejected, evidence.CodePolicySNPHostData},
		"machine denied": {pinned(fmt.Sprintf(`chip_ids: {deny: ["%0128x"]}`, bytes.Repeat([]byte{8}, 64))), verifier.Rejected, evidence.CodePolicySNPChip},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			s.policy = c.policy
			if result := appraise(t, s.verifier(t), s.answer(t, evidence.KindSEVSNP).request(t)); !result.Accepted() {
				t.Fatalf("the right machine is %s", result.Verdict())
			}
			s.technology = []tee.Verifier{&teetest.Technology{Of: evidence.KindSEVSNP, Claims: elsewhere()}}
			result := appraise(t, s.verifier(t), s.answer(t, evidence.KindSEVSNP).request(t))
			if result.Verdict() != c.there {
				t.Errorf("the other machine is %s", result.Verdict())
			}
			if c.there == verifier.Rejected {
				if check, ok := result.Checks().Get(c.code); !ok || check.Status != evidence.Fail {
					t.Errorf("%s is %v", c.code, check)
				}
			}
		})
	}
}

// Who relays a challenge to a like machine elsewhere gets an identity for that
// machine's key alone: the relay cannot put a key of its own there, before or after.
func TestAttack_B13_B14_RelayGainsNoKey(t *testing.T) {
	s := newService()
	v := s.verifier(t)
	relayed := s.answer(t, evidence.KindSEVSNP)
	result := appraise(t, v, relayed.request(t))
	if key, ok := result.CertificateKey(); !ok || !bytes.Equal(key.SPKI(), relayed.key.SPKI()) {
		t.Errorf("a certificate for another key than the machine's (%v)", ok)
	}
	stolen := s.answer(t, evidence.KindSEVSNP)
	mallory := s.answer(t, evidence.KindSEVSNP)
	for name, freshness := range map[string]verifier.Answer{
		"own key":               {Challenge: stolen.sealed, PublicKey: mallory.key.SPKI()},
		"own challenge and key": {Challenge: mallory.sealed, PublicKey: mallory.key.SPKI()},
	} {
		r := stolen.request(t)
		r.Freshness = freshness
		result := appraise(t, v, r)
		if _, ok := result.CertificateKey(); ok || result.Verdict() != verifier.Rejected {
			t.Errorf("%s: %s", name, result.Verdict())
		}
		if check, ok := result.Checks().Get(evidence.CodeBinding); !ok || check.Status != evidence.Fail {
			t.Errorf("%s: the binding is %v", name, check)
		}
	}
}

// Names of results are 128 random bits: none can be guessed from another.
func TestAttack_B22_NamesOfResults(t *testing.T) {
	s := newService()
	v := s.verifier(t)
	seen := map[string]bool{}
	var together [16]byte
	const results = 200
	for range results {
		id := appraise(t, v, s.answer(t, evidence.KindSEVSNP).request(t)).ID()
		raw, err := hex.DecodeString(id)
		if err != nil || len(raw) != 16 || seen[id] {
			t.Fatalf("%q: %v, seen before: %v", id, err, seen[id])
		}
		seen[id] = true
		for i := range raw {
			together[i] |= raw[i]
		}
	}
	if !bytes.Equal(together[:], bytes.Repeat([]byte{0xff}, 16)) {
		t.Errorf("some bits are never set: %x", together)
	}
}
