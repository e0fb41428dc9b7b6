package authorize_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/quotary/quotary/client/authorize"
	"github.com/quotary/quotary/evidence"
)

const web = "spiffe://example.org/web"

// Whom a rule allows is let in, and what its certificate says is told.
func TestAllowed(t *testing.T) {
	a := newAuthority(t, "example.org")
	z := a.authorizer(t, authorize.Rule{Allow: authorize.Allow{
		SPIFFEIDs: []string{web}, MaxAttestedAge: 10 * time.Minute, PolicyDigests: []string{"sha256:aa"}, Status: authorize.Affirming,
	}})
	plain := a.svid(t, web, newEAR(web).with(t))
	for name, certificate := range map[string]string{"PEM": plain, "Envoy": envoy(plain), "nginx": nginx(plain), "without its last line break": strings.TrimSpace(plain)} {
		for range 2 { // the second time it is remembered
			d := z.Decide(get(certificate, "/"), now)
			if !d.Allowed || !d.Code.IsZero() || d.SPIFFEID != web || d.Simulated || d.Workload != "web" || d.Status != authorize.Affirming || !d.AttestedAt.Equal(now.Add(-10*time.Minute)) {
				t.Errorf("%s: %+v", name, d)
			}
		}
	}
	bare := a.svid(t, web, nil)
	d := a.authorizer(t, authorize.Rule{Allow: anybody}).Decide(get(bare, "/"), now)
	if !d.Allowed || d.SPIFFEID != web || !d.AttestedAt.IsZero() || d.Workload != "" || d.Status != "" {
		t.Errorf("without a result: %+v", d)
	}
}

// Whatever a header says, the certificate in it is verified under the bundle, as of now.
func TestAttack_A20_CertificatesThatProveNothing(t *testing.T) {
	a, other := newAuthority(t, "example.org"), newAuthority(t, "example.org")
	good := a.svid(t, web, nil)
	block, _ := pem.Decode([]byte(good))
	flipped := bytes.Clone(block.Bytes)
	flipped[len(flipped)-1] ^= 1
	for name, test := range map[string]struct {
		certificate string
		code        evidence.Code
	}{
		"none":                {"", evidence.CodeAuthorizeCertificate},
		"noise":               {"noise", evidence.CodeAuthorizeCertificate},
		"escaped twice":       {nginx(nginx(good)), evidence.CodeAuthorizeCertificate},
		"a broken escape":     {good + "%0", evidence.CodeAuthorizeCertificate},
		"a plus as a space":   {strings.ReplaceAll(nginx(good), "%20", "+"), evidence.CodeAuthorizeCertificate},
		"two":                 {good + good, evidence.CodeAuthorizeCertificate},
		"one that is broken":  {strings.Replace(good, "M", "!", 1) + good, evidence.CodeAuthorizeCertificate},
		"begun twice":         {"-----BEGIN CERTIFICATE-----\n" + good, evidence.CodeAuthorizeCertificate},
		"something before":    {"x\n" + good, evidence.CodeAuthorizeCertificate},
		"something behind":    {good + "x", evidence.CodeAuthorizeCertificate},
		"a header":            {strings.Replace(good, "-----\n", "-----\nA: b\n\n", 1), evidence.CodeAuthorizeCertificate},
		"a key":               {strings.ReplaceAll(good, "CERTIFICATE", "PRIVATE KEY"), evidence.CodeAuthorizeCertificate},
		"not DER":             {string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30, 0}})), evidence.CodeAuthorizeCertificate},
		"too long":            {good + strings.Repeat("\n", 32<<10), evidence.CodeAuthorizeCertificate},
		"a changed signature": {string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: flipped})), evidence.CodeAuthorizeChain},
		"another authority's": {other.svid(t, web, nil), evidence.CodeAuthorizeChain},
		"the root":            {text(a.root), evidence.CodeAuthorizeChain},
		"the issuing CA":      {text(a.issuing), evidence.CodeAuthorizeChain},
		"for servers alone":   {a.svid(t, web, func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] }), evidence.CodeAuthorizeChain},
		"ended":               {a.svid(t, web, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) }), evidence.CodeAuthorizeChain},
		"of tomorrow":         {a.svid(t, web, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Second) }), evidence.CodeAuthorizeChain},
		"no SPIFFE ID":        {a.svid(t, web, func(c *x509.Certificate) { c.URIs, c.DNSNames = nil, []string{"web.example.org"} }), evidence.CodeAuthorizeChain},
		"two SPIFFE IDs":      {a.svid(t, web, func(c *x509.Certificate) { c.URIs = append(c.URIs, c.URIs[0]) }), evidence.CodeAuthorizeChain},
		"another domain":      {a.svid(t, "spiffe://example.com/web", nil), evidence.CodeAuthorizeChain},
		"the domain itself":   {a.svid(t, "spiffe://example.org", nil), evidence.CodeAuthorizeChain},
		"another scheme":      {a.svid(t, "https://example.org/web", nil), evidence.CodeAuthorizeChain},
		"a port":              {a.svid(t, "spiffe://example.org:1/web", nil), evidence.CodeAuthorizeChain},
		"a CA below": {a.svid(t, web, func(c *x509.Certificate) {
			c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
		}), evidence.CodeAuthorizeChain},
	} {
		d := a.authorizer(t, authorize.Rule{Allow: anybody}).Decide(get(test.certificate, "/"), now)
		if d.Allowed || d.Code != test.code || d.Reason == "" || d.SPIFFEID != "" {
			t.Errorf("%s: %+v", name, d)
		}
	}
	if d := a.authorizer(t, authorize.Rule{Allow: anybody}).Decide(get(good, "/"), now); !d.Allowed { // or the above would prove nothing
		t.Errorf("%+v", d)
	}
}

