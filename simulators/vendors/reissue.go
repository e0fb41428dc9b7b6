package vendors

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"

	"github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
)

// signer is a vendor's key that issues revocation lists.
type signer struct {
	name        string // one of the issuers
	certificate *x509.Certificate
	key         crypto.Signer
}

// signerOf finds who issued a revocation list.
func (s *Server) signerOf(list *x509.RevocationList) (signer, bool) {
	var all []signer
	for _, line := range s.world.Lines() {
		all = append(all, signer{issuerAMD, line.ARK().Certificate, line.ARK().Key})
	}
	for name, issuers := range map[string][]tdx.Issuer{
		issuerIntelRoot: {s.world.TDX.Root}, issuerPCK: {s.world.TDX.Platform, s.world.TDX.Processor},
	} {
		for _, issuer := range issuers {
			all = append(all, signer{name, issuer.Certificate, issuer.Key})
		}
	}
	at := slices.IndexFunc(all, func(x signer) bool { return bytes.Equal(x.certificate.RawSubject, list.RawIssuer) })
	if at < 0 {
		return signer{}, false
	}
	return all[at], true
}

// alterList alters a revocation list as the faults in force do.
func (s *Server) alterList(list *x509.RevocationList) (*x509.RevocationList, bool, error) {
	by, known := s.signerOf(list)
	altered, forged := false, false
	template := listTemplate{number: list.Number, thisUpdate: list.ThisUpdate, nextUpdate: list.NextUpdate}
	for _, in := range s.published() {
		f := in.published
		if !known || f.issuer != by.name {
			continue
		}
		if f.forge {
			forged = true
		} else {
			f.list(s, in, &template)
			altered = true
		}
	}
	if altered {
		var err error
		if list, err = by.reissue(list, template); err != nil {
			return nil, false, err
		}
	}
	if forged {
		raw := slices.Clone(list.Raw)
		raw[len(raw)-1] ^= 1 // in the signature
		broken, err := x509.ParseRevocationList(raw)
		return broken, true, err
	}
	return list, altered, nil
}

// reissue issues a list that says what another said, and what the template says.
func (x signer) reissue(list *x509.RevocationList, t listTemplate) (*x509.RevocationList, error) {
	template := &x509.RevocationList{
		SignatureAlgorithm: list.SignatureAlgorithm, Number: t.number, ThisUpdate: t.thisUpdate, NextUpdate: t.nextUpdate,
	}
	serials := slices.Clone(t.revoked)
	for _, entry := range list.RevokedCertificateEntries {
		serials = append(serials, entry.SerialNumber)
	}
	slices.SortFunc(serials, (*big.Int).Cmp)
	for _, serial := range slices.CompactFunc(serials, func(a, b *big.Int) bool { return a.Cmp(b) == 0 }) {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: serial, RevocationTime: t.thisUpdate})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, x.certificate, x.key)
	if err != nil {
		return nil, fmt.Errorf("vendors: cannot issue a revocation list: %w", err)
	}
	return x509.ParseRevocationList(der)
}

// alterBody alters the body of an answer, in whichever form it has a revocation list
// or a document; anything else stays as it is.
func (s *Server) alterBody(body []byte) (out []byte, altered bool) {
	if bytes.HasPrefix(body, []byte("{")) {
		return s.alterDocument(body)
	}
	der, encode := body, func(der []byte) []byte { return der }
	if block, _ := pem.Decode(body); block != nil {
		der, encode = block.Bytes, func(der []byte) []byte {
			return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: der})
		}
	} else if digits, err := hex.DecodeString(string(body)); err == nil {
		der, encode = digits, func(der []byte) []byte { return []byte(hex.EncodeToString(der)) }
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return body, false
	}
	list, altered, err = s.alterList(list)
	if err != nil || !altered {
		return body, false
	}
	return encode(list.Raw), true
}

// alterAll alters everything as the faults in force do.
func (s *Server) alterAll(e *tee.Endorsements) (*tee.Endorsements, error) {
	out := &tee.Endorsements{}
	for _, cert := range e.Certificates() {
		out.AddCertificate(cert)
	}
	for _, list := range e.RevocationLists() {
		list, _, err := s.alterList(list)
		if err != nil {
			return nil, err
		}
		out.AddCRL(list)
	}
	for _, d := range e.AllDocuments() {
		d.Raw, _ = s.alterDocument(d.Raw)
		out.AddDocument(d)
	}
	return out, nil
}
