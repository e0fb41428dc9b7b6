package client_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"go.uber.org/goleak"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/server/servertest"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
	"github.com/quotary/quotary/tokens"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var machine = teetest.Attester{evidence.KindTDX, evidence.KindSEVSNP} // not sorted

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newClient(t testing.TB, url string, roots *x509.CertPool) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{URL: url, TrustDomain: servertest.TrustDomain, Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestAttest(t *testing.T) {
	s := servertest.New(t, servertest.Options{})
	key := newKey(t)
	id, err := newClient(t, s.URL, s.Roots()).Attest(t.Context(), machine, key, client.AttestOptions{
		Tokens: []client.Format{client.JWT, client.CWT}, Audience: "relying-party",
		Endorsements: [][]byte{s.Authority.RootPEM()},
	})
	if err != nil {
		t.Fatal(err)
	}
	if id.SPIFFEID != "spiffe://example.org/web" || id.Workload != "web" || id.Simulated || id.AttestationID == "" || len(id.Checks) == 0 {
		t.Errorf("got %+v", id)
	}
	if !id.RenewAt.After(time.Now()) || !id.RenewAt.Before(id.NotAfter) || !id.NotAfter.Equal(id.Certificate.Leaf.NotAfter) {
		t.Errorf("renew at %v, not after %v", id.RenewAt, id.NotAfter)
	}
	keys, err := s.Issuer.Keys().JSON()
	if err != nil {
		t.Fatal(err)
	}
	set, err := tokens.ParseKeySet(keys)
	if err != nil {
		t.Fatal(err)
	}
	v, err := tokens.NewVerifier(tokens.VerifierConfig{Keys: set, Issuer: s.Authority.ServiceID(), Audience: "relying-party"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.VerifyJWT(id.Token.JWT); err != nil {
		t.Error(err)
	}
	if _, err := v.VerifyCWT(id.Token.CWT); err != nil {
		t.Error(err)
	}
	mutualTLS(t, id)
}

// mutualTLS has two ends with the identity authenticate each other.
func mutualTLS(t *testing.T, id *client.Identity) {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*id.Certificate},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: id.Roots,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	said := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			said <- err.Error()
			return
		}
		defer conn.Close()
		heard, _ := io.ReadAll(conn)
		said <- string(heard)
	}()
	conn, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*id.Certificate}, RootCAs: id.Roots, ServerName: "web.example.org",
	})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "hello")
	conn.Close()
	if got := <-said; got != "hello" {
		t.Errorf("heard %q", got)
	}
}

func TestAttestForToken(t *testing.T) {
	s := servertest.New(t, servertest.Options{Simulated: true})
	id, err := newClient(t, s.URL+"/", s.Roots()).Attest(t.Context(), machine, newKey(t), client.AttestOptions{Purpose: evidence.PurposeToken})
	if err != nil {
		t.Fatal(err)
	}
	if id.Certificate != nil || id.Roots != nil || id.Token == nil || id.Token.JWT == "" || !id.Simulated {
		t.Errorf("got %+v", id)
	}
}

