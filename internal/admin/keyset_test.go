package admin

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quotary/quotary/evidence"
)

func TestKeySet(t *testing.T) {
	p := anyProvider(t)
	keys := append(p.keys(),
		object{"kty": "RSA", "use": "enc", "kid": "encryption", "n": "x", "e": "AQAB"},
		object{"kty": "EC", "crv": "P-521", "kid": "unknown curve"},
		object{"kty": "AKP", "alg": "ML-DSA-65", "kid": "unknown kind", "pub": "x"},
		object{"kty": "EC", "crv": "P-256", "key_ops": []string{"deriveKey"}, "kid": "agreement"},
		with(ecJWK("for another algorithm", &p.p256.PublicKey), "alg", "ECDH-ES"),
		with(ecJWK("without identifier", &p.p256.PublicKey), "kid", nil),
		with(rsaJWK("one algorithm", &p.rsa.PublicKey), "alg", "PS256"),
		with(ecJWK("operations", &p.p256.PublicKey), "key_ops", []string{"verify"}),
	)
	set, err := parseKeySet(encode(t, object{"keys": keys, "more": 1}))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for kid, key := range set {
		got[kid] = fmt.Sprint(key.algorithms)
	}
	want := map[string]string{
		"RS256": "[RS256 PS256]", "ES256": "[ES256]", "ES384": "[ES384]", "EdDSA": "[EdDSA]", "one algorithm": "[PS256]", "operations": "[ES256]",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// with sets a member, or removes it.
func with(o object, name string, value any) object {
	if o[name] = value; value == nil {
		delete(o, name)
	}
	return o
}

// TestAttack_K22_KeySets: what nobody should publish is not believed.
func TestAttack_K22_KeySets(t *testing.T) {
	p := anyProvider(t)
	weak := &rsa.PublicKey{N: new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 1023), big.NewInt(1)), E: 65537}
	small := &rsa.PublicKey{N: p.rsa.N, E: 3}
	even := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2047), E: 65537}
	huge := &rsa.PublicKey{N: new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 8191), big.NewInt(1)), E: 65537}
	ec := func(change ...any) object {
		o := ecJWK("a", &p.p256.PublicKey)
		for i := 0; i < len(change); i += 2 {
			with(o, change[i].(string), change[i+1])
		}
		return o
	}
	for name, keys := range map[string][]any{
		"none":                    {},
		"two of one kid":          {ec(), with(rsaJWK("a", &p.rsa.PublicKey), "kid", "a")},
		"the same twice":          {ec(), ec()},
		"one kid, one not ours":   {ec(), object{"kty": "AKP", "kid": "a"}},
		"weak":                    {rsaJWK("a", weak)},
		"weak beside good":        {ec(), rsaJWK("b", weak)},
		"exponent 3":              {rsaJWK("a", small)},
		"even modulus":            {rsaJWK("a", even)},
		"huge modulus":            {rsaJWK("a", huge)},
		"no modulus":              {with(rsaJWK("a", &p.rsa.PublicKey), "n", nil)},
		"modulus as number":       {with(rsaJWK("a", &p.rsa.PublicKey), "n", 7)},
		"modulus of no alphabet":  {with(rsaJWK("a", &p.rsa.PublicKey), "n", "!!!!")},
		"private":                 {with(ec(), "d", "AAAA")},
		"private RSA":             {with(rsaJWK("a", &p.rsa.PublicKey), "p", "AAAA")},
		"symmetric":               {object{"kty": "oct", "kid": "a", "k": "AAAA"}},
		"symmetric beside good":   {ec(), object{"kty": "oct", "kid": "b", "k": "AAAA"}},
		"not on the curve":        {ec("x", b64(make([]byte, 32)))},
		"short coordinate":        {ec("x", b64(make([]byte, 31)))},
		"no coordinate":           {ec("y", nil)},
		"point of another curve":  {with(ecJWK("a", &p.p384.PublicKey), "crv", "P-256")},
		"kid as number":           {ec("kid", 1)},
		"empty kid":               {ec("kid", "")},
		"long kid":                {ec("kid", strings.Repeat("a", maxKeyID+1))},
		"use as list":             {ec("use", []string{"sig"})},
		"for encryption":          {ec("use", "enc")},
		"no identifiers":          {ec("kid", nil)},
		"operations of another":   {ec("key_ops", "verify2")},
		"algorithm as list":       {ec("alg", []string{"ES256"})},
		"not an object":           {ec(), 1},
		"too many":                many(maxKeys+1, ec),
		"a long member":           {ec("x5c", []string{strings.Repeat("A", maxKeySetText+1)})},
		"too deep":                {ec("x", [][][]int{{{1}}})},
		"Ed25519 of another size": {object{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": b64(make([]byte, 31))}},
		"a key for agreement":     {object{"kty": "OKP", "crv": "X25519", "kid": "a", "x": b64(make([]byte, 32))}},
	} {
		_, err := parseKeySet(encode(t, object{"keys": keys}))
		refusedWith(t, name, err, evidence.CodeTokenKeySet)
	}
	good := string(p.jwks(t))
	for name, text := range map[string]string{
		"empty": "", "null": "null", "list": "[]", "no keys": "{}", "keys null": `{"keys":null}`, "keys object": `{"keys":{}}`, "one key": string(encode(t, ec())),
		"twice": strings.Replace(good, "{", `{"keys":[],`, 1), "other case": strings.Replace(good, "{", `{"Keys":[],`, 1), "two": good + good, "text behind": good + "x",
		"duplicate member": strings.Replace(good, `"kty":"EC"`, `"kty":"EC","kty":"EC"`, 1), "large": good + strings.Repeat(" ", maxKeySet), "a page": "<html></html>",
	} {
		_, err := parseKeySet([]byte(text))
		refusedWith(t, name, err, evidence.CodeTokenKeySet)
	}
}

func many(n int, one func(...any) object) (out []any) {
	for i := range n {
		out = append(out, one("kid", fmt.Sprint(i)))
	}
	return out
}

// Parsing ends and yields keys that are strong, each for algorithms of its kind.
func FuzzKeySet(f *testing.F) {
	t := &testing.T{}
	p := &provider{p256: newKey(t)}
	f.Add(encode(t, object{"keys": []object{ecJWK("a", &p.p256.PublicKey)}}))
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	if key, err := rsa.GenerateKey(rand.Reader, 2048); err == nil {
		f.Add(encode(t, object{"keys": []object{rsaJWK("a", &key.PublicKey)}}))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := parseKeySet(data)
		if (err == nil) != (len(set) > 0) {
			t.Errorf("%d keys, %v", len(set), err)
		}
		for kid, key := range set {
			if _, err := evidence.NewKey(key.public); err != nil || kid == "" || len(key.algorithms) == 0 {
				t.Errorf("%q: %v, %v", kid, key, err)
			}
		}
	})
}

