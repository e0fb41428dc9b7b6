package authz_test

import (
	"context"
	"encoding/pem"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/client/authorize"
	"github.com/quotary/quotary/internal/agent/agenttest"
	"github.com/quotary/quotary/internal/agent/authz"
	"github.com/quotary/quotary/internal/agent/endpoint"
	"github.com/quotary/quotary/internal/agent/fleettest"
	"github.com/quotary/quotary/internal/agent/machine"
	"github.com/quotary/quotary/internal/agent/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a condition may take to come true: far longer than it takes.
const patience = 2 * time.Minute

func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come true")
		}
	}
}

// gateway is a machine with a proxy, the service that it believes, and who calls.
type gateway struct {
	*authz.Service
	fleet  *fleettest.Service
	trust  *trust.Trust
	socket string
	dir    string
	log    *agenttest.Notes
}

// rules let the guest in below /guest alone, and nobody below /other.
var rules = []authorize.Rule{
	{Paths: []string{"/guest/*"}, Allow: authorize.Allow{SPIFFEIDs: []string{fleettest.GuestID}, Simulated: true, MaxAttestedAge: time.Hour}},
	{Paths: []string{"/other/*"}, Allow: authorize.Allow{SPIFFEIDs: []string{"spiffe://fleet.test/other"}, Simulated: true}},
	{Paths: []string{"/real/*"}, Allow: authorize.Allow{SPIFFEIDs: []string{fleettest.GuestID}}},
}

// newGateway starts one that answers at a socket.
func newGateway(t *testing.T) *gateway {
	t.Helper()
	dir := agenttest.ShortDir(t)
	var err error
	g := &gateway{fleet: fleettest.New(t, false), dir: dir, socket: filepath.Join(dir, "authz.sock"), log: &agenttest.Notes{}}
	if g.trust, err = trust.Open(trust.Config{URL: g.fleet.URL, BundleFile: g.fleet.Root}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.trust.Close)
	if g.Service, err = authz.New(authz.Config{Rules: rules, Trust: g.trust, Logger: slog.New(slog.NewTextHandler(g.log, nil))}); err != nil {
		t.Fatal(err)
	}
	listener, err := endpoint.ListenAdmitted(endpoint.Config{Path: g.socket})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() { g.Run(ctx) })
	ended.Go(func() {
		if err := g.Serve(ctx, listener); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); ended.Wait() })
	return g
}

// attested is the identity of the guest.
func (g *gateway) attested(t *testing.T) *client.Identity {
	t.Helper()
	m, err := machine.New(machine.Config{TEE: machine.TDX, Devices: g.fleet.Devices(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	c, err := g.trust.Client(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id, err := m.Attest(t.Context(), c, client.AttestOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// plain is an identity's certificate in PEM.
func plain(id *client.Identity) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.Certificate.Certificate[0]}))
}

func (g *gateway) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", g.socket)
}
