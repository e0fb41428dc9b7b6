package tokens

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
	"github.com/quotary/quotary/verifier"
	"github.com/quotary/quotary/verifier/verifiertest"
	"github.com/veraison/go-cose"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files")

func TestIssue(t *testing.T) {
	h := newHouse(t)
	key := verifiertest.NewKey(t)
	result := verifiertest.Accepted(t, verifiertest.Request{Key: key, SPIFFEID: "spiffe://example.org/web"})
	token, err := h.issuer.Issue(result, Options{Audience: audience})
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.verifier.VerifyJWT(token.JWT)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case c.Profile != Profile || c.Issuer != issuerName || c.Subject != "spiffe://example.org/web" || c.Audience != audience:
		t.Errorf("from %s of %s to %s, profile %s", c.Issuer, c.Subject, c.Audience, c.Profile)
	case c.IssuedAt != h.at.Unix() || c.NotBefore != c.IssuedAt || c.Expires != h.at.Add(Life).Unix() || token.Expires.Unix() != c.Expires:
		t.Errorf("times %d %d %d", c.IssuedAt, c.NotBefore, c.Expires)
	case c.ID != token.ID || c.ID == ID{}:
		t.Errorf("identifier %s", c.ID)
	case c.Confirmation == nil || !c.Confirmation.Key().Equal(key):
		t.Error("the token is not bound to the attested key")
	case !bytes.Equal(c.Nonce, result.Nonce()) || len(c.Nonce) != evidence.NonceSize:
		t.Errorf("nonce %x", c.Nonce)
	case c.Status != StatusAffirming || c.IsSimulated():
		t.Errorf("status %s, simulated %v", c.Status, c.IsSimulated())
	case c.Appraisal.ID != result.ID() || c.Appraisal.Freshness != FreshnessChallenge || c.Appraisal.Workload != "workload" || c.Appraisal.At != h.at.Unix():
		t.Errorf("appraisal %+v", c.Appraisal)
	case c.Verifier != VerifierID{"https://github.com/quotary/quotary", "v0.0.0-test"}:
		t.Errorf("verifier %+v", c.Verifier)
	}
	s := c.Submodules["sev-snp"]
	want := Vector{Configuration: 2, Executables: 3, Hardware: 2, RuntimeOpaque: 2}
	if s.Vector != want || s.Status != StatusAffirming || !bytes.Equal(s.Nonce, result.ReportData()[0]) {
		t.Errorf("submodule %+v", s)
	}
	if len(s.Policies) != 1 || s.Policies[0] != result.PolicyDigest() || !strings.HasPrefix(s.Policies[0], "sha256:") {
		t.Errorf("policies %v", s.Policies)
	}
}