// service is an identity provider's web server.
type service struct {
	*httptest.Server
	asked  atomic.Int32
	answer atomic.Pointer[http.HandlerFunc]
}

func newService(t *testing.T) *service {
	s := &service{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		(*s.answer.Load())(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) set(f http.HandlerFunc) { s.answer.Store(&f) }

// publish answers with these bytes.
func (s *service) publish(data []byte) {
	s.set(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) })
}

// remote is a house that fetches the provider's keys.
func remote(t *testing.T, url string, transport http.RoundTripper) *house {
	return newHouse(t, func(o *Options) {
		o.Config.OIDC.JWKSFile, o.Config.OIDC.JWKSURL, o.Transport = "", url, transport
	})
}

// Keys are fetched when a token needs them, kept for a while, and asked for anew
// when a token names one that is not known: but not for every such token.
func TestRemoteKeys(t *testing.T) {
	s := newService(t)
	h := remote(t, s.URL+"/keys", nil)
	s.publish(h.provider.jwks(t))
	asked := func(want int32) {
		t.Helper()
		if got := s.asked.Load(); got != want {
			t.Errorf("asked %d times, want %d", got, want)
		}
	}
	asked(0)
	token := func() *http.Request { return withBearer(h.provider.token(t, "ES256", claims())) }
	for range 3 {
		h.takes("a token", token())
	}
	asked(1)
	h.refuses("of another audience", withBearer(h.provider.token(t, "ES256", claims(func(o object) { o["aud"] = "x" }))), evidence.CodeUnauthorized)
	asked(1)

	next := newProvider(t)
	s.publish(encode(t, object{"keys": []object{ecJWK("next", &next.p256.PublicKey)}}))
	rolled := func() *http.Request {
		return withBearer(next.signed(t, `{"alg":"ES256","kid":"next"}`, string(encode(t, claims(func(o object) { o["exp"] = epoch.Add(time.Hour).Unix() }))), "ES256"))
	}
	for range 50 {
		h.refuses("a key that came a moment after", rolled(), evidence.CodeUnauthorized)
	}
	asked(1) // it was asked less than fetchEvery ago
	h.now = epoch.Add(fetchEvery)
	h.takes("a new key", rolled())
	asked(2)
	h.refuses("a key that is gone", token(), evidence.CodeUnauthorized)
	asked(2)
	h.now = h.now.Add(freshFor)
	h.takes("after a while", rolled())
	asked(3)
}

