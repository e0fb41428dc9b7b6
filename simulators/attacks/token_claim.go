package attacks

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tokens"
)

// tokenClaimRows show honest tokens to whom they are not for, or change their claims.
func tokenClaimRows() []Row {
	return []Row{
		{"K07", "times that are missing or odd", []Case{
			shown("ten minutes later", evidence.CodeTokenExpired, later(10*time.Minute)),
			shown("an hour before", evidence.CodeTokenExpired, later(-time.Hour)),
		}},
		{"K08", "issuer and audience that nearly fit", []Case{
			shown("issuer of another trust domain", evidence.CodeTokenIssuer, func(c *tokens.VerifierConfig) { c.Issuer += "x" }),
			shown("part of the audience", evidence.CodeTokenAudience, func(c *tokens.VerifierConfig) { c.Audience = audience[:len(audience)-1] }),
		}},
		{"K21", "simulated token as a real one", []Case{
			shown("relying party that wants real ones", evidence.CodeTokenSimulated, func(c *tokens.VerifierConfig) { c.AcceptSimulated = false }),
		}},
		{"K24", "used bytes that are not the verified ones", []Case{{
			Name: "claims exchanged under the signature", Subject: snpPlain, Want: codes(evidence.CodeTokenSignature), Proof: ByParser,
			Why: "who does not verify a signature has nothing to go by",
			Try: presenting(func(p *party) (string, error) {
				header, claims, signature, err := p.parts()
				if err != nil {
					return "", err
				}
				claims, err = changedObject(claims, func(c map[string]any) { c["sub"] = "spiffe://attacker.test/admin" })
				return compact(header, claims, signature), err
			}),
		}}},
	}
}

// shown has a relying party that is configured otherwise look at an honest token.
func shown(name string, want evidence.Code, change func(*tokens.VerifierConfig)) Case {
	return Case{
		Name: name, Subject: snpPlain, Want: codes(want), Proof: ByService, Why: "the relying party's own configuration is what refuses it",
		Try: differently(change),
	}
}

// tokenIssuedRows look at an honest token, and find fault with it.
func tokenIssuedRows() []Row {
	look := func(id, title, name string, find func(p *party, jwt, cwt tokens.Claims) []string) Row {
		return Row{id, title, []Case{{Name: name, Subject: snpPlain, Proof: ByAcceptance, Why: "nothing is refused", Try: inspecting(find)}}}
	}
	return []Row{
		look("K18", "two encodings of one result", "JWT and CWT", func(_ *party, jwt, cwt tokens.Claims) []string {
			one, err := json.Marshal(jwt)
			if err != nil {
				return []string{err.Error()}
			}
			two, err := json.Marshal(cwt)
			if err != nil || !bytes.Equal(one, two) {
				return []string{"they do not say the same"}
			}
			return nil
		}),
		look("K19", "status better than its worst part", "an honest token", func(_ *party, jwt, _ tokens.Claims) []string {
			for name, part := range jwt.Submodules {
				if part.Status > jwt.Status {
					return []string{"it says better of the whole than of " + name}
				}
			}
			return nil
		}),
		look("K20", "absent taken for good", "an honest token", func(_ *party, jwt, _ tokens.Claims) []string {
			if len(jwt.Submodules) == 0 || jwt.Status == tokens.StatusNone {
				return []string{"it has no status"}
			}
			return nil
		}),
		look("K22", "change of keys", "the key set", func(p *party, _, _ tokens.Claims) []string {
			var set struct {
				Keys []struct {
					ID  string `json:"kid"`
					Use string `json:"use"`
					D   string `json:"d"`
				} `json:"keys"`
			}
			if err := json.Unmarshal(p.jwks, &set); err != nil {
				return []string{err.Error()}
			}
			var faults []string
			for _, key := range set.Keys {
				if raw, err := base64.RawURLEncoding.DecodeString(key.ID); err != nil || len(raw) != 32 {
					faults = append(faults, fmt.Sprintf("the key %q is not called by its thumbprint", key.ID))
				}
				if key.D != "" {
					faults = append(faults, "the private key is in it")
				}
			}
			return faults
		}),
		look("K23", "one key in two roles", "keys of tokens and certificates", func(p *party, _, _ tokens.Claims) []string {
			if strings.Contains(string(p.jwks), `"x5c"`) {
				return []string{"a key of tokens has certificates"}
			}
			return nil
		}),
	}
}