// What was proved once is looked at again: whether it has ended, is revoked, and is still
// under a root of the bundle.
func TestAttack_A18_RememberedCertificatesAreNoVerdicts(t *testing.T) {
	a := newAuthority(t, "example.org")
	z := a.authorizer(t, authorize.Rule{Allow: anybody})
	good := a.svid(t, web, nil)
	expect := func(what string, at time.Time, code evidence.Code) {
		t.Helper()
		if d := z.Decide(get(good, "/"), at); d.Code != code || d.Allowed != code.IsZero() {
			t.Errorf("%s: %+v", what, d)
		}
	}
	expect("at first", now, evidence.Code{})
	leaf, err := authorize.ParseCertificate(good)
	if err != nil {
		t.Fatal(err)
	}
	a.revoked[leaf.SerialNumber.String()] = true
	expect("revoked", now, evidence.CodeRevocationRevoked)
	if d := z.Decide(get(good, "/"), now); d.SPIFFEID != web {
		t.Errorf("who was revoked is not told: %+v", d)
	}
	a.unknown = evidence.Errorf(evidence.CodeRevocationUnknown, "", "no list")
	expect("unknown", now, evidence.CodeRevocationUnknown)
	a.unknown, a.revoked = nil, nil
	expect("known again", now, evidence.Code{})
	a.heard = now.Add(90 * time.Minute)
	z.Learn("example.org", []*x509.Certificate{a.root}, a, a.heard)
	expect("ended", now.Add(90*time.Minute), evidence.CodeAuthorizeChain)
	a.heard = now
	z.Learn("example.org", []*x509.Certificate{newAuthority(t, "example.org").root}, a, now)
	expect("under a root that was withdrawn", now, evidence.CodeAuthorizeChain)
	z.Learn("example.com", []*x509.Certificate{a.root}, a, now)
	expect("in another trust domain", now, evidence.CodeAuthorizeChain)
	a.silent = true
	z.Learn("example.org", []*x509.Certificate{a.root}, a, now)
	expect("without its issuer", now, evidence.CodeAuthorizeChain)
}

