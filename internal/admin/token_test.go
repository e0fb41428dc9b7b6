package admin

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
)

const goodHeader = `{"alg":"ES256","kid":"ES256","typ":"JWT"}`

func TestAttack_K01_AlgorithmNone(t *testing.T) {
	h := newHouse(t)
	payload := string(encode(t, claims()))
	for _, alg := range []string{"none", "None", "nOnE", "NONE", "", "es256", "ES256K", "ES512", "HS256", "RS1", "RSA-OAEP", "dir", "Ed25519"} {
		header := `{"alg":"` + alg + `","kid":"ES256","typ":"JWT"}`
		h.refuses(alg, withBearer(h.provider.signed(t, header, payload, "ES256")), evidence.CodeUnauthorized)
		h.refuses(alg+", unsigned", withBearer(b64([]byte(header))+"."+b64([]byte(payload))+"."), evidence.CodeUnauthorized)
	}
	for _, header := range []string{`{"kid":"ES256"}`, `{"alg":null,"kid":"ES256"}`, `{"alg":["ES256"],"kid":"ES256"}`, `{"alg":7,"kid":"ES256"}`} {
		h.refuses(header, withBearer(h.provider.signed(t, header, payload, "ES256")), evidence.CodeUnauthorized)
	}
	h.refuses("no signature", withBearer(b64([]byte(goodHeader))+"."+b64([]byte(payload))+"."), evidence.CodeUnauthorized)
}

// The public key is known to everybody, in every form.
func TestAttack_K02_PublicKeyAsSecret(t *testing.T) {
	h := newHouse(t)
	spki, err := x509.MarshalPKIXPublicKey(&h.provider.rsa.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	secrets := [][]byte{spki, encodePEM(spki), h.provider.rsa.N.Bytes(), h.provider.jwks(t), {}}
	for _, alg := range []string{"HS256", "RS256", "ES256"} {
		for _, secret := range secrets {
			text := b64([]byte(`{"alg":"`+alg+`","kid":"RS256","typ":"JWT"}`)) + "." + b64(encode(t, claims()))
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(text))
			sum := mac.Sum(nil)
			for _, signature := range [][]byte{sum, bytes.Repeat(sum, 2), bytes.Repeat(sum, 8)} {
				h.refuses(alg, withBearer(text+"."+b64(signature)), evidence.CodeUnauthorized)
			}
		}
	}
	// A key is good for the algorithms of its kind, whatever the token says.
	payload := string(encode(t, claims()))
	for _, kid := range []string{"RS256", "ES256", "ES384", "EdDSA"} {
		for _, alg := range []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"} {
			header := `{"alg":"` + alg + `","kid":"` + kid + `","typ":"JWT"}`
			for _, by := range []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"} {
				r := withBearer(h.provider.signed(t, header, payload, by))
				if kidOf(alg) == kid && by == alg {
					h.takes(header, r)
				} else {
					h.refuses(header+" by "+by, r, evidence.CodeUnauthorized)
				}
			}
		}
	}
}

// A key that its provider has for one algorithm is good for no other.
func TestAttack_K02_KeyOfOneAlgorithm(t *testing.T) {
	pinned := encode(t, object{"keys": []object{with(rsaJWK("RS256", &anyProvider(t).rsa.PublicKey), "alg", "PS256")}})
	h := newHouse(t, func(o *Options) { o.Config.OIDC.JWKSFile = writeFile(t, pinned) })
	h.takes("PS256", withBearer(h.provider.token(t, "PS256", claims())))
	h.refuses("RS256", withBearer(h.provider.token(t, "RS256", claims())), evidence.CodeUnauthorized)
}

func TestAttack_K03_KeyIdentifiers(t *testing.T) {
	h := newHouse(t)
	payload := string(encode(t, claims()))
	for _, kid := range []string{"", "../../dev/null", "es256", "ES256 ", "ES2", "RS256", "*", "' OR 1=1 --", strings.Repeat("A", maxKeyID), strings.Repeat("A", maxKeyID+1)} {
		h.refuses(kid, withBearer(h.provider.signed(t, `{"alg":"ES256","kid":"`+kid+`","typ":"JWT"}`, payload, "ES256")), evidence.CodeUnauthorized)
	}
	for _, header := range []string{`{"alg":"ES256","typ":"JWT"}`, `{"alg":"ES256","kid":null}`, `{"alg":"ES256","kid":1}`, `{"alg":"ES256","kid":["ES256"]}`} {
		h.refuses(header, withBearer(h.provider.signed(t, header, payload, "ES256")), evidence.CodeUnauthorized)
	}
	// The kid of somebody else's key of the same name.
	h.refuses("another provider's", withBearer(newProvider(t).token(t, "ES256", claims())), evidence.CodeUnauthorized)
}