func TestAppraise(t *testing.T) {
	s := servertest.New(t, servertest.Options{})
	c := newClient(t, s.URL, s.Roots())
	data := sha256.Sum256([]byte("nonce"))
	bundle, err := evidence.NewBundle(teetest.Item(evidence.KindSEVSNP, data[:]))
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Appraise(t.Context(), bundle, data[:], client.AppraiseOptions{Tokens: []client.Format{client.CWT}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Workload != "web" || len(got.Token.CWT) == 0 || got.Claims[0].SEVSNP == nil || len(got.Checks) == 0 {
		t.Errorf("got %+v", got)
	}
	_, err = c.Appraise(t.Context(), bundle, data[:31], client.AppraiseOptions{})
	if evidence.CodeOf(err) != evidence.CodeNotAccepted {
		t.Errorf("got %v", err)
	}
	_, err = c.Appraise(t.Context(), bundle, data[:], client.AppraiseOptions{Endorsements: [][]byte{[]byte("nothing that is known")}})
	if evidence.CodeOf(err) != evidence.CodeEndorsementUnrecognised {
		t.Errorf("got %v", err)
	}
}

func TestRefusalsAreTyped(t *testing.T) {
	s := servertest.New(t, servertest.Options{Judge: func(item evidence.Item) tee.Outcome {
		o := teetest.Genuine(teetest.Claims(item.Kind()), teetest.ReportData(item))
		o.Missing = []tee.EndorsementName{{Type: "vcek", ID: "Milan"}}
		return o
	}})
	_, err := newClient(t, s.URL, s.Roots()).Attest(t.Context(), machine, newKey(t), client.AttestOptions{})
	var p *client.Problem
	if !errors.As(err, &p) {
		t.Fatalf("got %T: %v", err, err)
	}
	if p.Reason.Code != evidence.CodeEndorsementsMissing || evidence.CodeOf(err) != evidence.CodeEndorsementsMissing || !p.Temporary() ||
		p.RetryAfter != time.Minute || len(p.Missing) != 1 || len(p.Checks) == 0 || p.Verdict != "undecided" || p.RequestID == "" || p.AttestationID == "" {
		t.Errorf("got %+v", p)
	}
	_, err = newClient(t, s.URL, s.Roots()).Attest(t.Context(), machine, newKey(t), client.AttestOptions{Tokens: []client.Format{"saml"}})
	if evidence.CodeOf(err) != evidence.CodeRequestMalformed {
		t.Errorf("got %v", err)
	}
}

func TestAttesterThatFails(t *testing.T) {
	s := servertest.New(t, servertest.Options{})
	broken := errors.New("no device")
	_, err := newClient(t, s.URL, s.Roots()).Attest(t.Context(), failing{broken}, newKey(t), client.AttestOptions{})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ error }

func (failing) Kinds() []evidence.Kind { return []evidence.Kind{evidence.KindTDX} }
func (f failing) Attest(context.Context, evidence.Binding) (evidence.Bundle, error) {
	return nil, f.error
}

func TestConfig(t *testing.T) {
	pool := x509.NewCertPool()
	for _, c := range []client.Config{
		{URL: "http://localhost", TrustDomain: "example.org", Roots: pool}, {URL: "https://", TrustDomain: "example.org", Roots: pool},
		{URL: "https://u:p@localhost", TrustDomain: "example.org", Roots: pool}, {URL: "https://localhost/v1", TrustDomain: "example.org", Roots: pool},
		{URL: "https://localhost?x", TrustDomain: "example.org", Roots: pool}, {URL: "localhost:8443", TrustDomain: "example.org", Roots: pool},
		{URL: "https://localhost", Roots: pool}, {URL: "https://localhost", TrustDomain: "example.org"}, {},
	} {
		if _, err := client.New(c); err == nil {
			t.Errorf("accepted %+v", c)
		}
	}
}

func root(t *testing.T, s *servertest.Service) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(s.Authority.RootPEM())
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestFetchRoot(t *testing.T) {
	s := servertest.New(t, servertest.Options{})
	want := root(t, s)
	got, err := client.FetchRoot(t.Context(), s.URL, sha256.Sum256(want.Raw))
	if err != nil || !got.Equal(want) {
		t.Fatalf("got %v, %v", got, err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(got)
	if _, err := newClient(t, s.URL, pool).Attest(t.Context(), machine, newKey(t), client.AttestOptions{}); err != nil {
		t.Error(err)
	}
}

func TestAttack_A28_SomebodyInBetween(t *testing.T) {
	honest, other := servertest.New(t, servertest.Options{}), servertest.New(t, servertest.Options{})
	digest := sha256.Sum256(root(t, honest).Raw)
	t.Run("another authority", func(t *testing.T) {
		if _, err := client.FetchRoot(t.Context(), other.URL, digest); evidence.CodeOf(err) != evidence.CodeServiceUnreached {
			t.Errorf("got %v", err)
		}
		_, err := newClient(t, other.URL, honest.Roots()).Attest(t.Context(), machine, newKey(t), client.AttestOptions{})
		if evidence.CodeOf(err) != evidence.CodeServiceUnreached {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the honest bundle over another connection", func(t *testing.T) {
		bundle, err := honest.Authority.Bundle()
		if err != nil {
			t.Fatal(err)
		}
		relay := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bundle) }))
		defer relay.Close()
		if _, err := client.FetchRoot(t.Context(), relay.URL, digest); evidence.CodeOf(err) != evidence.CodeServiceUnreached {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a workload of the same authority", func(t *testing.T) {
		id, err := newClient(t, honest.URL, honest.Roots()).Attest(t.Context(), machine, newKey(t), client.AttestOptions{})
		if err != nil {
			t.Fatal(err)
		}
		url := serve(t, *id.Certificate, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 500) })
		url = strings.Replace(url, "127.0.0.1", "localhost", 1) // a name that policy granted
		_, err = newClient(t, url, honest.Roots()).Attest(t.Context(), machine, newKey(t), client.AttestOptions{})
		if evidence.CodeOf(err) != evidence.CodeServiceUnreached || !strings.Contains(err.Error(), "not the service's") {
			t.Errorf("spoke to a workload: %v", err)
		}
		if _, err := client.FetchRoot(t.Context(), url, digest); err == nil {
			t.Error("took the root from a workload")
		}
	})
	t.Run("another trust domain", func(t *testing.T) {
		c, err := client.New(client.Config{URL: honest.URL, TrustDomain: "other.org", Roots: honest.Roots()})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Attest(t.Context(), machine, newKey(t), client.AttestOptions{}); evidence.CodeOf(err) != evidence.CodeServiceUnreached {
			t.Errorf("got %v", err)
		}
	})
}

