package tokens

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/json"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier/verifiertest"
)

// ownClaim is the name of this project's private claim.
const ownClaim = "https://github.com/quotary/quotary/ear"

// malformed lists the codes of tokens that are refused before their claims count.
var malformed = []evidence.Code{evidence.CodeTokenMalformed, evidence.CodeTokenHeader, evidence.CodeTokenKey, evidence.CodeTokenSignature}

func TestAttack_K01_AlgorithmNone(t *testing.T) {
	h := newHouse(t)
	payload, _ := json.Marshal(h.claimsJSON(t))
	for _, alg := range []string{"none", "None", "nOnE", "NONE", "", "es256", "ES384", "ES256K", "RS256", "EdDSA", "Ed25519"} {
		header := `{"alg":"` + alg + `","kid":"` + h.issuer.key.ID() + `","typ":"eat+jwt"}`
		for _, token := range []string{h.signJWS(t, header, payload), b64([]byte(header)) + "." + b64(payload) + "."} {
			_, err := h.verifier.VerifyJWT(token)
			refused(t, alg, err, evidence.CodeTokenHeader)
		}
	}
	_, err := h.verifier.VerifyJWT(b64([]byte(h.goodHeader())) + "." + b64(payload) + ".")
	refused(t, "no signature", err, evidence.CodeTokenSignature)
	_, err = h.verifier.VerifyJWT(h.signJWS(t, `{"kid":"`+h.issuer.key.ID()+`","typ":"eat+jwt"}`, payload))
	refused(t, "no alg", err, evidence.CodeTokenHeader)
}

func TestAttack_K02_PublicKeyAsSecret(t *testing.T) {
	h := newHouse(t)
	payload, _ := json.Marshal(h.claimsJSON(t))
	point, _ := h.issuer.key.public.Bytes()
	jwks, _ := h.issuer.Keys().JSON()
	for _, alg := range []string{"HS256", "ES256"} {
		for _, secret := range [][]byte{point, jwks, h.issuer.key.id[:], {}} {
			signed := b64([]byte(`{"alg":"`+alg+`","kid":"`+h.issuer.key.ID()+`","typ":"eat+jwt"}`)) + "." + b64(payload)
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(signed))
			sum := mac.Sum(nil)
			for _, signature := range [][]byte{sum, append(bytes.Clone(sum), sum...)} {
				_, err := h.verifier.VerifyJWT(signed + "." + b64(signature))
				refused(t, alg, err, evidence.CodeTokenHeader, evidence.CodeTokenSignature)
			}
		}
	}
}

func TestAttack_K03_KeyIdentifiers(t *testing.T) {
	h := newHouse(t)
	payload, _ := json.Marshal(h.claimsJSON(t))
	other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	unknown, _ := thumbprint(&other.PublicKey)
	for _, kid := range []string{
		"", "../../dev/null", "/etc/passwd", "' OR 1=1 --", unknown.String(), strings.ToLower(h.issuer.key.ID()), h.issuer.key.ID() + "=", h.issuer.key.ID()[:42],
		"*", strings.Repeat("A", 4096),
	} {
		_, err := h.verifier.VerifyJWT(h.signJWS(t, `{"alg":"ES256","kid":"`+kid+`","typ":"eat+jwt"}`, payload))
		refused(t, kid, err, evidence.CodeTokenKey)
	}
	for _, header := range []string{`{"alg":"ES256","typ":"eat+jwt"}`, `{"alg":"ES256","kid":null,"typ":"eat+jwt"}`, `{"alg":"ES256","kid":1,"typ":"eat+jwt"}`, `{"alg":"ES256","kid":["x"],"typ":"eat+jwt"}`} {
		_, err := h.verifier.VerifyJWT(h.signJWS(t, header, payload))
		refused(t, header, err, evidence.CodeTokenKey, evidence.CodeTokenHeader)
	}
}

