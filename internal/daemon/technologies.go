package daemon

import (
	"io"
	"os"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/anchors"
	"github.com/quotary/quotary/internal/vendors"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
	collateral "github.com/quotary/quotary/tee/endorsements/store"
	"github.com/quotary/quotary/tee/sevsnp"
	"github.com/quotary/quotary/tee/tdx"
	"github.com/quotary/quotary/tee/tpm"
)

// technologies makes the verifiers with the trust anchors that the configuration
// names, besides those that are pinned in the build, and says who hands out what
// they draw on.
func technologies(c Config) (all []tee.Verifier, asked []collateral.Vendor, err error) {
	roots, err := anchors.Load(c.Simulated.Roots...)
	if err != nil {
		return nil, nil, err
	}
	snp, err := sevsnp.New(roots.SEVSNP...)
	if err != nil {
		return nil, nil, err
	}
	intel, err := tdx.New(roots.TDX...)
	if err != nil {
		return nil, nil, err
	}
	options := tpm.Options{Roots: roots.TPM}
	if len(c.TPM.Roots) > 0 {
		configured, err := endorsements.LoadCertificates(c.TPM.Roots...)
		if err != nil {
			return nil, nil, err
		}
		options.Roots = append(options.Roots, endorsements.AsConfigured(configured)...)
	}
	if options.Keys, err = trustedKeys(c.TPM.Keys); err != nil {
		return nil, nil, err
	}
	tpms, err := tpm.New(options)
	if err != nil {
		return nil, nil, err
	}
	asked = append(c.Vendors.intel().Vendors(intel), vendors.AMD(c.Vendors.AMDKDS, snp))
	return []tee.Verifier{snp, intel, tpms}, asked, nil
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
	file, err := os.Open(path)
	if err != nil {
		return nil, evidence.Errorf(evidence.CodeConfigMalformed, path, "cannot read the %s: %w", what, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil || int64(len(data)) > most {
		return nil, evidence.Errorf(evidence.CodeConfigMalformed, path, "the %s cannot be read, or takes more than %d bytes", what, most)
	}
	return data, nil
}