// TestAttack_K22_ProviderOutOfReach: a withdrawn key is believed for an hour at most,
// however hard somebody keeps the provider's answer away.
func TestAttack_K22_ProviderOutOfReach(t *testing.T) {
	s := newService(t)
	h := remote(t, s.URL, nil)
	long := func(o object) { o["exp"] = epoch.Add(12 * time.Hour).Unix() }
	r := withBearer(h.provider.token(t, "ES256", claims(long)))
	s.set(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	h.refuses("no keys yet", r, evidence.CodeNotReady)
	h.now = h.now.Add(fetchEvery)
	s.publish(h.provider.jwks(t))
	h.takes("keys", r)
	since := h.now
	s.publish([]byte("<html>"))
	for _, age := range []time.Duration{time.Minute, freshFor, freshFor + time.Minute, staleFor - time.Second} {
		h.now = since.Add(age)
		h.takes(age.String(), r)
	}
	h.now = since.Add(staleFor)
	h.refuses("an hour later", r, evidence.CodeNotReady)
	h.now = since.Add(-time.Hour)
	h.refuses("the clock is put back", r, evidence.CodeUnauthorized) // the token is not valid yet
	h.now = since.Add(-time.Second)
	h.refuses("the clock is put back a little", r, evidence.CodeNotReady)
	if err := h.Reload(); err != nil {
		t.Error(err)
	}
}

// What is not a plain answer from the very address that is configured is none.
func TestRemoteKeysAnswers(t *testing.T) {
	other := newService(t)
	s := newService(t)
	keys := anyProvider(t).jwks(t)
	other.publish(keys)
	for name, answer := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) },
		"redirect for good, with keys": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", other.URL)
			w.WriteHeader(http.StatusMovedPermanently)
			_, _ = w.Write(keys)
		},
		"created": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated); _, _ = w.Write(keys) },
		"partial": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(keys)
		},
		"unauthorized": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write(keys)
		},
		"compressed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(keys)
		},
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(keys)+1))
			_, _ = w.Write(keys)
		},
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(keys)
			for spaces := strings.Repeat(" ", 1<<16); ; {
				if _, err := io.WriteString(w, spaces); err != nil {
					return
				}
			}
		},
		"a page":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>log in</html>") },
		"nothing": func(http.ResponseWriter, *http.Request) {},
		"weak": func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(object{"keys": []object{rsaJWK("a", &rsa.PublicKey{N: big.NewInt(15), E: 3})}})
		},
	} {
		s.set(answer)
		h := remote(t, s.URL, nil)
		h.refuses(name, withBearer(h.provider.token(t, "ES256", claims())), evidence.CodeNotReady)
	}
	if other.asked.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

// silent never answers.
type silent struct{ asked atomic.Int32 }

func (s *silent) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked.Add(1)
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// A provider that is slow holds nobody for longer than its time, and is asked once
// for all who wait.
func TestRemoteKeysSlow(t *testing.T) {
	provider := anyProvider(t)
	token := provider.token(t, "ES256", claims())
	synctest.Test(t, func(t *testing.T) {
		transport := &silent{}
		h := remote(t, "https://login.example.org/keys", transport)
		start := time.Now()
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() { h.refuses("slow", withBearer(token), evidence.CodeNotReady) })
		}
		wait.Wait()
		if took := time.Since(start); took != fetchTimeout || transport.asked.Load() != 1 {
			t.Errorf("asked %d times, in %s", transport.asked.Load(), took)
		}
		h.refuses("and again, at once", withBearer(token), evidence.CodeNotReady)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		h.now = h.now.Add(fetchEvery)
		h.refuses("its sender is gone", withBearer(token).WithContext(gone), evidence.CodeNotReady)
		if took := time.Since(start); took != fetchTimeout {
			t.Errorf("it took %s", took)
		}
		time.Sleep(fetchTimeout) // of the bubble: the question outlives who asked first
	})
}

// broken fails as a network does.
type broken struct{}

func (broken) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no route to 10.0.0.7")
}

// Strangers do not learn where the provider is; the log does.
func TestRemoteKeysUnreachable(t *testing.T) {
	h := remote(t, "https://login.example.org/keys", broken{})
	r := withBearer(h.provider.token(t, "ES256", claims()))
	h.refuses("no network", r, evidence.CodeNotReady)
	_, err := h.Authenticate(r)
	var shown *evidence.Error
	if !errors.As(err, &shown) || strings.Contains(shown.Error(), "10.0.0.7") || !strings.Contains(err.Error(), "10.0.0.7") {
		t.Errorf("outside %v, in the log %v", shown, err)
	}
}

// Many at once, with reloads and revocations between.
func TestConcurrentUse(t *testing.T) {
	s := newService(t)
	h := remote(t, s.URL, nil)
	s.publish(h.provider.jwks(t))
	cert, _ := h.issue("alice", Owner)
	token := h.provider.token(t, "ES256", claims())
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 5 {
				h.takes("certificate", withCertificate(cert))
				h.takes("token", withBearer(token))
				h.takes("bootstrap", withBearer(credential))
				_ = h.ClientCAs()
				if err := h.Reload(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
}