// A header that brings or names keys, or asks for anything at all, is refused,
// even under a good signature.
func TestAttack_K04_K05_K10_HeadersThatBringKeys(t *testing.T) {
	h := newHouse(t)
	payload, _ := json.Marshal(h.claimsJSON(t))
	own, _ := h.issuer.Keys().JSON()
	for _, member := range []string{
		`"jku":"https://evil.example/keys"`, `"jwk":` + string(own), `"x5u":"https://evil.example/cert"`, `"x5c":["MIIB"]`, `"x5t":"AAAA"`, `"x5t#S256":"AAAA"`,
		`"crit":["exp"]`, `"crit":[]`, `"b64":false`, `"zip":"DEF"`, `"enc":"A128GCM"`, `"p2c":1000000000`, `"cty":"JWT"`, `"unknown":1`,
		`"alg":"ES256"`, `"ALG":"none"`, `"Kid":"x"`, `"\u0061lg":"none"`, `"\u212aid":"x"`,
	} {
		header := strings.Replace(h.goodHeader(), "{", "{"+member+",", 1)
		_, err := h.verifier.VerifyJWT(h.signJWS(t, header, payload))
		refused(t, member, err, evidence.CodeTokenHeader)
		header = strings.Replace(h.goodHeader(), "}", ","+member+"}", 1)
		_, err = h.verifier.VerifyJWT(h.signJWS(t, header, payload))
		refused(t, member, err, evidence.CodeTokenHeader)
	}
	for _, typ := range []string{"JWT", "EAT+JWT", "application/eat+jwt", "eat+cwt", "", "wit+jwt"} {
		_, err := h.verifier.VerifyJWT(h.signJWS(t, strings.Replace(h.goodHeader(), "eat+jwt", typ, 1), payload))
		refused(t, typ, err, evidence.CodeTokenHeader)
	}
	for _, header := range []string{"", "null", "[]", "{}", `"x"`, "{", h.goodHeader() + " x", h.goodHeader() + h.goodHeader()} {
		_, err := h.verifier.VerifyJWT(h.signJWS(t, header, payload))
		refused(t, header, err, evidence.CodeTokenHeader)
	}
}