// serve runs an HTTPS server with this certificate.
func serve(t *testing.T, cert tls.Certificate, handler http.HandlerFunc) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: handler, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}, ReadHeaderTimeout: time.Second}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.ServeTLS(listener, "", "") }()
	t.Cleanup(func() { s.Close(); <-done })
	return "https://" + listener.Addr().String()
}

// hostile stands in for the service, with the service's own certificate: it
// passes requests on and changes the answers.
func hostile(t *testing.T, change func(path string, answer map[string]any) any) *client.Client {
	t.Helper()
	return hostileTo(t, servertest.Options{}, change)
}

func hostileTo(t *testing.T, o servertest.Options, change func(path string, answer map[string]any) any) *client.Client {
	t.Helper()
	s := servertest.New(t, o)
	cert, err := s.Authority.ServerCertificate([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	behind := s.Client(t)
	url := serve(t, *cert, func(w http.ResponseWriter, r *http.Request) {
		req, _ := http.NewRequestWithContext(r.Context(), r.Method, s.URL+r.URL.Path, r.Body)
		req.Header = r.Header.Clone()
		resp, err := behind.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		var answer map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		w.WriteHeader(resp.StatusCode)
		if text, ok := change(r.URL.Path, answer).(string); ok {
			fmt.Fprint(w, text)
			return
		}
		_ = json.NewEncoder(w).Encode(answer)
	})
	return newClient(t, url, s.Roots())
}

func TestAnswersAreNotBelieved(t *testing.T) {
	other := newKey(t)
	type answer = map[string]any
	set := func(path string, f func(answer)) func(string, answer) any {
		return func(at string, a answer) any {
			if at == path {
				f(a)
			}
			return nil
		}
	}
	const challenges, attestations = "/v1/challenges", "/v1/attestations"
	svid := func(f func(answer)) func(string, answer) any {
		return set(attestations, func(a answer) {
			if a["svid"] != nil {
				f(a["svid"].(answer))
			}
		})
	}
	self := selfSigned(t, other)
	var foreign answer
	raw, err := servertest.New(t, servertest.Options{}).Authority.Bundle()
	if err != nil || json.Unmarshal(raw, &foreign) != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(string, answer) any
		code   evidence.Code
	}{
		"short nonce":           {set(challenges, func(a answer) { a["nonce"] = "AAAA" }), evidence.CodeResponseMalformed},
		"other audience":        {set(challenges, func(a answer) { a["audience"] = "other.org" }), evidence.CodeResponseMalformed},
		"other purpose":         {set(challenges, func(a answer) { a["purpose"] = "token" }), evidence.CodeResponseMalformed},
		"other SPIFFE ID":       {set(attestations, func(a answer) { a["spiffe_id"] = "spiffe://example.org/admin" }), evidence.CodeResponseIdentity},
		"other trust domain":    {set(attestations, func(a answer) { a["spiffe_id"] = "spiffe://other.org/web" }), evidence.CodeResponseIdentity},
		"rejected with 200":     {set(attestations, func(a answer) { a["verdict"] = "rejected" }), evidence.CodeResponseIdentity},
		"no certificate":        {set(attestations, func(a answer) { delete(a, "svid") }), evidence.CodeResponseMalformed},
		"no token":              {set(attestations, func(a answer) { delete(a, "ear") }), evidence.CodeResponseMalformed},
		"empty chain":           {svid(func(a answer) { a["certificates"] = "" }), evidence.CodeResponseIdentity},
		"garbage chain":         {svid(func(a answer) { a["certificates"] = "x" }), evidence.CodeResponseIdentity},
		"another's certificate": {svid(func(a answer) { a["certificates"] = self }), evidence.CodeResponseIdentity},
		"leaf alone": {svid(func(a answer) {
			c := a["certificates"].(string)
			a["certificates"] = c[:strings.Index(c, "-----END")+26]
		}), evidence.CodeResponseIdentity},
		"many certificates": {svid(func(a answer) { a["certificates"] = strings.Repeat(a["certificates"].(string), 3) }), evidence.CodeResponseIdentity},
		"not JSON":          {func(path string, _ answer) any { return map[bool]any{true: "{"}[path == attestations] }, evidence.CodeResponseMalformed},
		"endless": {func(path string, _ answer) any {
			return map[bool]any{true: strings.Repeat(" ", 2<<20)}[path == attestations]
		}, evidence.CodeResponseMalformed},
		"no bundle":             {set(attestations, func(a answer) { delete(a, "bundle") }), evidence.CodeResponseIdentity},
		"empty bundle":          {set(attestations, func(a answer) { a["bundle"] = answer{"keys": []any{}} }), evidence.CodeResponseIdentity},
		"bundle of other roots": {set(attestations, func(a answer) { a["bundle"] = foreign }), evidence.CodeResponseIdentity},
		"no JWT-SVID":           {set(attestations, func(a answer) { delete(a, "jwt_svid") }), evidence.CodeResponseIdentity},
		"JWT-SVID that ends at another time": {set(attestations, func(a answer) {
			a["jwt_svid"].(answer)["expires_at"] = "2100-01-01T00:00:00Z"
		}), evidence.CodeResponseIdentity},
		"JWT-SVID that is none": {set(attestations, func(a answer) { a["jwt_svid"].(answer)["token"] = "a.b.c" }), evidence.CodeResponseIdentity},
		"JWT-SVID of another":   {set(attestations, func(a answer) { a["jwt_svid"].(answer)["token"] = jwtOf(a, "sub") }), evidence.CodeResponseIdentity},
		"JWT-SVID for another":  {set(attestations, func(a answer) { a["jwt_svid"].(answer)["token"] = jwtOf(a, "aud") }), evidence.CodeResponseIdentity},
		"said to be simulated":  {set(attestations, func(a answer) { a["simulated"] = true }), evidence.CodeResponseIdentity},
		"a check of the future": {set(attestations, func(a answer) {
			a["checks"] = append(a["checks"].([]any), answer{"code": "new.check", "status": "pass"})
		}), evidence.Code{}},
		"a member of the future": {set(attestations, func(a answer) { a["new"] = true }), evidence.Code{}},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := hostile(t, tc.change).Attest(t.Context(), machine, newKey(t), client.AttestOptions{Tokens: []client.Format{client.JWT}, JWTSVID: []string{"db"}})
			if evidence.CodeOf(err) != tc.code || (err == nil) != tc.code.IsZero() {
				t.Errorf("got %v, %v", id, err)
			}
		})
	}
}

