package trust_test

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/internal/agent/agenttest"
	"github.com/quotary/quotary/internal/agent/trust"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
)

// federated are bundles of other trust domains, as a service fetched them.
type federated map[string]json.RawMessage

func (f federated) Bundles() map[string]json.RawMessage { return f }

// Bundles of other trust domains come from the service. One that cannot be decoded stays as it was,
// and what is too much keeps the own bundle from nobody.
func TestFederatedBundles(t *testing.T) {
	bundle := spiffebundle.New(spiffeid.RequireTrustDomainFromString("partner.test"))
	bundle.AddX509Authority(agenttest.NewAuthority(t).Root)
	good, err := bundle.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	others := federated{"partner.test": good, "bad.test": json.RawMessage(`{"keys": 1}`), "another.test": good, "Not A Domain": good}
	s := servertest.New(t, servertest.Options{Config: func(c *server.Config) { c.Federation = others }})
	root := world{dir: t.TempDir()}.write(t, "root.pem", s.Authority.RootPEM())
	known, err := trust.Open(trust.Config{URL: s.URL, BundleFile: root})
	if err != nil {
		t.Fatal(err)
	}
	names := func() (names []string) {
		t.Helper()
		published, err := known.Refresh(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if published.Bundle.TrustDomain().Name() != servertest.TrustDomain || len(published.Bundle.X509Authorities()) != 1 {
			t.Errorf("the own bundle is %v", published.Bundle)
		}
		if len(published.Lists) == 0 {
			t.Error("there are no revocation lists")
		}
		for _, b := range published.Federated {
			names = append(names, b.TrustDomain().Name())
		}
		return names
	}
	want := []string{"another.test", "partner.test"}
	if got := names(); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	others["partner.test"] = others["bad.test"]
	if got := names(); !slices.Equal(got, want) {
		t.Errorf("with one that cannot be decoded any more: %v", got)
	}
	others["huge.test"] = json.RawMessage(`{"keys":[],"x":"` + strings.Repeat("x", 2<<20) + `"}`)
	if got := names(); !slices.Equal(got, want) {
		t.Errorf("with a bundle that is too much: %v", got)
	}
}

// publisher publishes revocation lists, or none.
type publisher struct {
	server.Revocations
	none atomic.Bool
}

func (p *publisher) Lists() *ca.RevocationLists {
	if p.none.Load() {
		return &ca.RevocationLists{}
	}
	return p.Revocations.Lists()
}

// Revocation lists that cannot be had any more stay as they were.
func TestListsStay(t *testing.T) {
	var lists *publisher
	s := servertest.New(t, servertest.Options{Config: func(c *server.Config) {
		lists = &publisher{Revocations: c.Revocations}
		c.Revocations = lists
	}})
	known, err := trust.Open(trust.Config{URL: s.URL, BundleFile: world{dir: t.TempDir()}.write(t, "root.pem", s.Authority.RootPEM())})
	if err != nil {
		t.Fatal(err)
	}
	for _, none := range []bool{false, true} {
		lists.none.Store(none)
		published, err := known.Refresh(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(published.Lists, lists.Revocations.Lists().PEM()) {
			t.Errorf("without lists %v: %q", none, published.Lists)
		}
	}
}

// What is revoked is told at first, and goes on being told when the service is known by another
// bundle.
func TestFollow(t *testing.T) {
	w := newWorld(t)
	known, err := trust.Open(trust.Config{URL: w.service.URL, BundleFile: w.pem})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	told, ended := make(chan *client.Revocations), make(chan struct{})
	go func() {
		defer close(ended)
		known.Follow(ctx, func(r *client.Revocations) {
			select {
			case told <- r:
			case <-ctx.Done():
			}
		})
	}()
	first := <-told
	if len(first.Lists()) != 1 {
		t.Errorf("%d lists", len(first.Lists()))
	}
	known.Learn(bundleOf(uint64(time.Now().Unix()), agenttest.NewAuthority(t).Root, w.root))
	for next := range told {
		if next != first {
			break
		}
	}
	cancel()
	<-ended
}