// Claims that two readers would read differently are refused under a good signature.
func TestAttack_K06_ClaimsWithTwoReadings(t *testing.T) {
	h := newHouse(t)
	good, _ := json.Marshal(h.claimsJSON(t))
	if _, err := h.verifier.VerifyJWT(h.signJWS(t, h.goodHeader(), good)); err != nil {
		t.Fatal(err)
	}
	for name, payload := range map[string]string{
		"duplicate":              strings.Replace(string(good), "{", `{"sub":"spiffe://example.org/admin",`, 1),
		"duplicate at the end":   strings.TrimSuffix(string(good), "}") + `,"sub":"spiffe://example.org/admin"}`,
		"duplicate, escaped":     strings.TrimSuffix(string(good), "}") + `,"s\u0075b":"spiffe://example.org/admin"}`,
		"other case":             strings.TrimSuffix(string(good), "}") + `,"SUB":"spiffe://example.org/admin"}`,
		"other case alone":       strings.Replace(string(good), `"sub":`, `"Sub":`, 1),
		"kelvin sign":            strings.TrimSuffix(string(good), "}") + `,"\u212a":"x"}`,
		"long s":                 strings.TrimSuffix(string(good), "}") + `,"\u017fub":"spiffe://example.org/admin"}`,
		"duplicate in submodule": strings.Replace(string(good), `"ear_status":"affirming"`, `"ear_status":"warning","ear_status":"affirming"`, 1),
		"two objects":            string(good) + string(good),
		"trailing text":          string(good) + "x",
		"null":                   "null",
		"array":                  "[" + string(good) + "]",
		"nothing":                "",
		"not UTF-8":              strings.Replace(string(good), "workload", "workloa\xff", 1),
		"lone surrogate":         strings.Replace(string(good), "workload", `workloa\ud800`, 1),
		"deep":                   strings.TrimSuffix(string(good), "}") + `,"x":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}",
		"many members":           strings.TrimSuffix(string(good), "}") + manyMembers(100) + "}",
		"long list":              strings.TrimSuffix(string(good), "}") + `,"x":[0` + strings.Repeat(",0", 100) + "]}",
	} {
		_, err := h.verifier.VerifyJWT(h.signJWS(t, h.goodHeader(), []byte(payload)))
		refused(t, name, err, evidence.CodeTokenMalformed)
	}
	for name, change := range map[string]func(object){
		"exp as text":     func(o object) { o["exp"] = "1795334700" },
		"exp as 1e400":    func(o object) { o["exp"] = json.Number("1e400") },
		"exp as 1e10":     func(o object) { o["exp"] = json.Number("1e10") },
		"exp as fraction": func(o object) { o["exp"] = json.Number("1795334700.5") },
		"exp too large":   func(o object) { o["exp"] = json.Number("9223372036854775808") },
		"exp as list":     func(o object) { o["exp"] = []any{1} },
		"exp as null":     func(o object) { o["exp"] = nil },
		"aud as list":     func(o object) { o["aud"] = []any{audience} },
		"sub as number":   func(o object) { o["sub"] = 1 },
		"jti in capitals": func(o object) { o["jti"] = strings.ToUpper(o["jti"].(string)) + "AA" },
		"nonce padded":    func(o object) { o["eat_nonce"] = o["eat_nonce"].(string) + "=" },
		"nonce as list":   func(o object) { o["eat_nonce"] = []any{o["eat_nonce"]} },
		"submods as list": func(o object) { o["submods"] = []any{} },
		"status unknown":  func(o object) { o["ear_status"] = "Affirming" },
		"status a number": func(o object) { o["ear_status"] = 2 },
		"vector too big":  func(o object) { snp(o)["ear_trustworthiness_vector"] = object{"hardware": 258} },
		"simulated text":  func(o object) { o[ownClaim].(object)["simulated"] = "false" },
		"simulated zero":  func(o object) { o[ownClaim].(object)["simulated"] = 0 },
	} {
		_, err := h.verifier.VerifyJWT(h.jwtWith(t, change))
		refused(t, name, err, evidence.CodeTokenMalformed)
	}
}

func snp(o object) object { return o["submods"].(object)["sev-snp"].(object) }

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"x` + strings.Repeat("x", i) + `":0`)
	}
	return b.String()
}

func num(n int64) json.Number { return json.Number(big.NewInt(n).String()) }

func TestAttack_K07_Times(t *testing.T) {
	h := newHouse(t)
	now := h.at.Unix()
	for name, change := range map[string]func(object){
		"no exp":              func(o object) { delete(o, "exp") },
		"no nbf":              func(o object) { delete(o, "nbf") },
		"no iat":              func(o object) { delete(o, "iat") },
		"exp zero":            func(o object) { o["exp"] = num(0) },
		"exp negative":        func(o object) { o["exp"] = num(-1) },
		"iat negative":        func(o object) { o["iat"] = num(-now) },
		"exp before iat":      func(o object) { o["exp"] = num(now - 1) },
		"nbf before iat":      func(o object) { o["nbf"] = num(now - 100) },
		"nbf after exp":       func(o object) { o["nbf"] = num(now + 1000) },
		"exp in a century":    func(o object) { o["exp"] = num(now + 100*365*86400) },
		"exp past all time":   func(o object) { o["exp"] = num(1<<63 - 1) },
		"iat at least":        func(o object) { o["iat"] = num(-1 << 63) },
		"longer than the max": func(o object) { o["exp"] = num(now + int64(Life/time.Second) + 1) },
		"no appraisal time":   func(o object) { delete(o[ownClaim].(object), "at") },
	} {
		_, err := h.verifier.VerifyJWT(h.jwtWith(t, change))
		refused(t, name, err, evidence.CodeTokenClaims, evidence.CodeTokenExpired)
	}
	token := h.issue(t, verifiertest.Request{})
	start := h.at
	for after, ok := range map[time.Duration]bool{
		0: true, Life - time.Second: true, Life: false, 400 * 24 * time.Hour: false,
		-clockSkew: true, -clockSkew - time.Second: false, -30 * 24 * time.Hour: false,
	} {
		h.at = start.Add(after)
		_, err := h.verifier.VerifyJWT(token.JWT)
		_, cwtErr := h.verifier.VerifyCWT(token.CWT)
		if (err == nil) != ok || (cwtErr == nil) != ok {
			t.Errorf("after %s: %v, %v", after, err, cwtErr)
		}
		if !ok {
			refused(t, after.String(), err, evidence.CodeTokenExpired)
		}
	}
}

