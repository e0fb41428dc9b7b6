package revocation

import (
	"context"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/internal/ocsp"
)

// Answer answers a question about one certificate (OCSP, RFC 6960), both in DER. What it says is read
// from the ledger for each answer: it never says good of what is on record as revoked, whatever
// became of the lists, nor of what was never issued. It is signed by the responder's key, which the
// issuing CAs certified ahead. The error is an *evidence.Error: the ledger's, or CodeIssuingValidity
// where no responder could be made for hours.
func (p *Publisher) Answer(ctx context.Context, request []byte) ([]byte, error) {
	q, err := ocsp.ParseRequest(request)
	if err != nil {
		return ca.OCSPMalformed, nil
	}
	subject, ok := p.responder.Load().Subject(q)
	if !ok {
		return ca.OCSPUnauthorized, nil
	}
	var status ca.CertificateStatus
	if subject.Given { // nobody has the ledger searched with numbers that they made up
		if status.Known, status.Revoked, err = p.ledger.CertificateStatus(ctx, subject.Serial); err != nil {
			return nil, err
		}
	}
	return subject.Answer(status)
}

// renewResponder makes a responder if it is time for another one, or if the authorities changed.
func (p *Publisher) renewResponder(basis string) error {
	if last := p.responder.Load(); last != nil && basis == p.delegated && !p.old(last.Since) {
		return nil
	}
	next, err := p.authority.Responder()
	if err != nil {
		return err
	}
	p.responder.Store(next)
	p.delegated = basis
	return nil
}