// What rests on simulated evidence is marked in the certificate: an answer that
// is silent about it is refused.
func TestAttack_K21_SimulationIsNotHidden(t *testing.T) {
	c := hostileTo(t, servertest.Options{Simulated: true}, func(path string, answer map[string]any) any { answer["simulated"] = false; return nil })
	_, err := c.Attest(t.Context(), machine, newKey(t), client.AttestOptions{})
	if evidence.CodeOf(err) != evidence.CodeResponseIdentity {
		t.Errorf("got %v", err)
	}
}

// Times that the service names are bounded: no renewal never, none at once and again.
func TestTimesOfAnswersAreBounded(t *testing.T) {
	now := time.Now()
	for name, tc := range map[string]struct {
		notAfter, renewAt time.Time
		purpose           evidence.Purpose
		code              evidence.Code
	}{
		"renewal never":       {now.Add(time.Minute), now.AddDate(50, 0, 0), evidence.PurposeCertificate, evidence.Code{}},
		"renewal long ago":    {now.Add(time.Minute), now.AddDate(-50, 0, 0), evidence.PurposeCertificate, evidence.Code{}},
		"no renewal":          {now.Add(time.Minute), time.Time{}, evidence.PurposeToken, evidence.Code{}},
		"token without end":   {now.AddDate(50, 0, 0), now, evidence.PurposeToken, evidence.CodeResponseIdentity},
		"token that is over":  {now.Add(-time.Minute), now, evidence.PurposeToken, evidence.CodeResponseIdentity},
		"token with no times": {time.Time{}, time.Time{}, evidence.PurposeToken, evidence.CodeResponseIdentity},
	} {
		c := hostile(t, func(path string, answer map[string]any) any {
			if path == "/v1/attestations" {
				answer["not_after"], answer["renew_at"] = tc.notAfter, tc.renewAt
			}
			return nil
		})
		id, err := c.Attest(t.Context(), machine, newKey(t), client.AttestOptions{Purpose: tc.purpose})
		if evidence.CodeOf(err) != tc.code || (err == nil) != tc.code.IsZero() {
			t.Errorf("%s: %v", name, err)
		} else if err == nil && (id.RenewAt.Before(now) || !id.RenewAt.Before(id.NotAfter)) {
			t.Errorf("%s: renew at %v, not after %v", name, id.RenewAt, id.NotAfter)
		}
	}
}