func TestAttack_K08_IssuerAndAudience(t *testing.T) {
	h := newHouse(t)
	for name, change := range map[string]func(object){
		"no aud":       func(o object) { delete(o, "aud") },
		"empty aud":    func(o object) { o["aud"] = "" },
		"longer aud":   func(o object) { o["aud"] = audience + "/x" },
		"shorter aud":  func(o object) { o["aud"] = audience[:len(audience)-1] },
		"aud in caps":  func(o object) { o["aud"] = strings.ToUpper(audience) },
		"padded aud":   func(o object) { o["aud"] = audience + " " },
		"two aud":      func(o object) { o["aud"] = audience + "," + audience },
		"aud with nul": func(o object) { o["aud"] = audience + "\x00" },
	} {
		_, err := h.verifier.VerifyJWT(h.jwtWith(t, change))
		refused(t, name, err, evidence.CodeTokenAudience)
	}
	for name, change := range map[string]func(object){
		"no iss":     func(o object) { delete(o, "iss") },
		"longer iss": func(o object) { o["iss"] = issuerName + ".evil.example" },
		"prefix iss": func(o object) { o["iss"] = issuerName[:10] },
	} {
		_, err := h.verifier.VerifyJWT(h.jwtWith(t, change))
		refused(t, name, err, evidence.CodeTokenIssuer)
	}
}

func TestAttack_K09_Bombs(t *testing.T) {
	h := newHouse(t)
	for name, token := range map[string]string{
		"dots":      strings.Repeat(".", 8<<20),
		"header":    strings.Repeat("A", 8<<20) + "..",
		"payload":   b64([]byte(h.goodHeader())) + "." + strings.Repeat("A", 8<<20) + ".AAAA",
		"signature": b64([]byte(h.goodHeader())) + ".e30." + strings.Repeat("A", 8<<20),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := h.verifier.VerifyJWT(token)
		runtime.ReadMemStats(&after)
		refused(t, name, err, evidence.CodeTokenTooLarge)
		if used := after.TotalAlloc - before.TotalAlloc; used > 64<<10 {
			t.Errorf("%s: %d bytes were allocated", name, used)
		}
	}
	for _, token := range []string{"", ".", "..", "...", "a.b", "a.b.c.d", strings.Repeat(".", 1000), "a.b.c.d.e"} {
		_, err := h.verifier.VerifyJWT(token)
		refused(t, token, err, malformed...)
	}
	_, err := h.verifier.VerifyCWT(make([]byte, 8<<20))
	refused(t, "CWT", err, evidence.CodeTokenTooLarge)
}

func TestAttack_K11_Base64OfManyForms(t *testing.T) {
	h := newHouse(t)
	token := h.issue(t, verifiertest.Request{}).JWT
	parts := strings.Split(token, ".")
	for _, junk := range []string{"=", "==", "\n", "\r\n", " ", "\t", "+", "/", "*", "\x00", "ä"} {
		for i := range parts {
			for _, changed := range []string{parts[i] + junk, junk + parts[i], parts[i][:4] + junk + parts[i][4:]} {
				mutant := append([]string(nil), parts...)
				mutant[i] = changed
				_, err := h.verifier.VerifyJWT(strings.Join(mutant, "."))
				refused(t, junk, err, malformed...)
			}
		}
	}
	// a signature's last character has four bits to spare
	last := parts[2][len(parts[2])-1]
	for c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
		alphabet := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		if alphabet[c] == last {
			continue
		}
		_, err := h.verifier.VerifyJWT(token[:len(token)-1] + alphabet[c:c+1])
		refused(t, alphabet[c:c+1], err, malformed...)
	}
}

