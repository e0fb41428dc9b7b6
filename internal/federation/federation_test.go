package federation_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/federation"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// partner is another trust domain with a bundle endpoint.
type partner struct {
	authority *ca.Authority
	url       string
	answer    atomic.Pointer[http.HandlerFunc]
}

func newPartner(t *testing.T) *partner {
	t.Helper()
	authority, err := ca.Open(ca.Config{Dir: t.TempDir(), TrustDomain: "other.org"})
	if err != nil {
		t.Fatal(err)
	}
	p := &partner{authority: authority}
	p.serve(p.bundle(t))
	certificates, err := authority.ServerCertificates([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*p.answer.Load())(w, r) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Listener = tls.NewListener(server.Listener, &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: certificates.Get})
	server.Start()
	t.Cleanup(server.Close)
	p.url = "https://" + server.Listener.Addr().String()
	return p
}

func (p *partner) bundle(t *testing.T) []byte {
	t.Helper()
	bundle, err := p.authority.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

func (p *partner) serve(bundle []byte) {
	p.handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(bundle)
	})
}

func (p *partner) handle(h http.HandlerFunc) { p.answer.Store(&h) }

// spiffe is the partner as an operator names it.
func (p *partner) spiffe(t *testing.T) federation.Partner {
	return federation.Partner{
		TrustDomain: "other.org", URL: p.url + "/v1/bundle", Profile: federation.HTTPSSPIFFE,
		EndpointID: "spiffe://other.org/quotary", First: p.bundle(t),
	}
}

// change has the partner's bundle change: another root is in it.
func (p *partner) change(t *testing.T) []byte {
	t.Helper()
	if _, err := p.authority.Slots().Prepare(true); err != nil {
		t.Fatal(err)
	}
	if err := p.authority.Refresh(func([]ca.Change) error { return nil }); err != nil {
		t.Fatal(err)
	}
	return p.bundle(t)
}

// rig is a federation whose failures and bundles are counted.
type rig struct {
	*federation.Federation
	failures, recorded chan string
}

func open(t *testing.T, dir string, record error, partners ...federation.Partner) (*rig, error) {
	t.Helper()
	r := &rig{failures: make(chan string, 64), recorded: make(chan string, 64)}
	var err error
	r.Federation, err = federation.Open(federation.Config{
		Dir: dir, Own: "example.org", Partners: partners,
		Record: func(_ context.Context, b federation.Bundle) error {
			if record == nil {
				r.recorded <- fmt.Sprintf("%s: %d roots, %d keys", b.TrustDomain, b.Roots, b.Keys)
			}
			return record
		},
		Notify: func(trustDomain string, err error) { r.failures <- trustDomain + ": " + evidence.CodeOf(err).String() },
	})
	return r, err
}

// look has the federation look at its endpoints once, and returns what was told.
func (r *rig) look(t *testing.T) string {
	t.Helper()
	if err := r.Refresh(t.Context()); err != nil {
		return evidence.CodeOf(err).String()
	}
	select {
	case said := <-r.recorded:
		return said
	default:
		return "nothing"
	}
}

func TestBundlesAreFetchedAndKept(t *testing.T) {
	p, dir := newPartner(t), filepath.Join(t.TempDir(), "federation")
	r, err := open(t, dir, nil, p.spiffe(t))
	if err != nil {
		t.Fatal(err)
	}
	first := p.bundle(t)
	if got := r.Bundles(); string(got["other.org"]) != string(first) || len(got) != 1 {
		t.Errorf("before the first look: %s", got)
	}
	next := p.change(t)
	p.serve(next)
	if said := r.look(t); said != "other.org: 2 roots, 2 keys" {
		t.Errorf("told %q", said)
	}
	if got := r.Bundles()["other.org"]; string(got) != string(next) {
		t.Errorf("got %s", got)
	}
	// The next run begins with what was kept, although the operator's is older.
	partner := p.spiffe(t)
	partner.First = first
	if said := r.look(t); said != "nothing" {
		t.Errorf("the same bundle again: %q", said)
	}
	again, err := open(t, dir, nil, partner)
	if err != nil {
		t.Fatal(err)
	}
	if got := again.Bundles()["other.org"]; string(got) != string(next) {
		t.Errorf("after a restart: %s", got)
	}
}

// By the Web's PKI there is no bundle before the first look.
func TestWebProfile(t *testing.T) {
	p := newPartner(t)
	web := federation.Partner{TrustDomain: "other.org", URL: p.url, Profile: federation.HTTPSWeb, Roots: p.authority.Roots()}
	r, err := open(t, t.TempDir(), nil, web)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Bundles()) != 0 {
		t.Error("a bundle from nowhere")
	}
	r.look(t)
	if got := r.Bundles()["other.org"]; string(got) != string(p.bundle(t)) {
		t.Errorf("got %s", got)
	}
	web.Roots = x509.NewCertPool()
	if r, err = open(t, t.TempDir(), nil, web); err != nil {
		t.Fatal(err)
	}
	if said := r.look(t); said != "federation.unreached" || len(r.Bundles()) != 0 {
		t.Errorf("under other roots: %s", said)
	}
}

