package attacks

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/quotary/quotary/evidence"
)

// challengeRows use challenges otherwise than once, soon, and as they were given.
func challengeRows() []Row {
	const challenges = "challenges are opened before there is anything to check"
	return []Row{
		{"B01", "old evidence is shown again", []Case{
			{
				Name: "the same request", Subject: snpPlain, Want: codes(evidence.CodeChallengeSpent), Proof: ByService, Why: challenges,
				Try: again(func(map[string]any) error { return nil }),
			},
			{Name: "its evidence on a new challenge", Subject: snpPlain, Want: codes(evidence.CodeBinding), Try: onAnotherChallenge},
		}},
		{"B02", "a nonce that is always the same", []Case{{
			Name: "many challenges", Subject: snpPlain, Proof: ByAcceptance, Why: "nothing is refused", Try: manyChallenges,
		}}},
		{"B03", "one challenge used by many at once", []Case{{
			Name: "sixteen keys", Subject: snpPlain, Want: codes(evidence.CodeChallengeSpent), Proof: ByService, Why: challenges, Try: allAtOnce,
		}}},
		{"B04", "challenge of another service or replica", []Case{
			{
				Name: "changed in one bit", Subject: snpPlain, Want: codes(evidence.CodeChallengeMalformed), Proof: ByService, Why: challenges,
				Try: withMember("challenge", func(given string) string {
					raw, err := base64.RawURLEncoding.DecodeString(given)
					if err != nil || len(raw) == 0 {
						return "undecodable"
					}
					raw[len(raw)/2] ^= 1
					return base64.RawURLEncoding.EncodeToString(raw)
				}),
			},
			{
				Name: "made up", Subject: snpPlain, Want: codes(evidence.CodeChallengeMalformed), Proof: ByService, Why: challenges,
				Try: withMember("challenge", func(given string) string { return strings.Repeat("A", len(given)) }),
			},
		}},
		{"B07", "nonce of the requester's choosing", []Case{{
			Name: "asked for with the challenge", Subject: snpPlain, Want: codes(evidence.CodeRequestMalformed), Proof: ByService,
			Why: "the request has no such member",
			Try: func(ctx context.Context, a *Attacker) (Got, error) {
				answer, err := a.PostMembers(ctx, "/v1/challenges", map[string]any{
					"purpose": evidence.PurposeCertificate, "nonce": base64.RawURLEncoding.EncodeToString(make([]byte, evidence.NonceSize)),
				})
				return answer.Got(nil), err
			},
		}}},
		{"B22", "identifiers that can be guessed", []Case{{
			Name: "two attestations", Subject: snpPlain, Proof: ByAcceptance, Why: "nothing is refused", Try: unlikeIdentifiers,
		}}},
		{"B24", "many certificates for one attestation", []Case{{
			Name: "a second key on the same challenge", Subject: snpPlain, Want: codes(evidence.CodeChallengeSpent), Proof: ByService, Why: challenges,
			Try: again(func(members map[string]any) error {
				_, spki, err := newKey()
				members["public_key"] = base64.StdEncoding.EncodeToString(spki)
				return err
			}),
		}}},
	}
}

// again attests honestly, and then sends the request once more, changed.
func again(change func(members map[string]any) error) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		var sent map[string]any
		answer, got, err := a.Attempt(ctx, Attempt{Members: func(m map[string]any) error { sent = m; return nil }})
		if err != nil || !got.Accepted {
			return Got{}, fmt.Errorf("the first request is refused: %s, status %d, %w", got, answer.Status, err)
		}
		if err := change(sent); err != nil {
			return Got{}, err
		}
		answer, err = a.PostMembers(ctx, attestations, sent)
		return answer.Got(nil), err
	}
}

// onAnotherChallenge sends evidence that answers one challenge in answer to another.
func onAnotherChallenge(ctx context.Context, a *Attacker) (Got, error) {
	earlier, err := a.Challenge(ctx, evidence.PurposeCertificate)
	if err != nil {
		return Got{}, err
	}
	return a.Attest(ctx, Attempt{Binding: func(_ Challenge, spki []byte, kinds []evidence.Kind) (evidence.Binding, error) {
		return TrueBinding(earlier, spki, kinds)
	}})
}

// manyChallenges takes some, and finds fault if two are alike.
func manyChallenges(ctx context.Context, a *Attacker) (Got, error) {
	got := Got{Accepted: true}
	seen := map[string]bool{}
	for range 16 {
		c, err := a.Challenge(ctx, evidence.PurposeCertificate)
		if err != nil {
			return Got{}, err
		}
		if _, err := c.NonceBytes(); err != nil {
			got.fault(err.Error())
		}
		for _, part := range []string{c.Nonce, c.Nonce[:8], c.Challenge} { // 6 bytes do not meet by chance
			if seen[part] {
				got.fault("two challenges are alike in " + part)
			}
			seen[part] = true
		}
	}
	return got, nil
}

// allAtOnce answers one challenge for many keys at the same time. It is accepted if
// more than one is.
func allAtOnce(ctx context.Context, a *Attacker) (Got, error) {
	c, err := a.Challenge(ctx, evidence.PurposeCertificate)
	if err != nil {
		return Got{}, err
	}
	got := make([]Got, 16)
	group, ctx := errgroup.WithContext(ctx)
	for i := range got {
		group.Go(func() error {
			members, _, err := a.answer(ctx, Attempt{}, c)
			if err != nil {
				return err
			}
			answer, err := a.PostMembers(ctx, attestations, members)
			got[i] = answer.Got(nil)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return Got{}, err
	}
	return onlyOne(got), nil
}

// unlikeIdentifiers attests twice, and finds fault with identifiers that are short or alike.
func unlikeIdentifiers(ctx context.Context, a *Attacker) (Got, error) {
	got := Got{Accepted: true}
	var ids []string
	for range 2 {
		answer, g, err := a.Attempt(ctx, Attempt{})
		if err != nil || !g.Accepted {
			return g, err
		}
		var granted struct {
			ID string `json:"attestation_id"`
		}
		if err := json.Unmarshal(answer.Body, &granted); err != nil {
			return Got{}, err
		}
		ids = append(ids, granted.ID)
	}
	if len(ids[0]) < 32 || ids[0][:8] == ids[1][:8] {
		got.fault(fmt.Sprintf("attestations are called %s and %s", ids[0], ids[1]))
	}
	return got, nil
}

// withMember attests with one member of the request replaced.
func withMember(name string, replace func(given string) string) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		return a.Attest(ctx, Attempt{Members: func(members map[string]any) error {
			given, ok := members[name].(string)
			if !ok {
				return fmt.Errorf("the request has no %s", name)
			}
			members[name] = replace(given)
			return nil
		}})
	}
}

// get asks for something that needs no body.
func (a *Attacker) get(ctx context.Context, path string) (Answer, error) {
	return a.Do(ctx, http.MethodGet, path, nil, http.NoBody)
}