func TestAttack_K12_Signatures(t *testing.T) {
	h := newHouse(t)
	payload, _ := json.Marshal(h.claimsJSON(t))
	signed := b64([]byte(h.goodHeader())) + "." + b64(payload)
	good := signRaw(t, h.private(), []byte(signed))
	r, s := new(big.Int).SetBytes(good[:32]), new(big.Int).SetBytes(good[32:])
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		t.Fatal(err)
	}
	n := elliptic.P256().Params().N
	join := func(r, s *big.Int) []byte {
		out := make([]byte, 64)
		return append(r.FillBytes(out[:32:32]), s.FillBytes(make([]byte, 32))...)
	}
	zero, one := big.NewInt(0), big.NewInt(1)
	most := new(big.Int).Sub(new(big.Int).Lsh(one, 256), one)
	for name, signature := range map[string][]byte{
		"DER": der, "zero": join(zero, zero), "zero r": join(zero, s), "zero s": join(r, zero), "one": join(one, one),
		"order": join(n, n), "r is the order": join(n, s), "s is the order": join(r, n), "all ones": join(most, most), "swapped": join(s, r),
		"short": good[:63], "long": append(bytes.Clone(good), 0), "led by a zero": append([]byte{0}, good...), "half": good[:32], "empty": {}, "96 bytes": make([]byte, 96),
	} {
		_, err := h.verifier.VerifyJWT(signed + "." + b64(signature))
		refused(t, name, err, evidence.CodeTokenSignature)
	}
	if _, err := h.verifier.VerifyJWT(signed + "." + b64(good)); err != nil {
		t.Fatal(err)
	}
}

// Every byte of a token counts.
func TestEveryByteIsSigned(t *testing.T) {
	h := newHouse(t)
	token := h.issue(t, verifiertest.Request{})
	for i := range token.JWT {
		mutant := []byte(token.JWT)
		mutant[i] ^= 1
		_, err := h.verifier.VerifyJWT(string(mutant))
		refused(t, "JWT", err, malformed...)
	}
	for i := range token.CWT {
		mutant := bytes.Clone(token.CWT)
		mutant[i] ^= 1
		_, err := h.verifier.VerifyCWT(mutant)
		refused(t, "CWT", err, malformed...)
	}
	for i := range token.CWT {
		if _, err := h.verifier.VerifyCWT(token.CWT[:i]); err == nil {
			t.Errorf("the first %d bytes pass", i)
		}
	}
}

// A submodule cannot make the whole look better, nor a status its vector.
func TestAttack_K19_StatusBetterThanItsWorstPart(t *testing.T) {
	h := newHouse(t)
	for name, change := range map[string]func(object){
		"overall better than submodule": func(o object) { snp(o)["ear_status"] = "warning" },
		"bad submodule beside it": func(o object) {
			bad := object{}
			for k, v := range snp(o) {
				bad[k] = v
			}
			bad["ear_status"] = "contraindicated"
			o["submods"].(object)["tpm"] = bad
		},
		"status better than vector": func(o object) { snp(o)["ear_trustworthiness_vector"].(object)["executables"] = 33 },
		"contraindicated vector":    func(o object) { snp(o)["ear_trustworthiness_vector"].(object)["storage-opaque"] = -128 },
		"no vector":                 func(o object) { delete(snp(o), "ear_trustworthiness_vector") },
		"no status":                 func(o object) { delete(o, "ear_status"); snp(o)["ear_status"] = "contraindicated" },
	} {
		_, err := h.verifier.VerifyJWT(h.jwtWith(t, change))
		refused(t, name, err, evidence.CodeTokenClaims)
	}
	worse := h.jwtWith(t, func(o object) { o["ear_status"] = "contraindicated" })
	if _, err := h.verifier.VerifyJWT(worse); err != nil {
		t.Errorf("a status may be worse than its parts: %v", err)
	}
}

