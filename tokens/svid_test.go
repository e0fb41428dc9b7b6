package tokens

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier/verifiertest"
	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
)

// svidRig is an issuer of JWT-SVIDs and the bundle of its key.
type svidRig struct {
	*SVIDIssuer
	key    *ecdsa.PrivateKey
	bundle *jwtbundle.Bundle
}

func newSVIDRig(t *testing.T, now func() time.Time) *svidRig {
	t.Helper()
	r := &svidRig{bundle: jwtbundle.New(spiffeid.RequireTrustDomainFromString(verifiertest.TrustDomain))}
	r.rotate(t)
	var err error
	r.SVIDIssuer, err = NewSVIDIssuer(SVIDConfig{TrustDomain: verifiertest.TrustDomain, Key: func() crypto.Signer { return r.key }, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// rotate has another key sign from now on.
func (r *svidRig) rotate(t *testing.T) {
	t.Helper()
	var err error
	if r.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	id, err := thumbprint(&r.key.PublicKey)
	if err == nil {
		err = r.bundle.AddJWTAuthority(id.String(), r.key.Public())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (r *svidRig) issue(t *testing.T, request verifiertest.Request, audience ...string) SVID {
	t.Helper()
	svid, err := r.Issue(verifiertest.Accepted(t, request), audience)
	if err != nil {
		t.Fatal(err)
	}
	return svid
}

// The reference implementation accepts what is issued, for its audience alone.
func TestJWTSVID(t *testing.T) {
	now := time.Now()
	r := newSVIDRig(t, func() time.Time { return now })
	for _, purpose := range []evidence.Purpose{evidence.PurposeCertificate, evidence.PurposeToken} {
		issued := r.issue(t, verifiertest.Request{At: now, Purpose: purpose}, "https://db.example.org", "backup")
		svid, err := jwtsvid.ParseAndValidate(issued.Token, r.bundle, []string{"backup"})
		if err != nil {
			t.Fatal(err)
		}
		if svid.ID.String() != "spiffe://example.org/workload" || len(svid.Audience) != 2 || !svid.Expiry.Equal(issued.Expires) {
			t.Errorf("%+v", svid)
		}
		if life := issued.Expires.Sub(now); life > Life || life < Life-time.Second {
			t.Errorf("it lasts %s", life)
		}
		if _, err := jwtsvid.ParseAndValidate(issued.Token, r.bundle, []string{"other"}); err == nil {
			t.Error("it is good for somebody else")
		}
	}
}

// The header has what the specification permits and no more; the claims say whether
// the evidence was simulated.
func TestAttack_K21_SimulatedJWTSVIDs(t *testing.T) {
	r := newSVIDRig(t, verifiertest.Now)
	for _, simulated := range []bool{false, true} {
		parts := strings.Split(r.issue(t, verifiertest.Request{Simulated: simulated}, "a").Token, ".")
		var header, claims map[string]any
		for i, into := range []*map[string]any{&header, &claims} {
			data, err := decodeBase64(parts[i])
			if err != nil || json.Unmarshal(data, into) != nil {
				t.Fatal(err)
			}
		}
		if len(header) != 3 || header["alg"] != "ES256" || header["typ"] != "JWT" || header["kid"] == "" {
			t.Errorf("the header is %v", header)
		}
		if marked, _ := claims["https://github.com/quotary/quotary/simulated"].(bool); marked != simulated {
			t.Errorf("the claims are %v", claims)
		}
	}
}

func TestAttack_K22_JWTSVIDsAcrossAChangeOfKeys(t *testing.T) {
	now := time.Now()
	r := newSVIDRig(t, func() time.Time { return now })
	withdrawn, err := thumbprint(&r.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	first := r.issue(t, verifiertest.Request{At: now}, "a").Token
	r.rotate(t)
	second := r.issue(t, verifiertest.Request{At: now}, "a").Token
	for _, token := range []string{first, second} {
		if _, err := jwtsvid.ParseAndValidate(token, r.bundle, []string{"a"}); err != nil {
			t.Error(err)
		}
	}
	if strings.Split(first, ".")[0] == strings.Split(second, ".")[0] {
		t.Error("two keys have one identifier")
	}
	r.bundle.RemoveJWTAuthority(withdrawn.String())
	if _, err := jwtsvid.ParseAndValidate(first, r.bundle, []string{"a"}); err == nil {
		t.Error("a token verifies under a key that is gone")
	}
	if _, err := jwtsvid.ParseAndValidate(second, r.bundle, []string{"a"}); err != nil {
		t.Error(err)
	}
}

// Nobody gets a JWT-SVID by a background check, for a refused or old appraisal, for
// nobody or everybody, or in the name of the service or of another trust domain.
func TestAttack_A12_JWTSVIDsThatAreNotIssued(t *testing.T) {
	r := newSVIDRig(t, verifiertest.Now)
	one := []string{"a"}
	for name, tc := range map[string]struct {
		request  verifiertest.Request
		audience []string
		code     evidence.Code
	}{
		"background check":         {verifiertest.Request{Background: []byte("12345678")}, one, evidence.CodeIssuingResult},
		"an hour ago":              {verifiertest.Request{At: verifiertest.Now().Add(-time.Hour)}, one, evidence.CodeIssuingResult},
		"no audience":              {verifiertest.Request{}, nil, evidence.CodeIssuingAudience},
		"an empty audience":        {verifiertest.Request{}, []string{""}, evidence.CodeIssuingAudience},
		"a line":                   {verifiertest.Request{}, []string{"a\nb"}, evidence.CodeIssuingAudience},
		"one audience twice":       {verifiertest.Request{}, []string{"a", "a"}, evidence.CodeIssuingAudience},
		"everybody":                {verifiertest.Request{}, strings.Split("123456789", ""), evidence.CodeIssuingAudience},
		"a long audience":          {verifiertest.Request{}, []string{strings.Repeat("a", maxAudience+1)}, evidence.CodeIssuingAudience},
		"of another trust domain":  {verifiertest.Request{TrustDomain: "other.org"}, one, evidence.CodeIssuingIdentity},
		"in the name of the rest":  {verifiertest.Request{SPIFFEID: "spiffe://example.org/web"}, one, evidence.Code{}},
		"for a workload's subpath": {verifiertest.Request{SPIFFEID: "spiffe://example.org/quotaryx"}, one, evidence.Code{}},
	} {
		_, err := r.Issue(verifiertest.Accepted(t, tc.request), tc.audience)
		if evidence.CodeOf(err) != tc.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := r.Issue(verifiertest.Rejected(t, verifiertest.Request{}), one)
	if evidence.CodeOf(err) != evidence.CodeIssuingResult {
		t.Errorf("a refused appraisal: %v", err)
	}
	for _, subject := range []string{"spiffe://example.org/quotary", "spiffe://example.org/quotary/admin/owner/eve", "spiffe://example.org", "https://example.org/a", "SPIFFE://example.org/a", ""} {
		if err := r.checkSubject(subject); evidence.CodeOf(err) != evidence.CodeIssuingIdentity {
			t.Errorf("%q: %v", subject, err)
		}
	}
}

// Keys of other curves sign nothing, wherever they are.
func TestSigningKeysOfOtherCurves(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewSigningKey(key); evidence.CodeOf(err) != evidence.CodeKeyUnsupported {
		t.Errorf("for tokens: %v", err)
	}
	issuer, err := NewSVIDIssuer(SVIDConfig{TrustDomain: verifiertest.TrustDomain, Key: func() crypto.Signer { return key }, Now: verifiertest.Now})
	if err != nil {
		t.Fatal(err)
	}
	svid, err := issuer.Issue(verifiertest.Accepted(t, verifiertest.Request{}), []string{"a"})
	if evidence.CodeOf(err) != evidence.CodeKeyUnsupported || svid.Token != "" {
		t.Errorf("for JWT-SVIDs: %q, %v", svid.Token, err)
	}
}
