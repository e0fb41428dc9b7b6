package control

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"time"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/fleet"
)

// identity is what a machine was granted.
type identity struct {
	SPIFFEID      string          `json:"spiffe_id"`
	Workload      string          `json:"workload"`
	AttestationID string          `json:"attestation_id"`
	Simulated     bool            `json:"simulated"`
	NotAfter      time.Time       `json:"not_after"`
	RenewAt       time.Time       `json:"renew_at"`
	Certificate   string          `json:"certificate_pem"` // with its chain
	PrivateKey    string          `json:"private_key_pem"` // PKCS #8
	Root          string          `json:"root_pem"`        // that verifies the trust domain's other members
	Bundle        json.RawMessage `json:"bundle"`          // SPIFFE
	Token         string          `json:"token"`           // attestation result (EAR), a JWT
}

const mediaTypePEM = "application/x-pem-file"

// identity has a machine attest to the service for a new key. Who accepts PEM alone gets
// key and certificates in one file.
func (s *Server) identity(r *http.Request) (reply, error) {
	m, err := s.machine(r)
	if err != nil {
		return reply{}, err
	}
	granted, err := s.obtain(r.Context(), m)
	if err != nil {
		return reply{}, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(granted.Certificate.PrivateKey)
	if err != nil {
		return reply{}, err
	}
	keyPEM, chain := encode("PRIVATE KEY", key), encode("CERTIFICATE", granted.Certificate.Certificate...)
	if r.Header.Get("Accept") == mediaTypePEM {
		return reply{contentType: mediaTypePEM, body: append(keyPEM, chain...)}, nil
	}
	return reply{body: identity{
		SPIFFEID: granted.SPIFFEID, Workload: granted.Workload, AttestationID: granted.AttestationID, Simulated: granted.Simulated,
		NotAfter: granted.NotAfter, RenewAt: granted.RenewAt, Certificate: string(chain), PrivateKey: string(keyPEM),
		Root: string(s.options.Host.RootPEM()), Bundle: granted.Bundle, Token: granted.Token.JWT,
	}}, nil
}

// obtain has a machine attest to the service for a new key.
func (s *Server) obtain(ctx context.Context, m *fleet.Machine) (*client.Identity, error) {
	c, err := s.options.Host.Client()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	key, err := NewKey()
	if err != nil {
		return nil, err
	}
	return c.Attest(ctx, m, key, client.AttestOptions{Tokens: []client.Format{client.JWT}})
}

// NewKey makes a key for an identity.
func NewKey() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func encode(kind string, blocks ...[]byte) []byte {
	var out bytes.Buffer
	for _, der := range blocks {
		out.Write(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return out.Bytes()
}

// enrol enrols a machine's TPM, which uses the certificate from then on.
func (s *Server) enrol(r *http.Request) (reply, error) {
	m, err := s.machine(r)
	if err != nil {
		return reply{}, err
	}
	c, err := s.options.Host.Client()
	if err != nil {
		return reply{}, err
	}
	defer c.Close()
	enrolled, err := c.Enrol(r.Context(), m, client.EnrolOptions{})
	if err != nil {
		return reply{}, err
	}
	return reply{body: struct {
		EnrolmentID string `json:"enrolment_id"`
	}{enrolled.EnrolmentID}}, m.UseCertificates(enrolled.Certificates)
}

// bundle returns the root of the service's authority, as PEM.
func (s *Server) bundle(*http.Request) (reply, error) {
	root := s.options.Host.RootPEM()
	if root == nil {
		return reply{}, evidence.Errorf(evidence.CodeNotFound, "", "no service runs here")
	}
	return reply{contentType: mediaTypePEM, body: root}, nil
}