// No claim about the hardware is not a good claim.
func TestAttack_K20_AbsentIsNotAffirmed(t *testing.T) {
	h := newHouse(t)
	_, err := h.verifier.VerifyJWT(h.jwtWith(t, func(o object) {
		delete(snp(o)["ear_trustworthiness_vector"].(object), "hardware")
	}))
	refused(t, "no hardware claim", err, evidence.CodeTokenClaims)
	if got := (Vector{}).Status(); got != StatusNone {
		t.Errorf("an empty vector is %s", got)
	}
	if !(Claims{}).IsSimulated() {
		t.Error("claims that do not say so are not simulated")
	}
}

func TestAttack_K21_SimulatedTokens(t *testing.T) {
	h := newHouse(t)
	token := h.issue(t, verifiertest.Request{Simulated: true, Kinds: evidence.Kinds()})
	_, err := h.verifier.VerifyJWT(token.JWT)
	refused(t, "JWT", err, evidence.CodeTokenSimulated)
	_, err = h.verifier.VerifyCWT(token.CWT)
	refused(t, "CWT", err, evidence.CodeTokenSimulated)
	c, err := h.lenient.VerifyJWT(token.JWT)
	if err != nil || !c.IsSimulated() || c.Status != StatusContraindicated {
		t.Errorf("%v, simulated %v, %s", err, c.IsSimulated(), c.Status)
	}
	for name, change := range map[string]func(object){
		"not said":                   func(o object) { delete(o[ownClaim].(object), "simulated") },
		"not said of a submodule":    func(o object) { delete(snp(o)[ownClaim].(object), "simulated") },
		"said of the submodule only": func(o object) { snp(o)[ownClaim].(object)["simulated"] = true },
		"said of the whole only":     func(o object) { o[ownClaim].(object)["simulated"] = true },
		"simulated on genuine metal": func(o object) {
			snp(o)[ownClaim].(object)["simulated"] = true
			o[ownClaim].(object)["simulated"] = true
		},
		"our claim is missing at all":  func(o object) { delete(o, ownClaim) },
		"our claim is missing in part": func(o object) { delete(snp(o), ownClaim) },
	} {
		_, err := h.verifier.VerifyJWT(h.jwtWith(t, change))
		refused(t, name, err, evidence.CodeTokenClaims)
	}
}

// What an EAR of this profile must have, it has.
func TestRequiredClaims(t *testing.T) {
	h := newHouse(t)
	for name, change := range map[string]func(object){
		"no profile":            func(o object) { delete(o, "eat_profile") },
		"other profile":         func(o object) { o["eat_profile"] = "tag:ietf.org,2026:rats/ear#02" },
		"no subject":            func(o object) { delete(o, "sub") },
		"subject no SPIFFE ID":  func(o object) { o["sub"] = "admin" },
		"subject in capitals":   func(o object) { o["sub"] = "SPIFFE://example.org/workload" },
		"no identifier":         func(o object) { delete(o, "jti") },
		"zero identifier":       func(o object) { o["jti"] = strings.Repeat("0", 32) },
		"no verifier":           func(o object) { delete(o, "ear_verifier_id") },
		"no build":              func(o object) { delete(o["ear_verifier_id"].(object), "build") },
		"no submodule":          func(o object) { o["submods"] = object{} },
		"no submodules":         func(o object) { delete(o, "submods") },
		"short nonce":           func(o object) { o["eat_nonce"] = b64(make([]byte, minNonce-1)) },
		"long nonce":            func(o object) { o["eat_nonce"] = b64(make([]byte, maxNonce+1)) },
		"empty nonce":           func(o object) { o["eat_nonce"] = "" },
		"short evidence nonce":  func(o object) { snp(o)["eat_nonce"] = "AA" },
		"no nonce":              func(o object) { delete(o, "eat_nonce") },
		"no key":                func(o object) { delete(o, "cnf") },
		"no freshness":          func(o object) { delete(o[ownClaim].(object), "freshness") },
		"unknown freshness":     func(o object) { o[ownClaim].(object)["freshness"] = "fresh" },
		"key without challenge": func(o object) { o[ownClaim].(object)["freshness"] = "none" },
		"no appraisal":          func(o object) { delete(o[ownClaim].(object), "id") },
	} {
		_, err := h.verifier.VerifyJWT(h.jwtWith(t, change))
		refused(t, name, err, evidence.CodeTokenClaims)
	}
}