// Who knows nothing, or nothing new, lets nobody in.
func TestAttack_A18_StaleKnowledgeRefuses(t *testing.T) {
	a := newAuthority(t, "example.org")
	good := a.svid(t, web, nil)
	z, err := authorize.New(authorize.Config{Rules: []authorize.Rule{{Allow: anybody}}, MaxAge: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	expect := func(what string, code evidence.Code) {
		t.Helper()
		if d := z.Decide(get(good, "/"), now); d.Code != code || d.Allowed != code.IsZero() {
			t.Errorf("%s: %+v", what, d)
		}
	}
	expect("nothing", evidence.CodeAuthorizeKnowledge)
	roots := []*x509.Certificate{a.root}
	z.Learn("example.org", roots, a, now.Add(-time.Minute))
	expect("a bundle of a minute ago", evidence.Code{})
	z.Learn("example.org", roots, a, now.Add(-time.Minute-time.Second))
	expect("an older bundle", evidence.CodeAuthorizeKnowledge)
	z.Learn("example.org", roots, a, now)
	a.heard = now.Add(-time.Minute - time.Second)
	expect("an older feed", evidence.CodeAuthorizeKnowledge)
	if !z.Heard().Equal(a.heard) {
		t.Errorf("heard at %s", z.Heard())
	}
	a.heard = time.Time{}
	expect("no feed", evidence.CodeAuthorizeKnowledge)
	a.heard = now.Add(time.Hour)
	expect("a feed of later", evidence.Code{})
	z.Learn("example.org", roots, a, now.Add(time.Hour))
	expect("both of later, as the clock was put back", evidence.CodeAuthorizeKnowledge)
}

// A gateway that was suspended knows how old its knowledge is by the clock on the wall: the monotonic
// one stood still.
func TestAttack_A18_SuspendedGateway(t *testing.T) {
	const night = 8 * time.Hour
	before := time.Now()
	after := before.Add(night)
	(*[2]int64)(unsafe.Pointer(&after))[1] -= int64(night) // the monotonic reading of a time.Time
	if after.Sub(before) != 0 || after.Round(0).Sub(before.Round(0)) != night {
		t.Skip("times are made in another way now")
	}
	a := newAuthority(t, "example.org")
	z := a.authorizer(t, authorize.Rule{Allow: anybody})
	a.heard = before
	z.Learn("example.org", []*x509.Certificate{a.root}, a, before)
	if d := z.Decide(get(a.svid(t, web, nil), "/"), after); d.Allowed || d.Code != evidence.CodeAuthorizeKnowledge {
		t.Errorf("%+v", d)
	}
}

// Each part of a rule refuses what does not meet it; what the certificate does not say does
// not meet it.
func TestRulesAboutWorkloads(t *testing.T) {
	a := newAuthority(t, "example.org")
	rule := func(change func(*authorize.Allow)) authorize.Allow {
		allow := authorize.Allow{SPIFFEIDs: []string{web}}
		change(&allow)
		return allow
	}
	age := rule(func(a *authorize.Allow) { a.MaxAttestedAge = 10 * time.Minute })
	policy := rule(func(a *authorize.Allow) { a.PolicyDigests = []string{"sha256:aa", "sha256:bb"} })
	affirming := rule(func(a *authorize.Allow) { a.Status = authorize.Affirming })
	warning := rule(func(a *authorize.Allow) { a.Status = authorize.Warning })
	alone := rule(func(*authorize.Allow) {})
	real := rule(func(a *authorize.Allow) { a.Simulated = true })
	result := func(change func(ear)) func(*x509.Certificate) {
		e := newEAR(web)
		change(e)
		return e.with(t)
	}
	status := func(n int) func(*x509.Certificate) { return result(func(e ear) { e[1000] = n }) }
	at := func(seconds int64) func(*x509.Certificate) {
		return result(func(e ear) { e[-80000].(map[int]any)[1] = now.Unix() + seconds })
	}
	same := result(func(ear) {})
	for name, test := range map[string]struct {
		allow  authorize.Allow
		id     string
		change func(*x509.Certificate)
		code   evidence.Code
	}{
		"another workload":            {alone, "spiffe://example.org/db", nil, evidence.CodeAuthorizeSPIFFEID},
		"below it":                    {alone, web + "/a", nil, evidence.CodeAuthorizeSPIFFEID},
		"simulated":                   {alone, web, simulated, evidence.CodeAuthorizeSimulated},
		"simulated, and allowed":      {real, web, simulated, evidence.Code{}},
		"simulated by its result":     {alone, web, result(func(e ear) { e[-80000].(map[int]any)[3] = true }), evidence.CodeAuthorizeSimulated},
		"an age of nobody":            {age, web, nil, evidence.CodeAuthorizeResult},
		"a policy of nobody":          {policy, web, nil, evidence.CodeAuthorizeResult},
		"a status of nobody":          {affirming, web, nil, evidence.CodeAuthorizeResult},
		"young enough":                {age, web, same, evidence.Code{}},
		"too old":                     {age, web, at(-601), evidence.CodeAuthorizeAge},
		"a minute ahead":              {age, web, at(60), evidence.Code{}},
		"of tomorrow":                 {age, web, at(61), evidence.CodeAuthorizeAge},
		"one of the policies":         {policy, web, same, evidence.Code{}},
		"another policy":              {policy, web, result(func(e ear) { e[266] = map[string]any{"tdx": map[int]any{1003: []string{"sha256:cc"}}} }), evidence.CodeAuthorizePolicy},
		"another policy beside it":    {policy, web, result(func(e ear) { e[266].(map[string]any)["tpm"] = map[int]any{1003: []string{"sha256:cc"}} }), evidence.CodeAuthorizePolicy},
		"affirming":                   {affirming, web, same, evidence.Code{}},
		"affirming, warning is asked": {warning, web, same, evidence.Code{}},
		"warning":                     {warning, web, status(32), evidence.Code{}},
		"warning, affirming is asked": {affirming, web, status(32), evidence.CodeAuthorizeStatus},
		"contraindicated":             {warning, web, status(96), evidence.CodeAuthorizeStatus},
		"nothing said":                {warning, web, status(0), evidence.CodeAuthorizeStatus},
		"a result nobody asks for":    {alone, web, status(96), evidence.Code{}},
	} {
		d := a.authorizer(t, authorize.Rule{Allow: test.allow}).Decide(get(a.svid(t, test.id, test.change), "/"), now)
		if d.Code != test.code || d.Allowed != test.code.IsZero() || d.SPIFFEID != test.id {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// A result that cannot be decoded, or that is another's, is not none.
func TestAttack_K20_ResultsThatSayNothing(t *testing.T) {
	a := newAuthority(t, "example.org")
	good := encoded(t, newEAR(web))
	result := func(change func(ear)) []byte {
		e := newEAR(web)
		change(e)
		return wrapped(t, "application/eat+cwt", encoded(t, e), 8)
	}
	twice := append([]byte{0xa0 + 2, 2, 0x61, 'a', 2, 0x61, 'b'}, 0)
	for name, record := range map[string][]byte{
		"none":               {},
		"no record":          {0xa0},
		"another type":       wrapped(t, "application/eat+jwt", good, 8),
		"evidence":           wrapped(t, "application/eat+cwt", good, 4),
		"no COSE_Sign1":      encoded(t, []any{"application/eat+cwt", good, 8}),
		"no message":         encoded(t, []any{"application/eat+cwt", []byte{}, 8}),
		"no claims":          wrapped(t, "application/eat+cwt", []byte{0x80}, 8),
		"something behind":   wrapped(t, "application/eat+cwt", append(bytes.Clone(good), 0), 8),
		"a claim twice":      wrapped(t, "application/eat+cwt", twice[:len(twice)-1], 8),
		"no subject":         result(func(e ear) { delete(e, 2) }),
		"another subject":    result(func(e ear) { e[2] = web + "2" }),
		"no status":          result(func(e ear) { delete(e, 1000) }),
		"an unknown status":  result(func(e ear) { e[1000] = 3 }),
		"no time":            result(func(e ear) { delete(e[-80000].(map[int]any), 1) }),
		"not said simulated": result(func(e ear) { delete(e[-80000].(map[int]any), 3) }),
		"a line break":       result(func(e ear) { e[-80000].(map[int]any)[5] = "a\r\nb: c" }),
		"no submodules":      result(func(e ear) { e[266] = map[string]any{} }),
		"no policy":          result(func(e ear) { e[266] = map[string]any{"tdx": map[int]any{}} }),
	} {
		d := a.authorizer(t, authorize.Rule{Allow: anybody}).Decide(get(a.svid(t, web, extension(record)), "/"), now)
		if d.Allowed || d.Code != evidence.CodeAuthorizeResult {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// Patterns of SPIFFE IDs end at a slash.
func TestPatternsOfSPIFFEIDs(t *testing.T) {
	a := newAuthority(t, "example.org")
	z := a.authorizer(t, authorize.Rule{Allow: authorize.Allow{SPIFFEIDs: []string{"spiffe://example.org/shop/*"}}})
	for id, want := range map[string]bool{"/shop/a": true, "/shop/a/b": true, "/shop": false, "/shopping/a": false, "/a/shop/a": false} {
		if d := z.Decide(get(a.svid(t, "spiffe://example.org"+id, nil), "/"), now); d.Allowed != want {
			t.Errorf("%s: %+v", id, d)
		}
	}
}

// Rules that mean nothing, or not what they seem to, are refused.
func TestRulesAreChecked(t *testing.T) {
	good := authorize.Rule{Allow: anybody}
	for name, change := range map[string]func(*authorize.Rule){
		"nobody":             func(r *authorize.Rule) { r.Allow.SPIFFEIDs = nil },
		"everybody":          func(r *authorize.Rule) { r.Allow.SPIFFEIDs = []string{"*"} },
		"half a segment":     func(r *authorize.Rule) { r.Allow.SPIFFEIDs = []string{"spiffe://example.org/a*"} },
		"a star inside":      func(r *authorize.Rule) { r.Allow.SPIFFEIDs = []string{"spiffe://example.org/*/a"} },
		"a trust domain":     func(r *authorize.Rule) { r.Allow.SPIFFEIDs = []string{"spiffe://example.org"} },
		"a capital letter":   func(r *authorize.Rule) { r.Allow.SPIFFEIDs = []string{"spiffe://Example.org/a"} },
		"no SPIFFE ID":       func(r *authorize.Rule) { r.Allow.SPIFFEIDs = []string{"https://example.org/a"} },
		"an age before":      func(r *authorize.Rule) { r.Allow.MaxAttestedAge = -1 },
		"another status":     func(r *authorize.Rule) { r.Allow.Status = authorize.Contraindicated },
		"an empty digest":    func(r *authorize.Rule) { r.Allow.PolicyDigests = []string{""} },
		"a small method":     func(r *authorize.Rule) { r.Methods = []string{"get"} },
		"HEAD":               func(r *authorize.Rule) { r.Methods = []string{"HEAD"} },
		"a port":             func(r *authorize.Rule) { r.Hosts = []string{"example.org:443"} },
		"a capital host":     func(r *authorize.Rule) { r.Hosts = []string{"Example.org"} },
		"all hosts":          func(r *authorize.Rule) { r.Hosts = []string{"*"} },
		"a relative path":    func(r *authorize.Rule) { r.Paths = []string{"a"} },
		"a slash at its end": func(r *authorize.Rule) { r.Paths = []string{"/a/"} },
		"half a path":        func(r *authorize.Rule) { r.Paths = []string{"/a*"} },
		"a path's middle":    func(r *authorize.Rule) { r.Paths = []string{"/*/a"} },
		"an escape":          func(r *authorize.Rule) { r.Paths = []string{"/%61"} },
		"a query":            func(r *authorize.Rule) { r.Paths = []string{"/a?b"} },
		"dots":               func(r *authorize.Rule) { r.Paths = []string{"/a/../*"} },
	} {
		r := good
		change(&r)
		if _, err := authorize.New(authorize.Config{Rules: []authorize.Rule{r}, MaxAge: time.Hour}); evidence.CodeOf(err) != evidence.CodeConfigMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, rules := range [][]authorize.Rule{nil, make([]authorize.Rule, 1025)} {
		if _, err := authorize.New(authorize.Config{Rules: rules, MaxAge: time.Hour}); evidence.CodeOf(err) != evidence.CodeConfigMalformed {
			t.Errorf("%d rules: %v", len(rules), err)
		}
	}
	if _, err := authorize.New(authorize.Config{Rules: []authorize.Rule{good}}); err == nil {
		t.Error("what is known may be of any age")
	}
}

// No text makes the decoder fail otherwise than by an error, and what it takes is the same
// certificate however it is escaped.
func FuzzParseCertificate(f *testing.F) {
	a := newAuthority(f, "example.org")
	good := a.svid(f, web, nil)
	for _, seed := range []string{"", good, envoy(good), nginx(good), nginx(nginx(good)), good + good, "%", "-----BEGIN CERTIFICATE-----\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := authorize.ParseCertificate(text)
		if err != nil {
			if evidence.CodeOf(err) != evidence.CodeAuthorizeCertificate {
				t.Errorf("%v", err)
			}
			return
		}
		plain, err := url.PathUnescape(text)
		if err != nil {
			plain = text
		}
		for _, again := range []string{envoy(plain), nginx(plain)} {
			if len(again) > 32<<10 {
				continue
			}
			if same, err := authorize.ParseCertificate(again); err != nil || !same.Equal(c) {
				t.Errorf("written another way it is another: %v", err)
			}
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	a := newAuthority(b, "example.org")
	z := a.authorizer(b, authorize.Rule{Paths: []string{"/other/*"}, Allow: anybody}, authorize.Rule{Paths: []string{"/api/*"}, Allow: anybody})
	certificate := nginx(a.svid(b, web, newEAR(web).with(b)))
	b.Run("known", func(b *testing.B) {
		for b.Loop() {
			if d := z.Decide(get(certificate, "/api/orders/17?x=y"), now); !d.Allowed {
				b.Fatal(d)
			}
		}
	})
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			z := a.authorizer(b, authorize.Rule{Allow: anybody})
			if d := z.Decide(get(certificate, "/api/orders/17?x=y"), now); !d.Allowed {
				b.Fatal(d)
			}
		}
	})
}
