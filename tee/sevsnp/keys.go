package sevsnp

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// candidate is a certificate that may be that of the key which signed a report.
type candidate struct {
	cert *x509.Certificate
	key  *keyCertificate // nil if it has not the form of one
	err  error           // why it has not
}

// isSame reports whether another candidate is the same certificate.
func (c candidate) isSame(other candidate) bool { return c.cert.Equal(other.cert) }

// closeness says how well a candidate fits a report.
type closeness int

const (
	malformed closeness = iota // not of the form that AMD gives a key's certificate
	otherKind                  // a VLEK where the report names a VCEK, or the reverse
	otherChip                  // of the kind, for another chip
	otherTCB                   // of the chip, for another TCB
	fits
)

// closeness compares a candidate with the report. Where the chip is masked and
// for a VLEK, which belongs to a provider, every chip will do.
func (c candidate) closeness(r *report) closeness {
	switch {
	case c.key == nil:
		return malformed
	case c.key.kind != r.key:
		return otherKind
	case r.key == vcek && !r.chipMasked() && !c.key.isOf(r.chipID):
		return otherChip
	case c.key.tcb != r.reported:
		return otherTCB
	}
	return fits
}

// candidate decodes a certificate, or recalls it.
func (v *Verifier) candidate(cert *x509.Certificate) candidate {
	if known, ok := v.keys.Get(sha256.Sum256(cert.Raw)); ok {
		return candidate{cert: known.cert, key: known}
	}
	key, err := decodeKeyCertificate(cert)
	return candidate{cert, key, err}
}

// isKeyLike reports whether a certificate names itself that of a key of one of these kinds.
func isKeyLike(cert *x509.Certificate, kinds ...signingKey) bool {
	return slices.ContainsFunc(kinds, func(k signingKey) bool { return cert.Subject.CommonName == k.subject() })
}

// candidates returns the certificates to judge the report with, and how many
// more there may be than are tried. If some fit, it is these: those that came
// with the report, which is the most likely to know, before the endorsements',
// so that no collection of lookalikes hides the sender's own. If none fits, it is
// the one that comes closest of those which came with the report, so that the
// failure says what is wrong with it; or else the endorsements' only one, if
// they were put together for this report. A larger collection without the right
// key lacks it, and nothing is to be concluded from the others.
func (v *Verifier) candidates(r *report, in *input) (found []candidate, untried int) {
	var strays []candidate
	for _, cert := range in.supplied {
		if !isKeyLike(cert, vcek, vlek) {
			continue
		}
		c := v.candidate(cert)
		strays = append(strays, c)
		if c.closeness(r) == fits && len(found) < maxSentKeys {
			found = append(found, c)
		}
	}
	endorsed, untried := v.endorsed(r, in.endorsements)
	for _, c := range endorsed {
		if !slices.ContainsFunc(found, c.isSame) {
			found = append(found, c)
		}
	}
	if len(found) > 0 {
		return found, untried
	}
	if len(strays) == 0 && !in.pooled {
		strays = v.onlyKey(in.endorsements)
	}
	if len(strays) == 0 {
		return nil, untried
	}
	return []candidate{slices.MaxFunc(strays, func(x, y candidate) int { return int(x.closeness(r) - y.closeness(r)) })}, untried
}

// endorsed returns at most maxKeys of the endorsements that fit, and how many
// there may be besides.
func (v *Verifier) endorsed(r *report, e *tee.Endorsements) (found []candidate, untried int) {
	certs := lookUp(r, e)
	if len(certs) > maxKeys {
		certs = v.provenFirst(certs)
	}
	for i, cert := range certs {
		if len(found) == maxKeys || i == maxLookalikes {
			return found, len(certs) - i
		}
		if c := v.candidate(cert); c.closeness(r) == fits && !slices.ContainsFunc(found, c.isSame) {
			found = append(found, c)
		}
	}
	return found, 0
}

// provenFirst puts the keys first whose chain was verified before, so that
// lookalikes added later do not hide them.
func (v *Verifier) provenFirst(certs []*x509.Certificate) []*x509.Certificate {
	var proven, others []*x509.Certificate
	for _, cert := range certs {
		if _, ok := v.keys.Get(sha256.Sum256(cert.Raw)); ok {
			proven = append(proven, cert)
		} else {
			others = append(others, cert)
		}
	}
	return append(proven, others...)
}

// lookUp finds the endorsements that may fit: those that name the report's TCB, by
// the chip's identifier or, where the report does not name the chip, by the
// microcode level. It gathers no more than shows that there are too many: where
// chips are masked they may be all keys of a fleet.
func lookUp(r *report, e *tee.Endorsements) (found []*x509.Certificate) {
	look := func(oid asn1.ObjectIdentifier, value []byte) {
		for cert := range e.EachByExtension(oid, value) {
			if len(found) > maxLookalikes {
				return
			}
			if isKeyLike(cert, r.key) && r.reported.isNamedBy(cert) {
				found = append(found, cert)
			}
		}
	}
	if r.key == vcek && !r.chipMasked() {
		if chip, ok := r.layout.chipOf(r.chipID[:]); ok {
			for _, id := range encodeHWID(chip) {
				look(oidHWID, id)
			}
		}
		return found
	}
	level, _ := r.reported.level(microcode)
	look(oidOfSPL(components[microcode].arc), encodeUint8(level))
	return found
}

// onlyKey returns the key's certificate among the endorsements if there is
// exactly one. Every such certificate has the extension "structure version".
func (v *Verifier) onlyKey(e *tee.Endorsements) []candidate {
	var only *x509.Certificate
	for structVersion := range uint8(2) {
		for cert := range e.EachByExtension(oidStructVersion, encodeUint8(structVersion)) {
			if only != nil && !only.Equal(cert) {
				return nil
			}
			only = cert
		}
	}
	if only == nil {
		return nil
	}
	return []candidate{v.candidate(only)}
}

// supplied parses the certificates that came with a report and counts those that
// do not parse: they cannot complete a chain. Roots are left out, because they
// come from the anchors alone.
func (v *Verifier) supplied(certificates [][]byte) (certs []*x509.Certificate, unreadable int) {
	for _, der := range certificates {
		id := digest(sha256.Sum256(der))
		if _, isAnchor := v.anchorIDs[id]; isAnchor {
			continue
		}
		if known, ok := v.keys.Get(id); ok {
			certs = append(certs, known.cert)
		} else if known, ok := v.issuers.Get(id); ok {
			certs = append(certs, known.cert)
		} else if cert, err := x509.ParseCertificate(slices.Clone(der)); err == nil { // what is remembered shares nothing
			certs = append(certs, cert)
		} else {
			unreadable++
		}
	}
	return certs, unreadable
}

// examineSupplied bounds the certificates that came with a report.
func examineSupplied(certificates [][]byte, checks *evidence.Checks) bool {
	if n := len(certificates); n > evidence.MaxCertificates {
		checks.Fail(evidence.CodeEvidenceTooLarge, fmt.Sprintf("%d certificates at most", evidence.MaxCertificates), fmt.Sprint(n))
		return false
	}
	for _, der := range certificates {
		if len(der) > evidence.MaxCertificate {
			checks.Fail(evidence.CodeEvidenceTooLarge, fmt.Sprintf("certificates of %d bytes at most", evidence.MaxCertificate), fmt.Sprint(len(der)))
			return false
		}
	}
	return true
}