// A claim that this build does not know is ignored, as the profile wants.
func TestUnknownClaimIsIgnored(t *testing.T) {
	h := newHouse(t)
	token := h.jwtWith(t, func(o object) { o["ear_raw_evidence"] = "AAAA"; snp(o)["new_claim"] = object{"a": []any{true, "x"}} })
	if _, err := h.verifier.VerifyJWT(token); err != nil {
		t.Error(err)
	}
}

// Keys in cnf are read in one way only, and only public ones.
func TestConfirmationKeys(t *testing.T) {
	h := newHouse(t)
	key := func(o object) object { return o["cnf"].(object)["jwk"].(object) }
	for name, change := range map[string]func(object){
		"private part":     func(o object) { key(o)["d"] = b64(make([]byte, 32)) },
		"certificate":      func(o object) { key(o)["x5c"] = []any{"MIIB"} },
		"further member":   func(o object) { key(o)["use"] = "sig" },
		"second key":       func(o object) { o["cnf"].(object)["jkt"] = "x" },
		"no key":           func(o object) { o["cnf"] = object{} },
		"off the curve":    func(o object) { key(o)["x"] = b64(make([]byte, 32)) },
		"short coordinate": func(o object) { key(o)["x"] = b64(make([]byte, 31)) },
		"long coordinate":  func(o object) { key(o)["x"] = b64(make([]byte, 33)) },
		"other curve":      func(o object) { key(o)["crv"] = "P-384" },
		"unknown curve":    func(o object) { key(o)["crv"] = "secp256k1" },
		"unknown type":     func(o object) { key(o)["kty"] = "oct" },
		"type in capitals": func(o object) { key(o)["kty"] = "ec" },
		"small RSA": func(o object) {
			o["cnf"] = object{"jwk": object{"kty": "RSA", "n": b64(bytes.Repeat([]byte{0xff}, 128)), "e": "AQAB"}}
		},
		"RSA, exponent 3": func(o object) {
			o["cnf"] = object{"jwk": object{"kty": "RSA", "n": b64(bytes.Repeat([]byte{0xff}, 256)), "e": "Aw"}}
		},
		"RSA, leading zero": func(o object) {
			o["cnf"] = object{"jwk": object{"kty": "RSA", "n": b64(append([]byte{0}, bytes.Repeat([]byte{0xff}, 256)...)), "e": "AQAB"}}
		},
		"RSA with a curve": func(o object) {
			o["cnf"] = object{"jwk": object{"kty": "RSA", "crv": "P-256", "n": b64(bytes.Repeat([]byte{0xff}, 256)), "e": "AQAB"}}
		},
		"huge RSA": func(o object) {
			o["cnf"] = object{"jwk": object{"kty": "RSA", "n": b64(bytes.Repeat([]byte{0xff}, 2048)), "e": "AQAB"}}
		},
		"short Ed25519": func(o object) {
			o["cnf"] = object{"jwk": object{"kty": "OKP", "crv": "Ed25519", "x": b64(make([]byte, 31))}}
		},
		"X25519": func(o object) {
			o["cnf"] = object{"jwk": object{"kty": "OKP", "crv": "X25519", "x": b64(make([]byte, 32))}}
		},
	} {
		_, err := h.verifier.VerifyJWT(h.jwtWith(t, change))
		refused(t, name, err, evidence.CodeTokenMalformed)
	}
}
