package daemon

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
	"github.com/quotary/quotary/tee/tpm"
	"github.com/quotary/quotary/verifier"
)

// enroller returns what judges endorsement keys, or nil if none is trusted and
// nothing says that any should be. simulated are the roots of simulated TPMs.
func enroller(e Enrolment, simulated []tee.Anchor) (*tpm.Enroller, error) {
	options := tpm.EnrollerOptions{Roots: slices.Clone(simulated)}
	if len(e.Roots) > 0 {
		given, err := endorsements.LoadCertificates(e.Roots...)
		if err != nil {
			return nil, err
		}
		for _, anchor := range endorsements.AsConfigured(given) {
			if selfSigned(anchor.DER) {
				options.Roots = append(options.Roots, anchor)
			} else {
				options.Intermediates = append(options.Intermediates, anchor.DER)
			}
		}
	}
	for _, path := range e.EndorsementKeys {
		data, err := readBounded(path, "list of endorsement keys", maxEKList)
		if err != nil {
			return nil, err
		}
		listed, err := readEKList(path, data)
		if err != nil {
			return nil, err
		}
		options.Keys = append(options.Keys, listed...)
	}
	if len(options.Roots)+len(options.Keys) == 0 {
		if e.isZero() {
			return nil, nil
		}
		return nil, evidence.Errorf(evidence.CodeConfigMalformed, "tpm.enrolment", "nothing in it is trusted: none of the certificates in roots is self-signed, and endorsement_keys lists no key; put the makers' roots there, or leave tpm.enrolment out")
	}
	return tpm.NewEnroller(options)
}

// selfSigned reports whether a certificate names itself as its issuer.
func selfSigned(der []byte) bool {
	cert, err := x509.ParseCertificate(der)
	return err == nil && bytes.Equal(cert.RawIssuer, cert.RawSubject)
}

// readEKList reads a list of endorsement keys; see [Enrolment].
func readEKList(path string, data []byte) ([]tpm.ListedEK, error) {
	var list []tpm.ListedEK
	known := map[evidence.Digest]int{}
	number := 0
	for line := range bytes.Lines(data) {
		number++
		text, _, _ := strings.Cut(string(line), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		digits, name, _ := strings.Cut(text, " ")
		raw, err := hex.DecodeString(strings.TrimPrefix(digits, "sha256:"))
		if err != nil || len(raw) != len(evidence.Digest{}) {
			return nil, listError(path, number, "this does not begin with a SHA-256 in 64 hex digits; `quotary tpm ek` prints that of a TPM")
		}
		id := evidence.Digest(raw)
		if first, twice := known[id]; twice {
			return nil, listError(path, number, "this key is in line %d already", first)
		}
		known[id] = number
		list = append(list, tpm.ListedEK{SHA256: id, Name: strings.TrimSpace(name)})
	}
	return list, nil
}

func listError(path string, line int, format string, args ...any) error {
	return evidence.Errorf(evidence.CodeConfigMalformed, fmt.Sprintf("%s:%d", path, line), format, args...)
}

// enrolment is what the server enrols TPMs with, and the authority that certifies
// their keys. Where no endorsement key is trusted both are nil, and certificates
// of an earlier configuration count no longer.
func (d *Daemon) enrolment(o Options, enroller *tpm.Enroller, spender verifier.Spender) (*server.Enrolment, *ca.AttestationAuthority, error) {
	if enroller == nil {
		return nil, nil, nil
	}
	authority, err := ca.OpenAttestation(ca.AttestationConfig{
		Dir: filepath.Join(o.Data, attestationDir), Keys: d.keys, Life: d.Config.TPM.Enrolment.life(),
		Simulated: d.Config.Simulated.Accept, Now: o.Now,
	})
	if err != nil {
		return nil, nil, err
	}
	enrolments, err := verifier.NewEnrolments(verifier.EnrolmentConfig{
		Enroller: enroller, Endorsements: d.endorsements, Spender: spender, AcceptSimulated: d.Config.Simulated.Accept,
		Now: o.Now,
	})
	if err != nil {
		return nil, nil, err
	}
	e := &server.Enrolment{Enroller: enrolments, Authority: authority, Replace: d.Config.TPM.Enrolment.NewKeys != newKeysRefuse}
	return e, authority, nil
}