func TestAttack_K04_K05_K10_HeadersThatBringKeys(t *testing.T) {
	h := newHouse(t)
	payload := string(encode(t, claims()))
	own := string(encode(t, ecJWK("ES256", &h.provider.p256.PublicKey)))
	for _, member := range []string{
		`"jku":"https://evil.example/keys"`, `"jwk":` + own, `"x5u":"https://evil.example/cert"`, `"x5c":["MIIB"]`, `"crit":["exp"]`, `"crit":[]`, `"b64":false`,
		`"zip":"DEF"`, `"enc":"A128GCM"`, `"p2c":1000000000`, `"cty":"JWT"`, `"nonce":"x"`, `"unknown":1`, `"alg":"ES256"`, `"ALG":"none"`, `"Kid":"x"`,
		`"\u0061lg":"none"`, `"\u212aid":"x"`, `"x5t":1`, `"x5t":null`,
	} {
		for _, header := range []string{strings.Replace(goodHeader, "{", "{"+member+",", 1), strings.Replace(goodHeader, "}", ","+member+"}", 1)} {
			h.refuses(header, withBearer(h.provider.signed(t, header, payload, "ES256")), evidence.CodeUnauthorized)
		}
	}
	for _, member := range []string{`"x5t":"AAAA"`, `"x5t#S256":"AAAA"`} {
		header := strings.Replace(goodHeader, "}", ","+member+"}", 1)
		h.takes(header, withBearer(h.provider.signed(t, header, payload, "ES256")))
	}
	for _, typ := range []string{"jwt", "AT+JWT", "application/at+jwt", "logout+jwt", "dpop+jwt", "eat+jwt", "secevent+jwt", "JOSE", "JWE", "at+jwt;x"} {
		h.refuses(typ, withBearer(h.provider.signed(t, strings.Replace(goodHeader, "JWT", typ, 1), payload, "ES256")), evidence.CodeUnauthorized)
	}
	for _, header := range []string{strings.Replace(goodHeader, "JWT", "at+jwt", 1), `{"alg":"ES256","kid":"ES256"}`} {
		h.takes(header, withBearer(h.provider.signed(t, header, payload, "ES256")))
	}
	for _, header := range []string{"", "null", "[]", "{}", `"x"`, "{", goodHeader + " x", goodHeader + goodHeader} {
		h.refuses(header, withBearer(h.provider.signed(t, header, payload, "ES256")), evidence.CodeUnauthorized)
	}
}

