package server_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/ocsp"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
)

// question asks about a certificate.
func (a *api) question(cert, issuer *x509.Certificate, hash crypto.Hash) []byte {
	a.t.Helper()
	request, err := xocsp.CreateRequest(cert, issuer, &xocsp.RequestOptions{Hash: hash})
	if err != nil {
		a.t.Fatal(err)
	}
	return request
}

func (a *api) postOCSP(request []byte) answer {
	a.t.Helper()
	req := a.request(http.MethodPost, "/v1/ocsp", request)
	req.Header.Set("Content-Type", "application/ocsp-request")
	return a.do(req)
}

// issuedChain is what a machine gets.
func issuedChain(t *testing.T, issued server.AttestationResponse) (leaf, issuer *x509.Certificate) {
	t.Helper()
	block, rest := pem.Decode([]byte(issued.SVID.Certificates))
	above, _ := pem.Decode(rest)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if issuer, err = x509.ParseCertificate(above.Bytes); err != nil {
		t.Fatal(err)
	}
	return leaf, issuer
}

// By POST and by GET, with both hashes: good, and revoked as soon as it is.
func TestOCSPOfTheService(t *testing.T) {
	a := start(t, servertest.Options{})
	c := readContract(t, a)
	issued := a.attest()
	leaf, issuer := issuedChain(t, issued)
	statuses := func(want int) {
		t.Helper()
		for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
			request := a.question(leaf, issuer, hash)
			encoded := base64.StdEncoding.EncodeToString(request)
			posted := a.postOCSP(request)
			c.holds(http.MethodPost, "/v1/ocsp", posted)
			for _, got := range []answer{posted, a.get("/v1/ocsp/" + encoded), a.get("/v1/ocsp/" + url.QueryEscape(encoded))} {
				response, err := xocsp.ParseResponseForCert(got.body, leaf, issuer)
				if err != nil || response.Status != want {
					t.Errorf("status %d, %v: %s", got.status, err, got.body)
				}
				if got.header.Get("Content-Type") != "application/ocsp-response" || got.header.Get("Cache-Control") != "no-store" {
					t.Errorf("%v", got.header)
				}
			}
			c.holds(http.MethodGet, "/v1/ocsp/{request}", a.get("/v1/ocsp/"+encoded))
		}
	}
	statuses(xocsp.Good)
	var got server.RevocationResponse
	a.as("alice", admin.Owner).post("/v1/admin/revocations", map[string]any{"serials": []string{issued.SVID.Serial}, "reason": "r", "dry_run": false}).into(&got)
	statuses(xocsp.Revoked)
	made := *leaf
	made.SerialNumber = issuer.SerialNumber
	response, err := xocsp.ParseResponse(a.postOCSP(a.question(&made, issuer, crypto.SHA1)).body, issuer)
	if err != nil || response.Status != xocsp.Unknown {
		t.Errorf("%+v, %v", response, err)
	}
}

// A revocation shows even where the lists cannot be signed.
func TestAttack_A19_RevokedThoughNoListSaysSo(t *testing.T) {
	a := start(t, servertest.Options{Config: func(c *server.Config) { c.Revocations = &unsigned{Revocations: c.Revocations} }})
	issued := a.attest()
	leaf, issuer := issuedChain(t, issued)
	a.as("alice", admin.Owner).post("/v1/admin/revocations", map[string]any{"serials": []string{issued.SVID.Serial}, "reason": "r", "dry_run": false})
	response, err := xocsp.ParseResponse(a.postOCSP(a.question(leaf, issuer, crypto.SHA1)).body, issuer)
	if err != nil || response.Status != xocsp.Revoked || time.Since(response.RevokedAt) > time.Hour {
		t.Errorf("%+v, %v", response, err)
	}
}

func TestQuestionsThatAreRefused(t *testing.T) {
	a := start(t, servertest.Options{})
	leaf, issuer := issuedChain(t, a.attest())
	request := a.question(leaf, issuer, crypto.SHA1)
	for name, got := range map[string]answer{
		"cut":        a.postOCSP(request[:len(request)-1]),
		"no base64":  a.get("/v1/ocsp/" + strings.Repeat(".", 16)),
		"nothing":    a.get("/v1/ocsp/"),
		"a way back": a.get("/v1/ocsp/%2e%2e/bundle"),
	} {
		response, err := xocsp.ParseResponse(got.body, issuer)
		var said xocsp.ResponseError
		if !errors.As(err, &said) || said.Status != xocsp.Malformed || got.status != http.StatusOK {
			t.Errorf("%s: status %d, %+v, %v", name, got.status, response, err)
		}
	}
	if got := a.postOCSP(a.question(leaf, leaf, crypto.SHA1)); !bytes.Equal(got.body, xocsp.UnauthorizedErrorResponse) {
		t.Errorf("of another issuer: %x", got.body)
	}
	a.postOCSP(make([]byte, ocsp.MaxRequest+1)).refused(http.StatusRequestEntityTooLarge, evidence.CodeRequestTooLarge)
	a.post("/v1/ocsp", "{}").refused(http.StatusUnsupportedMediaType, evidence.CodeRequestMediaType)
	a.Store.Close()
	a.postOCSP(request).refused(http.StatusServiceUnavailable, evidence.CodeLedgerUnavailable)
}

// waiting is a publisher whose answers take until they are let go.
type waiting struct {
	server.Revocations
	begun chan struct{}
	end   chan struct{}
}

func (w *waiting) Answer(context.Context, []byte) ([]byte, error) {
	w.begun <- struct{}{}
	<-w.end
	return nil, errors.New("too late")
}

// However many ask, and however long their answers take, machines attest meanwhile.
func TestAttack_A19_QuestionsTakeNoPlaceOfAttestations(t *testing.T) {
	w := &waiting{begun: make(chan struct{}), end: make(chan struct{})}
	a := start(t, servertest.Options{Config: func(c *server.Config) { w.Revocations, c.Revocations, c.Concurrency = c.Revocations, w, 1 }})
	var asking sync.WaitGroup
	for range 2 { // as many as are answered at once
		asking.Go(func() { a.postOCSP([]byte("?")) })
		<-w.begun
	}
	a.attest()
	close(w.end)
	asking.Wait()
}