// Everybody who reads JOSE or COSE can read the tokens, by the published keys.
func TestOtherLibrariesVerify(t *testing.T) {
	h := newHouse(t)
	token := h.issue(t, verifiertest.Request{})
	data, err := h.issuer.Keys().JSON()
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(data, &set); err != nil {
		t.Fatal(err)
	}
	signed, err := jose.ParseSignedCompact(token.JWT, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	keys := set.Key(signed.Signatures[0].Header.KeyID)
	if len(keys) != 1 || keys[0].Use != "sig" || keys[0].Algorithm != "ES256" {
		t.Fatalf("keys %+v", keys)
	}
	if _, err := signed.Verify(keys[0]); err != nil {
		t.Error(err)
	}
	if thumb, err := keys[0].Thumbprint(crypto.SHA256); err != nil || b64(thumb) != keys[0].KeyID {
		t.Errorf("the kid is %s, the thumbprint %x (%v)", keys[0].KeyID, thumb, err)
	}

	data, err = h.issuer.Keys().CBOR()
	if err != nil {
		t.Fatal(err)
	}
	var raw []cbor.RawMessage
	var key cose.Key
	if err := cbor.Unmarshal(data, &raw); err != nil || len(raw) != 1 {
		t.Fatalf("%v, %d keys", err, len(raw))
	}
	if err := key.UnmarshalCBOR(raw[0]); err != nil {
		t.Fatal(err)
	}
	coseVerifier, err := key.Verifier()
	if err != nil {
		t.Fatal(err)
	}
	var message cose.Sign1Message
	if err := message.UnmarshalCBOR(token.CWT); err != nil {
		t.Fatal(err)
	}
	if err := message.Verify(nil, coseVerifier); err != nil {
		t.Error(err)
	}
	if kid := message.Headers.Protected[cose.HeaderLabelKeyID]; !bytes.Equal(kid.([]byte), key.ID) {
		t.Errorf("kid %x, key %x", kid, key.ID)
	}
	if len(message.Headers.Unprotected) != 0 {
		t.Errorf("unprotected headers %v", message.Headers.Unprotected)
	}
}

func TestFormats(t *testing.T) {
	h := newHouse(t)
	result := verifiertest.Accepted(t, verifiertest.Request{})
	for _, c := range []struct {
		formats  []Format
		jwt, cwt bool
	}{{nil, true, true}, {[]Format{FormatJWT}, true, false}, {[]Format{FormatCWT}, false, true}, {[]Format{FormatCWT, FormatJWT}, true, true}} {
		token, err := h.issuer.Issue(result, Options{Audience: audience, Formats: c.formats})
		if err != nil || (token.JWT != "") != c.jwt || (token.CWT != nil) != c.cwt {
			t.Errorf("%v: %v, %q, %x", c.formats, err, token.JWT, token.CWT)
		}
	}
}

func TestResultsWithoutToken(t *testing.T) {
	h := newHouse(t)
	for name, result := range map[string]verifier.Result{
		"zero":          {},
		"rejected":      verifiertest.Rejected(t, verifiertest.Request{}),
		"old":           verifiertest.Accepted(t, verifiertest.Request{At: h.at.Add(-maxResultAge - time.Second)}),
		"of the future": verifiertest.Accepted(t, verifiertest.Request{At: h.at.Add(maxResultAge + time.Second)}),
	} {
		token, err := h.issuer.Issue(result, Options{Audience: audience})
		refused(t, name, err, evidence.CodeIssuingResult)
		if token.JWT != "" || token.CWT != nil {
			t.Errorf("%s: a token", name)
		}
	}
	result := verifiertest.Accepted(t, verifiertest.Request{})
	for _, bad := range []string{"", "a b", "a\nb", "ü", strings.Repeat("a", maxAudience+1), "\x00"} {
		_, err := h.issuer.Issue(result, Options{Audience: bad})
		refused(t, bad, err, evidence.CodeIssuingAudience)
	}
}

func TestLife(t *testing.T) {
	h := newHouse(t)
	for until, want := range map[time.Duration]time.Duration{
		0: Life, time.Hour: Life, 2 * time.Minute: 2 * time.Minute, 90*time.Second + 999*time.Millisecond: 90 * time.Second, minLife: minLife,
	} {
		token := h.issue(t, verifiertest.Request{Outcome: func(o *tee.Outcome) {
			if until != 0 {
				o.ValidUntil = h.at.Add(until)
			}
		}})
		if got := token.Expires.Sub(h.at); got != want {
			t.Errorf("what it rests on lasts %s, the token %s", until, got)
		}
	}
	for _, until := range []time.Duration{minLife - time.Second, -time.Hour} {
		result := verifiertest.Accepted(t, verifiertest.Request{Outcome: func(o *tee.Outcome) { o.ValidUntil = h.at.Add(until) }})
		_, err := h.issuer.Issue(result, Options{Audience: audience})
		refused(t, until.String(), err, evidence.CodeIssuingValidity)
	}
}

// migrationPolicy lets the guest have a migration agent that it names.
var migrationPolicy = `apiVersion: quotary.dev/v1
kind: Workload
name: workload
identity: {spiffe_id: "spiffe://example.org/workload"}
any_of:
  - sev_snp:
      measurements: ["` + teetest.Measurement(48).String() + `"]
      minimum_tcb: {bootloader: 4, tee: 0, snp: 24, microcode: 219}
      migration_agents: ["0101010101010101010101010101010101010101010101010101010101010101"]
`

// vectors are machines that policy accepted, and what is claimed of them.
var vectors = map[string]struct {
	request verifiertest.Request
	kind    evidence.Kind
	want    Vector
	status  Status
}{
	"TDX": {
		verifiertest.Request{Kinds: []evidence.Kind{evidence.KindTDX}}, evidence.KindTDX,
		Vector{Configuration: 2, Executables: 3, Hardware: 2, RuntimeOpaque: 2}, StatusAffirming,
	},
	"TPM with a certificate": {
		verifiertest.Request{Kinds: []evidence.Kind{evidence.KindTPM}}, evidence.KindTPM,
		Vector{InstanceIdentity: 2, Configuration: 2, Executables: 3, Hardware: 2}, StatusAffirming,
	},
	"TPM with a given key: nothing vouches for its hardware": {
		verifiertest.Request{Kinds: []evidence.Kind{evidence.KindTPM}, Claims: func(c *evidence.Claims) { c.TPM.AKSource = "given" }}, evidence.KindTPM,
		Vector{InstanceIdentity: 2, Configuration: 2, Executables: 3}, StatusNone,
	},
	"SNP that may be debugged": {
		verifiertest.Request{Allow: []string{"debug"}, Claims: func(c *evidence.Claims) {
			c.SEVSNP.Policy.Debug, c.SEVSNP.Policy.Raw = true, evidence.Hex{0, 0, 0, 0, 0, 0x0b, 0, 0}
		}}, evidence.KindSEVSNP,
		Vector{Configuration: 96, Executables: 3, Hardware: 2, RuntimeOpaque: 96}, StatusContraindicated,
	},
	"SNP that may be migrated": {
		verifiertest.Request{Policy: migrationPolicy, Claims: func(c *evidence.Claims) {
			c.SEVSNP.Policy.MigrateMA, c.SEVSNP.Policy.Raw = true, evidence.Hex{0, 0, 0, 0, 0, 0x07, 0, 0}
			c.SEVSNP.ReportIDMA = bytes.Repeat([]byte{1}, 32)
		}}, evidence.KindSEVSNP,
		Vector{Configuration: 36, Executables: 3, Hardware: 2, RuntimeOpaque: 2}, StatusWarning,
	},
	"TDX that may be debugged": {
		verifiertest.Request{Kinds: []evidence.Kind{evidence.KindTDX}, Allow: []string{"debug"}, Claims: func(c *evidence.Claims) {
			c.TDX.Attributes.Debug, c.TDX.Attributes.Raw = true, evidence.Hex{1, 0, 0, 0x10, 0, 0, 0, 0}
		}}, evidence.KindTDX,
		Vector{Configuration: 96, Executables: 3, Hardware: 2, RuntimeOpaque: 96}, StatusContraindicated,
	},
	"simulated SNP": {
		verifiertest.Request{Simulated: true}, evidence.KindSEVSNP,
		Vector{Configuration: 2, Executables: 3, Hardware: 97}, StatusContraindicated,
	},
	"simulated TDX": {
		verifiertest.Request{Simulated: true, Kinds: []evidence.Kind{evidence.KindTDX}}, evidence.KindTDX,
		Vector{Configuration: 2, Executables: 3, Hardware: 97}, StatusContraindicated,
	},
	"simulated TPM": {
		verifiertest.Request{Simulated: true, Kinds: []evidence.Kind{evidence.KindTPM}}, evidence.KindTPM,
		Vector{InstanceIdentity: 2, Configuration: 2, Executables: 3, Hardware: 97}, StatusContraindicated,
	},
}

// TestAttack_P09_VectorClaimsWhatWasCompared: PCRs that say nothing of what was loaded, and a
// kernel beside which anything else may have been, approve no executables.
func TestAttack_P09_VectorClaimsWhatWasCompared(t *testing.T) {
	check := func(code evidence.Code, want string) evidence.Checks {
		return evidence.Checks{{Code: code, Kind: evidence.KindTPM, Status: evidence.Pass, Want: want}}
	}
	for name, c := range map[string]struct {
		checks evidence.Checks
		want   Trust
	}{
		"firmware":              {check(evidence.CodePolicyTPMPCR, "PCR 0: 00"), executablesUnknown},
		"machine owner's keys":  {check(evidence.CodePolicyTPMPCR, "PCR 14: 00"), executablesUnknown},
		"a kernel among others": {check(evidence.CodePolicyBootKernel, "00"), executablesUnknown},
		"another register":      {check(evidence.CodePolicyBootRegister, "nothing in PCR 14 but what the policy lists"), executablesUnknown},
		"loaders":               {check(evidence.CodePolicyTPMPCR, "PCR 4: 00"), executablesBoot},
		"secure boot":           {check(evidence.CodePolicyTPMPCR, "PCR 7: 00"), executablesBoot},
		"all images":            {check(evidence.CodePolicyBootImages, "00"), executablesBoot},
		"all of the register":   {check(evidence.CodePolicyBootRegister, "nothing in PCR 4 but what the policy lists"), executablesBoot},
		"keys of images":        {check(evidence.CodePolicyBootDB, "00"), executablesBoot},
		"two PCRs":              {append(check(evidence.CodePolicyTPMPCR, "PCR 0: 00"), check(evidence.CodePolicyTPMPCR, "PCR 4: 00")...), executablesBoot},
	} {
		if got := tpmVector(&evidence.TPMClaims{}, c.checks).Executables; got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestAttack_P37_VectorOfAnotherItem: what policy found of one item says nothing of another.
func TestAttack_P37_VectorOfAnotherItem(t *testing.T) {
	checks := evidence.Checks{{Code: evidence.CodePolicyBootImages, Kind: evidence.KindTDX, Status: evidence.Pass}}
	s := submoduleOf(evidence.Claims{Kind: evidence.KindTPM, TPM: &evidence.TPMClaims{}}, checks)
	if s.Vector.Executables != executablesUnknown {
		t.Errorf("%+v", s.Vector)
	}
}

func TestVectors(t *testing.T) {
	for name, v := range vectors {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			token := h.issue(t, v.request)
			s := token.Claims.Submodules[string(v.kind)]
			if s.Vector != v.want || s.Status != v.status || token.Claims.Status != v.status {
				t.Errorf("%+v, %s; want %+v, %s", s.Vector, s.Status, v.want, v.status)
			}
			if _, err := h.lenient.VerifyJWT(token.JWT); err != nil {
				t.Error(err)
			}
			if len(v.request.Allow) > 0 && !slices.Contains(token.Claims.Appraisal.Relaxed, string(v.kind)+"."+v.request.Allow[0]) {
				t.Errorf("relaxed: %v", token.Claims.Appraisal.Relaxed)
			}
		})
	}
}

// A policy that takes firmware of any age, or a chain that no revocation list
// covers, gets no affirmation for the hardware.
func TestSNPHardware(t *testing.T) {
	genuine := teetest.Claims(evidence.KindSEVSNP)
	tcb, covered := evidence.CodePolicySNPTCB, evidence.CodePolicySNPRevocation
	for _, tc := range []struct {
		passed, failed []evidence.Code
		want           Trust
		status         Status
	}{
		{[]evidence.Code{tcb, covered}, nil, 2, StatusAffirming},
		{[]evidence.Code{covered}, nil, 0, StatusNone},
		{[]evidence.Code{tcb}, nil, 0, StatusNone},
		{[]evidence.Code{tcb}, []evidence.Code{covered}, 0, StatusNone},
		{nil, nil, 0, StatusNone},
	} {
		var checks evidence.Checks
		for _, code := range append(tc.passed, evidence.CodePolicySNPMeasurement, evidence.CodePolicySNPDebug) {
			checks.Pass(code, "")
		}
		for _, code := range tc.failed {
			checks.NotPerformed(code, "", "")
		}
		if v := vectorOf(genuine, checks); v.Hardware != tc.want || v.Status() != tc.status {
			t.Errorf("passed %v: hardware %d, %s; want %d, %s", tc.passed, v.Hardware, v.Status(), tc.want, tc.status)
		}
	}
}

func TestTDXHardware(t *testing.T) {
	for status, want := range map[string]Trust{
		"UpToDate": 2, "SWHardeningNeeded": 32, "ConfigurationNeeded": 32, "ConfigurationAndSWHardeningNeeded": 32,
		"OutOfDate": 32, "OutOfDateConfigurationNeeded": 32,
		"TDRelaunchAdvised": 32, "TDRelaunchAdvisedConfigurationNeeded": 32, "Revoked": 96, "NotSupported": 97, "": 97, "uptodate": 97,
	} {
		if got := tdxHardware(&evidence.TDXTCB{Status: status}); got != want {
			t.Errorf("%q gives %d, want %d", status, got, want)
		}
	}
	if got := tdxHardware(nil); got != 97 {
		t.Errorf("no collateral gives %d", got)
	}
}

func TestTiers(t *testing.T) {
	for trust := -128; trust <= 127; trust++ {
		got, want := Trust(trust).tier(), StatusContraindicated
		switch {
		case trust >= -1 && trust <= 1:
			want = StatusNone
		case trust >= 2 && trust <= 31 || trust >= -32 && trust <= -2:
			want = StatusAffirming
		case trust >= 32 && trust <= 95 || trust >= -96 && trust <= -33:
			want = StatusWarning
		}
		if got != want {
			t.Errorf("%d is %s, want %s", trust, got, want)
		}
	}
}

func TestFreshness(t *testing.T) {
	h := newHouse(t)
	for want, r := range map[Freshness]verifiertest.Request{
		FreshnessChallenge: {}, FreshnessRelyingParty: {Background: make([]byte, 64)}, FreshnessNone: {Background: []byte{}},
	} {
		c := h.issue(t, r).Claims
		if c.Appraisal.Freshness != want || (c.Confirmation != nil) != (want == FreshnessChallenge) || (c.Nonce == nil) != (want == FreshnessNone) {
			t.Errorf("want %s, got %+v", want, c.Appraisal)
		}
	}
	short := h.issue(t, verifiertest.Request{Background: []byte{1, 2, 3}, Kinds: []evidence.Kind{evidence.KindTPM}})
	if short.Claims.Nonce != nil || short.Claims.Submodules["tpm"].Nonce != nil {
		t.Error("a nonce of 3 bytes is no EAT nonce")
	}
	if _, err := h.verifier.VerifyCWT(short.CWT); err != nil {
		t.Error(err)
	}
}

// keyTypes are a key of each type that can be attested.
func keyTypes(tb testing.TB) []evidence.Key {
	tb.Helper()
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	edwards, _, _ := ed25519.GenerateKey(rand.Reader)
	small, _ := rsa.GenerateKey(rand.Reader, 2048)
	keys := []evidence.Key{verifiertest.NewKey(tb)}
	for _, public := range []crypto.PublicKey{&p384.PublicKey, edwards, &small.PublicKey} {
		key, err := evidence.NewKey(public)
		if err != nil {
			tb.Fatal(err)
		}
		keys = append(keys, key)
	}
	return keys
}

var sameClaims = cmp.Options{cmp.Comparer(func(a, b *Confirmation) bool {
	return (a == nil) == (b == nil) && (a == nil || a.key.Equal(b.key))
})}

// Whatever the machine, both encodings say the same, and what was issued.
func TestAttack_K18_EncodingsAgree(t *testing.T) {
	h := newHouse(t)
	keys := keyTypes(t)
	rapid.Check(t, func(rt *rapid.T) {
		kinds := rapid.SliceOfNDistinct(rapid.SampledFrom(evidence.Kinds()), 1, 3, rapid.ID[evidence.Kind]).Draw(rt, "kinds")
		r := verifiertest.Request{
			Kinds: kinds, Simulated: rapid.Bool().Draw(rt, "simulated"),
			Key:     rapid.SampledFrom(keys).Draw(rt, "key"),
			Purpose: rapid.SampledFrom([]evidence.Purpose{evidence.PurposeCertificate, evidence.PurposeToken}).Draw(rt, "purpose"),
			At:      h.at,
		}
		if rapid.Bool().Draw(rt, "background") {
			least, most := 0, 70
			if len(kinds) > 1 && slices.Contains(kinds, evidence.KindTPM) {
				least, most = 64, 64 // others are no binding, by which the items could belong together
			}
			r.Background = rapid.SliceOfN(rapid.Byte(), least, most).Draw(rt, "data")
		}
		until := rapid.Int64Range(int64(minLife), int64(time.Hour)).Draw(rt, "until")
		r.Outcome = func(o *tee.Outcome) { o.ValidUntil = h.at.Add(time.Duration(until)) }
		token, err := h.issuer.Issue(verifiertest.Accepted(t, r), Options{Audience: audience})
		if err != nil {
			rt.Fatal(err)
		}
		fromJWT, err := h.lenient.VerifyJWT(token.JWT)
		if err != nil {
			rt.Fatal(err)
		}
		fromCWT, err := h.lenient.VerifyCWT(token.CWT)
		if err != nil {
			rt.Fatal(err)
		}
		if d := cmp.Diff(fromJWT, fromCWT, sameClaims); d != "" {
			rt.Fatal(d)
		}
		if d := cmp.Diff(fromJWT.Appraisal, token.Claims.Appraisal); d != "" {
			rt.Fatal(d)
		}
		if len(token.JWT) > MaxToken || len(token.CWT) > MaxToken {
			rt.Fatalf("%d and %d bytes", len(token.JWT), len(token.CWT))
		}
	})
}

// The claims of a machine with all three technologies, as they are encoded.
func TestGolden(t *testing.T) {
	h := newHouse(t)
	key, err := evidence.NewKey(&fixedKey(t).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	c := h.issue(t, verifiertest.Request{Kinds: evidence.Kinds(), Key: key}).Claims
	c.ID, c.Nonce, c.Appraisal.ID = ID{1, 2, 3}, bytes.Repeat([]byte{9}, 32), strings.Repeat("ab", 16)
	for name, s := range c.Submodules {
		s.Nonce = bytes.Repeat([]byte{8}, len(s.Nonce))
		s.Policies = []string{"sha256:" + strings.Repeat("cd", 32)}
		s.Evidence.ClaimsSHA256 = bytes.Repeat([]byte{7}, 32)
		c.Submodules[name] = s
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "claims.json", append(text, '\n'))
	golden(t, "claims.cbor", encode(t, c))
	diagnosis, err := cbor.Diagnose(encode(t, c))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "claims.diag", []byte(strings.ReplaceAll(diagnosis, "}, ", "},\n")+"\n"))
	set, err := h.issuer.Keys().JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "jwks.json", append(set, '\n'))
	set, err = h.issuer.Keys().CBOR()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "keys.cbor", set)
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s changed:\n%s", name, cmp.Diff(string(want), string(got)))
	}
}

func BenchmarkIssue(b *testing.B) {
	h := newHouse(b)
	result := verifiertest.Accepted(b, verifiertest.Request{})
	for _, format := range []Format{FormatJWT, FormatCWT} {
		b.Run(string(format), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.issuer.Issue(result, Options{Audience: audience, Formats: []Format{format}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("bare-sign", func(b *testing.B) {
		digest := make([]byte, 32)
		for b.Loop() {
			if _, err := h.issuer.key.private.Sign(rand.Reader, digest, crypto.SHA256); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	h := newHouse(b)
	token := h.issue(b, verifiertest.Request{})
	b.Run("jwt", func(b *testing.B) {
		for b.Loop() {
			if _, err := h.verifier.VerifyJWT(token.JWT); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cwt", func(b *testing.B) {
		for b.Loop() {
			if _, err := h.verifier.VerifyCWT(token.CWT); err != nil {
				b.Fatal(err)
			}
		}
	})
}