func selfSigned(t *testing.T, key crypto.Signer) string {
	t.Helper()
	template := &x509.Certificate{NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestProblemsOfOtherServers(t *testing.T) {
	s := servertest.New(t, servertest.Options{})
	cert, err := s.Authority.ServerCertificate([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		contentType, body string
		status            int
		code              evidence.Code
	}{
		"HTML":          {"text/html", "<h1>no</h1>", 502, evidence.CodeResponseMalformed},
		"redirect":      {"text/plain", "", 302, evidence.CodeResponseMalformed},
		"new code":      {"application/problem+json", `{"code":"new.code","detail":"d"}`, 422, evidence.CodeResponseMalformed},
		"known code":    {"application/problem+json", `{"code":"challenge.spent","new":1}`, 409, evidence.CodeChallengeSpent},
		"malformed":     {"application/problem+json", `{`, 422, evidence.CodeResponseMalformed},
		"200 with HTML": {"text/html", "{}", 200, evidence.CodeResponseMalformed},
		"no type":       {"", "{}", 200, evidence.CodeResponseMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, *cert, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{tc.contentType}
				w.Header().Set("Location", "https://example.com/")
				w.WriteHeader(tc.status)
				fmt.Fprint(w, tc.body)
			})
			_, err := newClient(t, url, s.Roots()).Attest(t.Context(), machine, newKey(t), client.AttestOptions{})
			if evidence.CodeOf(err) != tc.code {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestJWTSVID(t *testing.T) {
	s := servertest.New(t, servertest.Options{})
	audience := []string{"https://db.example.org", "backup"}
	c := newClient(t, s.URL, s.Roots())
	id, err := c.Attest(t.Context(), machine, newKey(t), client.AttestOptions{Purpose: evidence.PurposeToken, JWTSVID: audience})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := c.Bundle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := spiffebundle.Parse(spiffeid.RequireTrustDomainFromString(servertest.TrustDomain), raw)
	if err != nil {
		t.Fatal(err)
	}
	svid, err := jwtsvid.ParseAndValidate(id.JWTSVID.Token, bundle, audience[1:])
	if err != nil || svid.ID.String() != id.SPIFFEID || !svid.Expiry.Equal(id.JWTSVID.Expires) || len(svid.Audience) != 2 {
		t.Errorf("%+v (%v)", svid, err)
	}
	if id.Token != nil || id.Certificate != nil {
		t.Error("more came back than was asked for")
	}
	_, err = c.Attest(t.Context(), machine, newKey(t), client.AttestOptions{JWTSVID: []string{"a b"}})
	var p *client.Problem
	if !errors.As(err, &p) || p.Reason.Code != evidence.CodeIssuingAudience {
		t.Errorf("%v", err)
	}
}

// jwtOf is an answer's JWT-SVID with another value of a claim. The client does not
// verify its signature.
func jwtOf(answer map[string]any, claim string) string {
	parts := strings.Split(answer["jwt_svid"].(map[string]any)["token"].(string), ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		panic(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		panic(err)
	}
	claims[claim] = "spiffe://example.org/other"
	if payload, err = json.Marshal(claims); err != nil {
		panic(err)
	}
	parts[1] = base64.RawURLEncoding.EncodeToString(payload)
	return strings.Join(parts, ".")
}

func TestBundles(t *testing.T) {
	s := servertest.New(t, servertest.Options{})
	c := newClient(t, s.URL, s.Roots())
	own, err := c.Bundle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.Bundles(t.Context())
	if err != nil || len(all) != 1 || string(all[servertest.TrustDomain]) != string(own) {
		t.Errorf("%s (%v)", all, err)
	}
	lost := hostile(t, func(path string, answer map[string]any) any { delete(answer, "trust_domains"); return nil })
	if _, err := lost.Bundles(t.Context()); evidence.CodeOf(err) != evidence.CodeResponseMalformed {
		t.Errorf("%v", err)
	}
}

func TestTainted(t *testing.T) {
	digest := strings.Repeat("0a", 32)
	for text, want := range map[string]int{
		`{"keys":[]}`: 0, `{"quotary_tainted":[]}`: 0, `{"quotary_tainted":["` + digest + `"]}`: 1,
		`{"quotary_tainted":["0a"]}`: -1, `{"quotary_tainted":"` + digest + `"}`: -1, `{"quotary_tainted":["x"]}`: -1, `{`: -1,
	} {
		roots, err := client.Tainted(json.RawMessage(text))
		if len(roots) != max(want, 0) || (err != nil) != (want < 0) {
			t.Errorf("%s: %v (%v)", text, roots, err)
		}
	}
}
