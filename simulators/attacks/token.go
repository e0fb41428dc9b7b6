package attacks

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tokens"
)

// party is a relying party of the target, and an attestation result that is for it.
type party struct {
	verifier *tokens.Verifier
	config   tokens.VerifierConfig
	jwks     []byte
	jwt      string
	cwt      []byte
}

const audience = "relying-party.test"

// party attests honestly for a token, and takes the target's keys from the target.
func (a *Attacker) party(ctx context.Context) (*party, error) {
	answer, got, err := a.Attempt(ctx, Attempt{Purpose: evidence.PurposeToken, Members: func(members map[string]any) error {
		members["token"], members["audience"] = []string{"jwt", "cwt"}, audience
		return nil
	}})
	if err != nil {
		return nil, err
	}
	if !got.Accepted {
		return nil, fmt.Errorf("the honest machine is refused: %s", got)
	}
	var granted struct {
		EAR struct {
			JWT string `json:"jwt"`
			CWT string `json:"cwt"`
		} `json:"ear"`
	}
	if err := json.Unmarshal(answer.Body, &granted); err != nil {
		return nil, err
	}
	p := &party{jwt: granted.EAR.JWT}
	if p.cwt, err = base64.RawURLEncoding.DecodeString(granted.EAR.CWT); err != nil {
		return nil, err
	}
	keys, err := a.get(ctx, "/.well-known/jwks.json")
	if err != nil {
		return nil, err
	}
	p.jwks = keys.Body
	p.config = tokens.VerifierConfig{Issuer: "spiffe://" + a.TrustDomain() + "/quotary", Audience: audience, AcceptSimulated: true}
	if p.config.Keys, err = tokens.ParseKeySet(p.jwks); err != nil {
		return nil, err
	}
	if p.verifier, err = tokens.NewVerifier(p.config); err != nil {
		return nil, err
	}
	if _, err := p.verifier.VerifyJWT(p.jwt); err != nil {
		return nil, fmt.Errorf("the relying party refuses an honest token: %w", err)
	}
	return p, nil
}

// parts are the token's header and claims.
func (p *party) parts() (header, claims []byte, signature string, err error) {
	parts := strings.Split(p.jwt, ".")
	if len(parts) != 3 {
		return nil, nil, "", fmt.Errorf("the token has %d parts", len(parts))
	}
	if header, err = base64.RawURLEncoding.DecodeString(parts[0]); err != nil {
		return nil, nil, "", err
	}
	claims, err = base64.RawURLEncoding.DecodeString(parts[1])
	return header, claims, parts[2], err
}

// compact joins the parts of a token.
func compact(header, claims []byte, signature string) string {
	return base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims) + "." + signature
}

// outcome is what a relying party makes of a token.
func outcome(err error) Got {
	if err == nil {
		return Got{Accepted: true}
	}
	return Got{Code: evidence.CodeOf(err)}
}

// presenting shows the relying party a token that forge makes of an honest one.
func presenting(forge func(p *party) (string, error)) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		p, err := a.party(ctx)
		if err != nil {
			return Got{}, err
		}
		forged, err := forge(p)
		if err != nil {
			return Got{}, err
		}
		_, err = p.verifier.VerifyJWT(forged)
		return outcome(err), nil
	}
}

// differently has a relying party of another configuration look at an honest token.
func differently(change func(*tokens.VerifierConfig)) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		p, err := a.party(ctx)
		if err != nil {
			return Got{}, err
		}
		change(&p.config)
		v, err := tokens.NewVerifier(p.config)
		if err != nil {
			return Got{}, err
		}
		_, err = v.VerifyJWT(p.jwt)
		return outcome(err), nil
	}
}

// inspecting finds fault with an honest token and its keys.
func inspecting(find func(p *party, jwt, cwt tokens.Claims) []string) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		p, err := a.party(ctx)
		if err != nil {
			return Got{}, err
		}
		jwt, err := p.verifier.VerifyJWT(p.jwt)
		if err != nil {
			return Got{}, err
		}
		cwt, err := p.verifier.VerifyCWT(p.cwt)
		if err != nil {
			return Got{}, err
		}
		return Got{Accepted: true, Status: http.StatusOK, Faults: find(p, jwt, cwt)}, nil
	}
}

// later is a relying party's clock that is ahead.
func later(d time.Duration) func(*tokens.VerifierConfig) {
	return func(c *tokens.VerifierConfig) { c.Now = func() time.Time { return time.Now().Add(d) } }
}
