package daemon

import (
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/anchors"
	"github.com/quotary/quotary/internal/boundedfile"
	"github.com/quotary/quotary/internal/vendors"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
	collateral "github.com/quotary/quotary/tee/endorsements/store"
	"github.com/quotary/quotary/tee/sevsnp"
	"github.com/quotary/quotary/tee/tdx"
	"github.com/quotary/quotary/tee/tpm"
)

// technologies are the verifiers of evidence, with the trust anchors that the
// configuration names besides those that are pinned in the build.
type technologies struct {
	snp      *sevsnp.Verifier
	intel    *tdx.Verifier
	tpm      tpm.Options
	enroller *tpm.Enroller // nil if no endorsement key is trusted
	// asked are those who hand out what the verifiers draw on.
	asked []collateral.Vendor
}

// newTechnologies finds all that can be wrong with the anchors.
func newTechnologies(c Config) (*technologies, error) {
	roots, err := anchors.Load(c.Simulated.Roots...)
	if err != nil {
		return nil, err
	}
	t := &technologies{tpm: tpm.Options{Roots: roots.TPM}}
	if t.snp, err = sevsnp.New(roots.SEVSNP...); err != nil {
		return nil, err
	}
	if t.intel, err = tdx.New(roots.TDX...); err != nil {
		return nil, err
	}
	if len(c.TPM.Roots) > 0 {
		configured, err := endorsements.LoadCertificates(c.TPM.Roots...)
		if err != nil {
			return nil, err
		}
		t.tpm.Roots = append(t.tpm.Roots, endorsements.AsConfigured(configured)...)
	}
	if t.tpm.Keys, err = trustedKeys(c.TPM.Keys); err != nil {
		return nil, err
	}
	if t.enroller, err = enroller(c.TPM.Enrolment, roots.TPM); err != nil {
		return nil, err
	}
	t.asked = append(c.Vendors.intel().Vendors(t.intel), vendors.AMD(c.Vendors.AMDKDS, t.snp))
	_, err = t.verifiers(nil)
	return t, err
}

// verifiers returns all verifiers; enrolled are the roots of attestation keys that
// the service certified itself.
func (t *technologies) verifiers(enrolled []tee.Anchor) ([]tee.Verifier, error) {
	options := t.tpm
	options.Enrolment = enrolled
	tpms, err := tpm.New(options)
	if err != nil {
		return nil, err
	}
	return []tee.Verifier{t.snp, t.intel, tpms}, nil
}

// trustedKeys reads the attestation keys that the operator vouches for.
func trustedKeys(paths []string) ([]tpm.TrustedKey, error) {
	var keys []tpm.TrustedKey
	for _, path := range paths {
		data, err := readBounded(path, "key", maxKeyFile)
		if err != nil {
			return nil, err
		}
		key, err := tpm.ParseTrustedKey(data)
		if err != nil {
			return nil, evidence.Errorf(evidence.CodeConfigMalformed, path, "this is no attestation key: %w", err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// readBounded reads a file of at most most bytes; what says what should be in it.
func readBounded(path, what string, most int64) ([]byte, error) {
	data, err := boundedfile.Read(path, most)
	if err != nil {
		return nil, evidence.Errorf(evidence.CodeConfigMalformed, path, "cannot read the %s: %w", what, err)
	}
	return data, nil
}
