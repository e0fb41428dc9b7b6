package local_test

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/quotary/quotary/client/local"
	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/agentapi"
	"github.com/quotary/quotary/internal/agent/agenttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs an agent's own service.
func serve(t *testing.T, source agentapi.Source) (socket string) {
	t.Helper()
	return agenttest.Serve(t, func(r grpc.ServiceRegistrar) { agentapi.Register(r, source) })
}

func dial(t *testing.T, socket string) *local.Source {
	t.Helper()
	source, err := local.Dial(socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { source.Close() })
	return source
}

// Both ends of a connection have the agent sign, and a connection has the identity of
// its time.
func TestTLS(t *testing.T) {
	authority := agenttest.NewAuthority(t)
	identities := agenttest.NewSource(agenttest.View(authority.Issue(t, "web", time.Hour)))
	source := dial(t, serve(t, identities))
	roots := x509.NewCertPool()
	roots.AddCert(authority.Root)
	connect := func() (server, client *x509.Certificate) {
		t.Helper()
		listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: source.GetCertificate, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert})
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		var serving sync.WaitGroup
		defer serving.Wait()
		serving.Go(func() {
			conn, err := listener.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			if _, err := io.Copy(conn, io.LimitReader(conn, 1)); err != nil {
				t.Error(err)
				return
			}
			client = conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
		})
		conn, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{GetClientCertificate: source.GetClientCertificate, RootCAs: roots, ServerName: "web.agent.test"})
		if err != nil {
			listener.Close()
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte("x")); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadAll(io.LimitReader(conn, 1)); err != nil {
			t.Error(err)
		}
		serving.Wait()
		return conn.ConnectionState().PeerCertificates[0], client
	}
	for range 2 {
		view, _ := identities.Current()
		if server, client := connect(); !server.Equal(view.Identity.Certificate.Leaf) || !client.Equal(view.Identity.Certificate.Leaf) {
			t.Error("a connection has another identity than the agent")
		}
		identities.Set(agenttest.View(authority.Issue(t, "web", time.Hour)))
	}
}

// The agent signs with the key that it has, what it should.
func TestSign(t *testing.T) {
	authority := agenttest.NewAuthority(t)
	identities := agenttest.NewSource(agenttest.View(authority.Issue(t, "web", time.Hour)))
	socket := serve(t, identities)
	source := dial(t, socket)
	identity, err := source.Identity(t.Context())
	if err != nil || identity.SPIFFEID != "spiffe://agent.test/web" || !identity.Simulated {
		t.Fatalf("%+v, %v", identity, err)
	}
	key := identity.Certificate.PrivateKey.(crypto.Signer)
	if _, err := key.Sign(rand.Reader, make([]byte, 32), crypto.SHA256); err != nil {
		t.Error(err)
	}
	if _, err := key.Sign(rand.Reader, make([]byte, 48), crypto.SHA384); err == nil {
		t.Error("signed a SHA-384")
	}
	conn := agenttest.Dial(t, socket)
	for name, fields := range map[string]map[string]any{
		"nothing": {}, "a number": {"digest": 1.0}, "too short": {"digest": "AAAA"},
	} {
		request, err := structpb.NewStruct(fields)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Invoke(t.Context(), "/quotary.agent.v1.Agent/Sign", request, &structpb.Struct{}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	identities.Set(agenttest.View(authority.Issue(t, "web", time.Hour)))
	if _, err := key.Sign(rand.Reader, make([]byte, 32), crypto.SHA256); status.Code(err) != codes.NotFound {
		t.Errorf("with the last key: %v", err)
	}
	identities.Set(&agent.View{Status: agent.Status{State: agent.Denied}})
	if _, err := key.Sign(rand.Reader, make([]byte, 32), crypto.SHA256); status.Code(err) != codes.PermissionDenied {
		t.Errorf("refused: %v", err)
	}
	if _, err := source.Identity(t.Context()); status.Code(err) != codes.PermissionDenied {
		t.Errorf("refused: %v", err)
	}
}