// Claims that two readers could read differently are refused under a good signature.
func TestAttack_K06_ClaimsWithTwoReadings(t *testing.T) {
	h := newHouse(t)
	good := string(encode(t, claims()))
	h.takes("good", withBearer(h.provider.signed(t, goodHeader, good, "ES256")))
	h.takes("good, with spaces", withBearer(h.provider.signed(t, goodHeader, " "+good+"\n", "ES256")))
	end := strings.TrimSuffix(good, "}")
	for name, payload := range map[string]string{
		"duplicate sub":        strings.Replace(good, "{", `{"sub":"root",`, 1),
		"duplicate at the end": end + `,"sub":"root"}`,
		"duplicate, escaped":   end + `,"s\u0075b":"root"}`,
		"other case":           end + `,"SUB":"root"}`,
		"other case alone":     strings.Replace(good, `"sub":`, `"Sub":`, 1),
		"long s":               end + `,"\u017fub":"root"}`,
		"duplicate groups":     end + `,"groups":["staff"]}`,
		"duplicate within":     end + `,"more":{"a":1,"a":2}}`,
		"two objects":          good + good,
		"text behind":          good + "x",
		"null":                 "null",
		"list":                 "[" + good + "]",
		"nothing":              "",
		"a token in a token":   `"` + h.provider.token(t, "ES256", claims()) + `"`,
		"not UTF-8":            strings.Replace(good, "alice", "alic\xff", 1),
		"lone surrogate":       strings.Replace(good, "alice", `alic\ud800`, 1),
		"deep":                 end + `,"x":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}",
		"long list":            end + `,"x":[0` + strings.Repeat(",0", maxTokenMembers) + "]}",
		"long text":            end + `,"x":"` + strings.Repeat("x", maxTokenText+1) + `"}`,
	} {
		h.refuses(name, withBearer(h.provider.signed(t, goodHeader, payload, "ES256")), evidence.CodeUnauthorized)
	}
}

func TestAttack_K07_Times(t *testing.T) {
	h := newHouse(t)
	now, day := epoch.Unix(), int64(maxTokenLife/time.Second)
	for name, change := range map[string]func(object){
		"no exp":            func(o object) { delete(o, "exp") },
		"no iat":            func(o object) { delete(o, "iat") },
		"exp now":           func(o object) { o["exp"] = now },
		"exp as text":       func(o object) { o["exp"] = "1995334700" },
		"exp as fraction":   func(o object) { o["exp"] = json.Number("1995334700.5") },
		"exp as 1e10":       func(o object) { o["exp"] = json.Number("1e10") },
		"exp as 1e400":      func(o object) { o["exp"] = json.Number("1e400") },
		"exp too large":     func(o object) { o["exp"] = json.Number("9223372036854775808") },
		"exp at the end":    func(o object) { o["exp"] = json.Number("9223372036854775807") },
		"exp negative":      func(o object) { o["exp"] = -1 },
		"exp null":          func(o object) { o["exp"] = nil },
		"exp list":          func(o object) { o["exp"] = []int64{now + 60} },
		"iat zero":          func(o object) { o["iat"] = 0 },
		"iat negative":      func(o object) { o["iat"] = -now },
		"iat in the future": func(o object) { o["iat"] = now + 61 },
		"iat alone":         func(o object) { o["iat"], o["nbf"] = now+61, now-10 },
		"nbf in the future": func(o object) { o["nbf"] = now + 61 },
		"nbf as text":       func(o object) { o["nbf"] = "1" },
		"nbf null":          func(o object) { o["nbf"] = nil },
		"a huge life":       func(o object) { o["exp"] = now - 10 + day + 1 },
		"ten years":         func(o object) { o["exp"] = now + 10*365*day },
		"long ago":          func(o object) { o["iat"] = now - day - 1 },
		"ends before":       func(o object) { o["iat"], o["exp"] = now+30, now+20 },
	} {
		h.refuses(name, withBearer(h.provider.token(t, "ES256", claims(change))), evidence.CodeUnauthorized)
	}
	for name, change := range map[string]func(object){
		"clocks differ": func(o object) { o["iat"], o["nbf"] = now+60, now+60 },
		"a day":         func(o object) { o["exp"] = now - 10 + day },
		"nbf long ago":  func(o object) { o["nbf"] = 1 },
		"last second":   func(o object) { o["exp"] = now + 1 },
	} {
		h.takes(name, withBearer(h.provider.token(t, "ES256", claims(change))))
	}
}

func TestAttack_K08_Address(t *testing.T) {
	h := newHouse(t)
	for name, change := range map[string]func(object){
		"no aud":             func(o object) { delete(o, "aud") },
		"another":            func(o object) { o["aud"] = "other" },
		"a prefix":           func(o object) { o["aud"] = "quotar" },
		"longer":             func(o object) { o["aud"] = "quotary2" },
		"other case":         func(o object) { o["aud"] = "Quotary" },
		"list of several":    func(o object) { o["aud"] = []string{audience, "other"} },
		"list of the same":   func(o object) { o["aud"] = []string{audience, audience} },
		"list in a list":     func(o object) { o["aud"] = [][]string{{audience}} },
		"empty list":         func(o object) { o["aud"] = []string{} },
		"object":             func(o object) { o["aud"] = object{audience: true} },
		"null":               func(o object) { o["aud"] = nil },
		"list of null":       func(o object) { o["aud"] = []any{nil} },
		"no iss":             func(o object) { delete(o, "iss") },
		"iss longer":         func(o object) { o["iss"] = issuerURL + "/" },
		"iss shorter":        func(o object) { o["iss"] = issuerURL[:len(issuerURL)-1] },
		"iss in capitals":    func(o object) { o["iss"] = strings.ToUpper(issuerURL) },
		"iss below":          func(o object) { o["iss"] = issuerURL + ".evil.example" },
		"iss as list":        func(o object) { o["iss"] = []string{issuerURL} },
		"no sub":             func(o object) { delete(o, "sub") },
		"empty sub":          func(o object) { o["sub"] = "" },
		"sub as number":      func(o object) { o["sub"] = 1 },
		"sub with line":      func(o object) { o["sub"] = "alice\nadmin" },
		"sub with space":     func(o object) { o["sub"] = " alice" },
		"sub not ASCII":      func(o object) { o["sub"] = "alicé" },
		"long sub":           func(o object) { o["sub"] = strings.Repeat("a", maxSubject+1) },
		"bound to a key":     func(o object) { o["cnf"] = object{"jkt": "x"} },
		"bound to nothing":   func(o object) { o["cnf"] = nil },
		"a logout":           func(o object) { o["events"] = object{"x": object{}} },
		"groups as number":   func(o object) { o["groups"] = 1 },
		"groups as object":   func(o object) { o["groups"] = object{"quotary-owners": true} },
		"groups with number": func(o object) { o["groups"] = []any{"quotary-owners", 1} },
		"groups nested":      func(o object) { o["groups"] = []any{[]string{"quotary-owners"}} },
		"groups null":        func(o object) { o["groups"] = nil },
	} {
		h.refuses(name, withBearer(h.provider.token(t, "ES256", claims(change))), evidence.CodeUnauthorized)
	}
	h.takes("list of one", withBearer(h.provider.token(t, "ES256", claims(func(o object) { o["aud"] = []string{audience} }))))
	h.takes("longest sub", withBearer(h.provider.token(t, "ES256", claims(func(o object) { o["sub"] = strings.Repeat("a", maxSubject) }))))
}

func TestAttack_K09_TokensThatAreTooMuch(t *testing.T) {
	h := newHouse(t)
	good := h.provider.token(t, "ES256", claims())
	dots := strings.Repeat(".", 8<<20)
	for name, text := range map[string]string{
		"dots": dots, "two parts": strings.Replace(good, ".", "", 1), "four parts": good + ".", "five parts": good + "..", "empty": "..",
		"large": good + strings.Repeat("A", maxBearer),
	} {
		h.refuses(name, withBearer(text), evidence.CodeUnauthorized)
	}
	r := withBearer(dots)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := h.Authenticate(r)
	runtime.ReadMemStats(&after)
	if spent := after.TotalAlloc - before.TotalAlloc; err == nil || spent > 64<<10 {
		t.Errorf("8 MiB of dots take %d bytes: %v", spent, err)
	}
}

func TestAttack_K11_BadBase64(t *testing.T) {
	h := newHouse(t)
	good := h.provider.token(t, "RS256", claims())
	parts := strings.Split(good, ".")
	for part := range parts {
		for name, change := range map[string]func(string) string{
			"padded": func(s string) string { return s + "=" }, "padded twice": func(s string) string { return s + "==" },
			"space": func(s string) string { return s[:4] + " " + s[4:] }, "line": func(s string) string { return s[:4] + "\n" + s[4:] },
			"carriage return": func(s string) string { return s + "\r" }, "plus": func(s string) string { return "+" + s[1:] }, "slash": func(s string) string { return "/" + s[1:] },
			"one more": func(s string) string { return s + "A" }, "one less": func(s string) string { return s[:len(s)-1] }, "nothing": func(string) string { return "" },
		} {
			changed := append([]string(nil), parts...)
			changed[part] = change(changed[part])
			h.refuses(name, withBearer(strings.Join(changed, ".")), evidence.CodeUnauthorized)
			_, err := parseToken(strings.Join(changed, "."))
			if err == nil && name != "one less" && name != "one more" { // may be well-formed still
				t.Errorf("%s in part %d is parsed", name, part)
			}
		}
	}
	// Bits behind the last byte, which a lax decoder drops: the signature of RS256 has
	// 256 bytes, whose last character has four bits of its own.
	last := parts[2][len(parts[2])-1]
	h.refuses("loose bits", withBearer(good[:len(good)-1]+string(last+1)), evidence.CodeUnauthorized)
}

func TestAttack_K12_SignaturesOfAnotherForm(t *testing.T) {
	h := newHouse(t)
	text := b64([]byte(goodHeader)) + "." + b64(encode(t, claims()))
	sum := sha256.Sum256([]byte(text))
	der, err := ecdsa.SignASN1(rand.Reader, h.provider.p256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	good := h.provider.signature(t, text, "ES256")
	order := h.provider.p256.Params().N
	zero, n := make([]byte, 32), order.FillBytes(make([]byte, 32))
	r, s := good[:32], new(big.Int).SetBytes(good[32:])
	plus := new(big.Int).Add(s, order)
	for name, signature := range map[string][]byte{
		"DER": der, "zero": make([]byte, 64), "r zero": append(bytes.Clone(zero), good[32:]...), "s zero": append(bytes.Clone(r), zero...),
		"r = n": append(bytes.Clone(n), good[32:]...), "s = n": append(bytes.Clone(r), n...), "s + n": append(bytes.Clone(r), plus.Bytes()...),
		"short": good[:63], "long": append(bytes.Clone(good), 0), "half": r, "swapped": append(bytes.Clone(good[32:]), r...),
		"one bit": append(bytes.Clone(good[:63]), good[63]^1), "leading zero": append([]byte{0}, good...),
	} {
		h.refuses(name, withBearer(text+"."+b64(signature)), evidence.CodeUnauthorized)
	}
	h.takes("good", withBearer(text+"."+b64(good)))
}

// Every change of a token's bytes has it refused.
func TestAttack_K24_EveryByteCounts(t *testing.T) {
	h := newHouse(t)
	good := h.provider.token(t, "EdDSA", claims())
	for i := range good {
		for _, c := range []byte{'A', 'B', '-', '.'} {
			if good[i] == c {
				continue
			}
			changed := []byte(good)
			changed[i] = c
			h.refuses(string(changed), withBearer(string(changed)), evidence.CodeUnauthorized)
		}
	}
}

func TestRolesOfTokens(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct {
		groups any
		want   Role
	}{
		{[]string{"staff"}, Viewer}, {"auditors", Viewer}, {"sre", Operator}, {[]string{"sre", "staff"}, Operator}, {[]string{"staff", "quotary-owners"}, Owner},
		{[]string{"quotary-owners", "staff", "x"}, Owner}, {[]string{}, 0}, {[]string{"Staff"}, 0}, {"staff sre", 0}, {"staff,sre", 0}, {"", 0}, {[]string{"owner"}, 0},
		{[]string{"quotary-owners "}, 0}, {"*", 0},
	} {
		r := withBearer(h.provider.token(t, "ES256", claims(func(o object) { o["groups"] = c.groups })))
		if c.want == 0 {
			h.refuses("no role", r, evidence.CodeForbidden)
		} else if p := h.takes("a role", r); p.Role != c.want {
			t.Errorf("%v give %s, want %s", c.groups, p.Role, c.want)
		}
	}
	none := claims(func(o object) { delete(o, "groups") })
	h.refuses("no claim", withBearer(h.provider.token(t, "ES256", none)), evidence.CodeForbidden)
	// Who has no role and no good signature either is nobody, rather than somebody without role.
	h.refuses("no claim, forged", withBearer(newProvider(t).token(t, "ES256", none)), evidence.CodeUnauthorized)
	named := newHouse(t, func(o *Options) {
		o.Config.OIDC.RolesClaim = "sub"
		o.Config.OIDC.Roles = Roles{Owner: []string{"8f3a-alice"}}
	})
	if p := named.takes("by name", withBearer(named.provider.token(t, "ES256", claims()))); p.Role != Owner {
		t.Errorf("%+v", p)
	}
	without := newHouse(t, func(o *Options) { o.Config.OIDC = OIDC{} })
	without.refuses("no provider", withBearer(without.provider.token(t, "ES256", claims())), evidence.CodeUnauthorized)
}

// Nothing that can be made without the provider's keys or the bootstrap credential
// is taken, and nothing panics. The seeds are right but for the keys.
func FuzzAuthenticate(f *testing.F) {
	t := &testing.T{}
	p := newProvider(t)
	for _, algorithm := range []string{"RS256", "ES256", "EdDSA"} {
		f.Add("Bearer " + p.token(t, algorithm, claims()))
	}
	f.Add("Bearer " + credential[1:])
	f.Add("Bearer ..")
	f.Add("Basic eA==")
	a := &Authenticator{oidc: oidc("x"), approvals: 1, now: func() time.Time { return epoch }}
	a.bootstrap = sha256.Sum256([]byte(credential))
	other, err := parseKeySet(newProvider(t).jwks(t))
	if err != nil {
		f.Fatal(err)
	}
	a.current.Store(&state{authority: &Authority{}, keys: other})
	f.Fuzz(func(t *testing.T, header string) {
		r := withCertificate()
		r.Header["Authorization"] = []string{header}
		if got, err := a.Authenticate(r); err == nil && header != "Bearer "+credential || err != nil && got != (Principal{}) {
			t.Errorf("%q is %+v, %v", header, got, err)
		}
	})
}
