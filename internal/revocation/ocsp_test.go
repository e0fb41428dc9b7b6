package revocation_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"path/filepath"
	"testing"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/internal/revocation"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/verifier/verifiertest"
)

// records is a ledger in memory.
type records struct {
	issued  map[string]bool
	revoked map[string]time.Time
	asked   int
	fails   error
}

func (r *records) RevocationList(context.Context, time.Time) ([]store.RevokedSerial, int64, error) {
	return nil, 0, nil
}

func (r *records) CertificateStatus(_ context.Context, serial string) (bool, time.Time, error) {
	r.asked++
	return r.issued[serial], r.revoked[serial], r.fails
}

// office is an authority, what it issued, and its publisher.
type office struct {
	*testing.T
	*ca.Authority
	ledger       *records
	publisher    *revocation.Publisher
	leaf, issuer *x509.Certificate
	serial       string
}

func newOffice(t *testing.T) *office {
	t.Helper()
	now := verifiertest.Now
	a, err := ca.Open(ca.Config{Dir: filepath.Join(t.TempDir(), "ca"), TrustDomain: verifiertest.TrustDomain, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	svid, err := a.Issue(verifiertest.Accepted(t, verifiertest.Request{}))
	if err != nil {
		t.Fatal(err)
	}
	o := &office{T: t, Authority: a, serial: svid.Serial, ledger: &records{issued: map[string]bool{svid.Serial: true}, revoked: map[string]time.Time{}}}
	block, rest := pem.Decode(svid.PEM())
	above, _ := pem.Decode(rest)
	if o.leaf, err = x509.ParseCertificate(block.Bytes); err != nil {
		t.Fatal(err)
	}
	if o.issuer, err = x509.ParseCertificate(above.Bytes); err != nil {
		t.Fatal(err)
	}
	if o.publisher, err = revocation.New(t.Context(), o.ledger, a, now); err != nil {
		t.Fatal(err)
	}
	return o
}

// ask has the publisher answer about a certificate.
func (o *office) ask(cert *x509.Certificate) *xocsp.Response {
	o.Helper()
	request, err := xocsp.CreateRequest(cert, o.issuer, nil)
	if err != nil {
		o.Fatal(err)
	}
	der, err := o.publisher.Answer(o.Context(), request)
	if err != nil {
		o.Fatal(err)
	}
	response, err := xocsp.ParseResponseForCert(der, cert, o.issuer)
	if err != nil {
		o.Fatal(err)
	}
	return response
}

// What is on record counts from the instant that it is, whether or not lists were signed since.
func TestAttack_A19_AnswersDoNotWaitForLists(t *testing.T) {
	o := newOffice(t)
	if got := o.ask(o.leaf); got.Status != xocsp.Good {
		t.Fatalf("status %d", got.Status)
	}
	o.ledger.revoked[o.serial] = verifiertest.Now()
	if got := o.ask(o.leaf); got.Status != xocsp.Revoked || !got.RevokedAt.Equal(verifiertest.Now().Truncate(time.Second)) {
		t.Errorf("status %d, revoked at %s", got.Status, got.RevokedAt)
	}
	delete(o.ledger.issued, o.serial) // a ledger that lost it
	delete(o.ledger.revoked, o.serial)
	if got := o.ask(o.leaf); got.Status != xocsp.Unknown {
		t.Errorf("status %d for what is not on record", got.Status)
	}
}

// A number that the CA did not give costs no look into the ledger, even if it is in there.
func TestAttack_A19_MadeUpNumbersAreNotLookedUp(t *testing.T) {
	o := newOffice(t)
	other := *o.leaf
	other.SerialNumber = new(big.Int).Xor(o.leaf.SerialNumber, big.NewInt(1))
	o.ledger.issued[other.SerialNumber.Text(16)] = true
	if got := o.ask(&other); got.Status != xocsp.Unknown || o.ledger.asked != 0 {
		t.Errorf("status %d after %d looks", got.Status, o.ledger.asked)
	}
}

func TestQuestionsThatAreNotAnswered(t *testing.T) {
	o := newOffice(t)
	request, err := xocsp.CreateRequest(o.leaf, o.leaf, nil) // the leaf is no CA
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ request, want []byte }{
		"malformed":    {[]byte("?"), xocsp.MalformedRequestErrorResponse},
		"empty":        {nil, xocsp.MalformedRequestErrorResponse},
		"unauthorized": {request, xocsp.UnauthorizedErrorResponse},
	} {
		if got, err := o.publisher.Answer(t.Context(), tc.request); err != nil || !bytes.Equal(got, tc.want) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	o.ledger.fails = errors.New("disk")
	if request, err = xocsp.CreateRequest(o.leaf, o.issuer, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := o.publisher.Answer(t.Context(), request); !errors.Is(err, o.ledger.fails) || got != nil {
		t.Errorf("an answer without the ledger: %x, %v", got, err)
	}
}