// What an endpoint answers, or who answers in its place, changes nothing unless it is
// a newer bundle.
func TestAnswersThatAreNotTaken(t *testing.T) {
	p := newPartner(t)
	older := p.bundle(t)
	newer := p.change(t)
	give := func(contentType string, status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(newer, &members); err != nil {
		t.Fatal(err)
	}
	delete(members, "spiffe_sequence")
	unnumbered, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"an older one":    {give("application/json", 200, string(older)), "federation.bundle"},
		"without number":  {give("application/json", 200, string(unnumbered)), "federation.bundle"},
		"no bundle":       {give("application/json", 200, `{"keys":1}`), "federation.bundle"},
		"keys twice":      {give("application/json", 200, `{"keys":[],"keys":[],"spiffe_sequence":9999999999}`), "federation.bundle"},
		"something else":  {give("application/json", 200, string(newer)+"{}"), "federation.bundle"},
		"another type":    {give("text/html", 200, string(newer)), "federation.unreached"},
		"another status":  {give("application/json", 203, string(newer)), "federation.unreached"},
		"a redirect":      {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }, "federation.unreached"},
		"endless":         {give("application/json", 200, strings.Repeat(" ", 1<<20)+string(newer)), "federation.unreached"},
		"nothing at all":  {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "federation.unreached"},
		"deeply nested":   {give("application/json", 200, `{"keys":[],"x":`+strings.Repeat("[", 99)+strings.Repeat("]", 99)+`}`), "federation.bundle"},
		"a failed record": {give("application/json", 200, strings.Replace(string(newer), `"spiffe_refresh_hint":300`, `"spiffe_refresh_hint":301`, 1)), ""},
	} {
		partner := p.spiffe(t)
		partner.First = newer
		var record error
		if tc.says == "" {
			record = errors.New("no")
		}
		r, err := open(t, t.TempDir(), record, partner)
		if err != nil {
			t.Fatal(err)
		}
		p.handle(tc.answer)
		if said := r.look(t); said != tc.says {
			t.Errorf("%s: told %q", name, said)
		}
		if got := r.Bundles()["other.org"]; string(got) != string(newer) {
			t.Errorf("%s: the bundle changed", name)
		}
	}
	stranger := newPartner(t) // of the same name, under another root
	partner := stranger.spiffe(t)
	partner.First = newer
	r, err := open(t, t.TempDir(), nil, partner)
	if err != nil {
		t.Fatal(err)
	}
	if said := r.look(t); said != "federation.unreached" {
		t.Errorf("a stranger: %q", said)
	}
	partner = p.spiffe(t)
	partner.EndpointID = "spiffe://other.org/another"
	if r, err = open(t, t.TempDir(), nil, partner); err != nil {
		t.Fatal(err)
	}
	if said := r.look(t); said != "federation.unreached" {
		t.Errorf("another endpoint: %q", said)
	}
}

// A failure is told of once, when it begins.
func TestRun(t *testing.T) {
	nobody := federation.Partner{TrustDomain: "other.org", URL: "https://127.0.0.1:1/", Profile: federation.HTTPSWeb}
	r, err := open(t, t.TempDir(), nil, nobody)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); r.Run(ctx) }()
	if told := <-r.failures; told != "other.org: federation.unreached" {
		t.Errorf("told %s", told)
	}
	cancel()
	<-ended
}

func TestPartnersThatAreRefused(t *testing.T) {
	p := newPartner(t)
	good := p.spiffe(t)
	for name, change := range map[string]func(*federation.Partner){
		"own trust domain":        func(p *federation.Partner) { p.TrustDomain = "example.org" },
		"no trust domain":         func(p *federation.Partner) { p.TrustDomain = "../other" },
		"capitals":                func(p *federation.Partner) { p.TrustDomain = "Other.org" },
		"plain http":              func(p *federation.Partner) { p.URL = "http://other.org/" },
		"user in the URL":         func(p *federation.Partner) { p.URL = "https://a@other.org/" },
		"no URL":                  func(p *federation.Partner) { p.URL = "" },
		"no profile":              func(p *federation.Partner) { p.Profile = "" },
		"endpoint elsewhere":      func(p *federation.Partner) { p.EndpointID = "spiffe://third.org/x" },
		"no endpoint":             func(p *federation.Partner) { p.EndpointID = "" },
		"no first bundle":         func(p *federation.Partner) { p.First = nil },
		"roots for SPIFFE":        func(p *federation.Partner) { p.Roots = x509.NewCertPool() },
		"web with a first bundle": func(p *federation.Partner) { p.Profile = federation.HTTPSWeb },
	} {
		bad := good
		change(&bad)
		if _, err := open(t, t.TempDir(), nil, bad); evidence.CodeOf(err) != evidence.CodeConfigMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := open(t, t.TempDir(), nil, good, good); evidence.CodeOf(err) != evidence.CodeConfigMalformed {
		t.Errorf("twice: %v", err)
	}
	bad := good
	bad.First = []byte("{}")
	if _, err := open(t, t.TempDir(), nil, bad); evidence.CodeOf(err) != evidence.CodeFederationBundle {
		t.Errorf("a first bundle that is none: %v", err)
	}
}

// A kept bundle that others can write is refused; one that is damaged is fetched again.
func TestKeptBundles(t *testing.T) {
	p, dir := newPartner(t), t.TempDir()
	path := filepath.Join(dir, "other.org.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := open(t, dir, nil, p.spiffe(t))
	if err != nil || len(r.Bundles()) != 1 || <-r.failures != "other.org: federation.bundle" {
		t.Errorf("%v", err)
	}
	if err := os.Chmod(path, 0o622); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, dir, nil, p.spiffe(t)); evidence.CodeOf(err) != evidence.CodeDataPermissions {
		t.Errorf("%v", err)
	}
}
