package server_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"testing"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
)

// A revoked certificate is on the list of its issuer when the revocation is answered.
func TestRevocationListsOfTheService(t *testing.T) {
	a := start(t, servertest.Options{})
	c := readContract(t, a)
	issued := a.attest()
	block, rest := pem.Decode([]byte(issued.SVID.Certificates))
	above, _ := pem.Decode(rest)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := x509.ParseCertificate(above.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	listed := func() bool {
		t.Helper()
		got := a.get("/v1/crl")
		c.holds(http.MethodGet, "/v1/crl", got)
		list, err := x509.ParseRevocationList(got.body)
		if err != nil {
			t.Fatal(err)
		}
		if err := list.CheckSignatureFrom(issuer); err != nil {
			t.Fatal(err)
		}
		for _, e := range list.RevokedCertificateEntries {
			if e.SerialNumber.Cmp(leaf.SerialNumber) == 0 {
				return true
			}
		}
		return false
	}
	if listed() {
		t.Error("it is revoked before anybody did")
	}
	var got server.RevocationResponse
	a.as("alice", admin.Owner).call(c, "POST revocations", map[string]any{"serials": []string{issued.SVID.Serial}, "reason": "r", "dry_run": false}).into(&got)
	if got.Revoked != 1 || !listed() {
		t.Errorf("it is not on the list: %+v", got)
	}
	active := a.get("/v1/crl").body
	found := 0
	for name := range a.Server.Revocations.Lists().Issuing {
		got := a.get("/v1/crl/" + name)
		c.holds(http.MethodGet, "/v1/crl/{authority}", got)
		if bytes.Equal(got.body, active) {
			found++
		}
	}
	if found != 1 {
		t.Errorf("%d authorities have the active one's list", found)
	}
	unknown := a.get("/v1/crl/0000000000000000")
	unknown.refused(http.StatusNotFound, evidence.CodeNotFound)
	c.holds(http.MethodGet, "/v1/crl/{authority}", unknown)
	all := a.get("/v1/crls")
	c.holds(http.MethodGet, "/v1/crls", all)
	if first, more := pem.Decode(all.body); first == nil || first.Type != "X509 CRL" || !bytes.Equal(first.Bytes, active) || len(more) == 0 {
		t.Errorf("got %s", all.body)
	}
}

// unsigned is a publisher that counts, and signs nothing any more.
type unsigned struct {
	server.Revocations
	asked int
}

func (u *unsigned) Renew(context.Context) error {
	u.asked++
	return errors.New("no key")
}

func (u *unsigned) Lists() *ca.RevocationLists { return u.Revocations.Lists() }

// Whoever asks for lists, and however often, has none signed; a revocation does, and is one even
// if the list has to wait.
func TestAttack_A19_RequestsHaveNothingSigned(t *testing.T) {
	var u *unsigned
	a := start(t, servertest.Options{Config: func(c *server.Config) {
		u = &unsigned{Revocations: c.Revocations}
		c.Revocations = u
	}})
	issued := a.attest()
	for range 20 {
		for _, path := range []string{"/v1/crl", "/v1/crls"} {
			if got := a.get(path); got.status != http.StatusOK || got.header.Get("Cache-Control") == "no-store" {
				t.Errorf("%s: status %d, %s", path, got.status, got.header.Get("Cache-Control"))
			}
		}
	}
	if u.asked != 0 {
		t.Errorf("%d signatures", u.asked)
	}
	var got server.RevocationResponse
	a.as("alice", admin.Owner).post("/v1/admin/revocations", map[string]any{"serials": []string{issued.SVID.Serial}, "reason": "r", "dry_run": false}).into(&got)
	if got.Revoked != 1 || u.asked != 1 {
		t.Errorf("%+v, %d signatures", got, u.asked)
	}
}
