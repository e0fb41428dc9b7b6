package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/server/servertest"
	"github.com/quotary/quotary/internal/store"
)

// follow returns what is revoked by a service.
func follow(t *testing.T, s *servertest.Service, now func() time.Time) *client.Revocations {
	t.Helper()
	r, err := client.NewRevocations(t.Context(), client.Config{URL: s.URL, TrustDomain: servertest.TrustDomain, Roots: s.Roots(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// keepUp has r follow its service until the test ends.
func keepUp(t *testing.T, r *client.Revocations) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = r.Run(ctx, func(err error) { t.Error(err) }) }()
	t.Cleanup(func() { cancel(); <-ended })
}

func identityOf(t *testing.T, s *servertest.Service) *client.Identity {
	t.Helper()
	id, err := newClient(t, s.URL, s.Roots()).Attest(t.Context(), machine, newKey(t), client.AttestOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// Programs that read lists from a file get one of every CA, roots included.
func TestRevocationListsForFiles(t *testing.T) {
	s := servertest.New(t, servertest.Options{})
	withdraw(t, s, identityOf(t, s))
	text, err := newClient(t, s.URL, s.Roots()).RevocationLists(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	revoked, issuers := 0, map[string]bool{}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		revoked += len(list.RevokedCertificateEntries)
		issuers[list.Issuer.String()] = true
	}
	if revoked != 1 || len(issuers) != 2 {
		t.Errorf("%d certificates are on the lists of %d CAs", revoked, len(issuers))
	}
}

// withdraw revokes an identity's certificate, as an administrator has the service do.
func withdraw(t *testing.T, s *servertest.Service, id *client.Identity) {
	t.Helper()
	event := store.Event{Time: time.Now(), Actor: "admin:test", Action: "admin.revocations", Outcome: store.Done}
	if _, _, err := s.Store.Revoke(t.Context(), event, []string{id.AttestationID}); err != nil {
		t.Fatal(err)
	}
	if err := s.Server.Revocations.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// echo answers guarded connections with what they send.
func echo(t *testing.T, r *client.Revocations, id *client.Identity) string {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := r.Listener(inner, &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*id.Certificate}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: id.Roots,
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				buffer := make([]byte, 1)
				for {
					if _, err := conn.Read(buffer); err != nil {
						return
					}
					if _, err := conn.Write(buffer); err != nil {
						return
					}
				}
			}()
		}
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	return inner.Addr().String()
}

// talk says something on a connection, and whether it is answered.
func talk(conn net.Conn) error {
	if _, err := conn.Write([]byte{1}); err != nil {
		return err
	}
	_, err := conn.Read(make([]byte, 1))
	return err
}

func dial(t *testing.T, address string, id *client.Identity, sessions tls.ClientSessionCache) *tls.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: "web.example.org", RootCAs: id.Roots, Certificates: []tls.Certificate{*id.Certificate}, ClientSessionCache: sessions,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// Who is revoked loses the connections that are open, and gets no new one, not by resuming a
// session either; all others go on.
func TestAttack_A18_RevokedPeersAreCutOff(t *testing.T) {
	s := servertest.New(t, servertest.Options{})
	r := follow(t, s, nil)
	keepUp(t, r)
	address := echo(t, r, identityOf(t, s))
	bad, good, sessions := identityOf(t, s), identityOf(t, s), tls.NewLRUClientSessionCache(4)
	open, other := dial(t, address, bad, sessions), dial(t, address, good, nil)
	for _, conn := range []net.Conn{open, other} {
		if err := talk(conn); err != nil {
			t.Fatal(err)
		}
	}
	withdraw(t, s, bad)
	if _, err := open.Read(make([]byte, 1)); err == nil {
		t.Error("something came on a connection that was to be closed")
	}
	if err := talk(dial(t, address, bad, sessions)); err == nil { // in TLS 1.3 the client hears of it with its first read
		t.Error("a revoked client got a new connection")
	}
	if err := talk(other); err != nil {
		t.Errorf("another connection: %v", err)
	}
	again := dial(t, address, good, nil)
	if err := talk(again); err != nil || again.ConnectionState().DidResume || r.Sequence() != 1 {
		t.Errorf("%v, revocation %d", err, r.Sequence())
	}
}

// Whoever waits hears of other lists, and has them all.
func TestChangedRevocations(t *testing.T) {
	s := servertest.New(t, servertest.Options{})
	id, r := identityOf(t, s), follow(t, s, nil)
	keepUp(t, r)
	changed, before := r.Changed(), r.Lists()
	withdraw(t, s, id)
	<-changed
	after := r.Lists()
	if len(before) != 1 || len(after) != 1 {
		t.Fatalf("%d lists, then %d", len(before), len(after))
	}
	list, err := x509.ParseRevocationList(after[0])
	if err != nil || len(list.RevokedCertificateEntries) != 1 || list.RevokedCertificateEntries[0].SerialNumber.Cmp(id.Certificate.Leaf.SerialNumber) != 0 {
		t.Errorf("%v, %+v", err, list)
	}
}

// A client refuses a server that is revoked.
func TestRevokedServerIsRefused(t *testing.T) {
	s := servertest.New(t, servertest.Options{})
	server, id := identityOf(t, s), identityOf(t, s)
	address := echo(t, follow(t, s, nil), server)
	withdraw(t, s, server)
	r := follow(t, s, nil)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	guarded := r.Client(conn, &tls.Config{MinVersion: tls.VersionTLS13, ServerName: "web.example.org", RootCAs: id.Roots, Certificates: []tls.Certificate{*id.Certificate}})
	defer guarded.Close()
	if err := guarded.HandshakeContext(t.Context()); evidence.CodeOf(err) != evidence.CodeRevocationRevoked {
		t.Errorf("got %v", err)
	}
}

// What cannot be decided is refused: no list, none that holds, none of the issuer's.
func TestCheckOfRevocation(t *testing.T) {
	s := servertest.New(t, servertest.Options{})
	id := identityOf(t, s)
	var chain []*x509.Certificate
	for _, der := range id.Certificate.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, c)
	}
	at := time.Now()
	r := follow(t, s, func() time.Time { return at })
	if issuers := r.Issuers(); len(issuers) != 1 || !issuers[0].Equal(chain[1]) || !r.Heard().Equal(at) {
		t.Errorf("issuers %v, heard at %s", issuers, r.Heard())
	}
	if err := r.Check(chain); err != nil {
		t.Error(err)
	}
	stranger, root := *chain[0], root(t, s)
	stranger.AuthorityKeyId = []byte{1}
	elsewhere := stranger
	uri := *stranger.URIs[0]
	uri.Host = "other.example.org"
	elsewhere.URIs = append(elsewhere.URIs[:0:0], &uri)
	if err := r.Check([]*x509.Certificate{&elsewhere}); err != nil {
		t.Errorf("another trust domain's: %v", err)
	}
	posing := *root
	posing.SubjectKeyId = chain[0].AuthorityKeyId
	unknown := map[string][]*x509.Certificate{
		"nobody": nil, "no list": {&stranger, chain[1]}, "no issuer": chain[:1], "another issuer": {chain[0], root},
	}
	for name, chain := range unknown {
		if err := r.Check(chain); evidence.CodeOf(err) != evidence.CodeRevocationUnknown {
			t.Errorf("%s: %v", name, err)
		}
	}
	fresh := follow(t, s, nil)
	if err := fresh.Check([]*x509.Certificate{chain[0], &posing}); evidence.CodeOf(err) != evidence.CodeRevocationUnknown {
		t.Errorf("an issuer that did not sign the list: %v", err)
	}
	at = at.Add(25 * time.Hour)
	if err := r.Check(chain); evidence.CodeOf(err) != evidence.CodeRevocationUnknown {
		t.Errorf("an old list: %v", err)
	}
}

// Answers that bring no lists are no answers.
func TestRevocationsThatAreNoLists(t *testing.T) {
	s := servertest.New(t, servertest.Options{})
	certificate, err := s.Authority.ServerCertificate([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{`{}`, `{"sequence":1,"lists":[]}`, `{"sequence":1,"lists":["AAAA"]}`, `{"sequence":-1,"lists":["AAAA"]}`, `[]`, `{"sequence":1,"lists":["","","","",""]}`,
		`{"sequence":1,"lists":["AAAA"],"issuers":["AAAA"]}`, `{"sequence":1,"lists":["AAAA"],"issuers":["","","","",""]}`} {
		url := serve(t, *certificate, answering(body))
		_, err := client.NewRevocations(t.Context(), client.Config{URL: url, TrustDomain: servertest.TrustDomain, Roots: s.Roots()})
		if evidence.CodeOf(err) != evidence.CodeResponseMalformed {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func answering(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}
}
