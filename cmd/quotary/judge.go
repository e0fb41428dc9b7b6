package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
	"github.com/quotary/quotary/tee/endorsements/store"
	"github.com/quotary/quotary/tee/tpm"
	"github.com/quotary/quotary/verifier"
)

// judge is everything that a verdict rests on besides the evidence.
type judge struct {
	verifier   *verifier.Verifier
	policies   *policies.Set // nil: only genuineness is judged
	kind       evidence.Kind // empty: any
	reportData []byte        // nil: freshness is not judged
	fetcher    *fetcher      // nil: nothing is fetched
}

func newJudge(s streams, o *verifyOptions) (*judge, error) {
	technologies, authorities, err := technologies(o)
	if err != nil {
		return nil, err
	}
	found, err := loadEndorsements(s, o.endorsements)
	if err != nil {
		return nil, err
	}
	j := &judge{kind: evidence.Kind(o.kind), reportData: o.reportData}
	if j.policies, err = loadPolicies(o.policy, o.keys); err != nil {
		return nil, err
	}
	if o.fetch {
		opened, err := openStore(o.storeConfig(authorities))
		if err != nil {
			return nil, err
		}
		j.fetcher = newFetcher(s, opened)
		j.fetcher.take(found)
	}
	j.verifier, err = verifier.New(verifier.Config{
		Technologies:    technologies,
		Policies:        func() *policies.Set { return j.policies },
		Endorsements:    func() *tee.Endorsements { return found.Over(j.fetcher.endorsements()) },
		Pooled:          o.store != "",
		AcceptSimulated: len(o.trust) > 0, // naming a test root is the operator's consent
		Now:             func() time.Time { return o.at.Time },
	})
	return j, err
}

// technologies returns a verifier for each kind, trusting what the flags say, and
// those among them that know vendors' endorsements.
func technologies(o *verifyOptions) ([]tee.Verifier, authorities, error) {
	roots, err := loadAnchors(o.trust)
	if err != nil {
		return nil, authorities{}, err
	}
	keys, err := loadKeys(o.ak)
	if err != nil {
		return nil, authorities{}, err
	}
	a, err := newAuthorities(roots)
	if err != nil {
		return nil, authorities{}, err
	}
	machine, err := tpm.New(tpm.Options{Roots: roots.TPM, Keys: keys})
	if err != nil {
		return nil, authorities{}, withHint(err, trustHint)
	}
	return []tee.Verifier{a.amd, a.intel, machine}, a, nil
}

func loadKeys(paths list) ([]tpm.TrustedKey, error) {
	var keys []tpm.TrustedKey
	for _, path := range paths {
		data, err := readFile(path, evidence.MaxTPMStructure)
		if err != nil {
			return nil, err
		}
		key, err := tpm.ParseTrustedKey(data)
		if err != nil {
			return nil, withHint(fmt.Errorf("--ak %s: %w", path, err), "--ak takes what tpm2_createak writes with -u: PEM or TPM2B_PUBLIC")
		}
		key.Name = path
		keys = append(keys, key)
	}
	return keys, nil
}

// loadEndorsements reads endorsements; what it could not use is noted, because
// that is why a verdict may be undecided.
func loadEndorsements(s streams, paths list) (*tee.Endorsements, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	found, report, err := endorsements.Load(paths...)
	if evidence.CodeOf(err) == evidence.CodeEndorsementsNone {
		s.note("%s", printable(err.Error())) // as good as no endorsements: the verdict will say what is missing
		return nil, nil
	}
	if err != nil {
		return nil, withHint(err, "--endorsements takes certificates, CRLs and Intel's collateral: files, directories or archives")
	}
	const most = 5 // enough to see what is wrong; more would hide the verdict
	unrecognised := slices.DeleteFunc(report.Unrecognised, func(source endorsements.Source) bool {
		return store.IsBookkeeping(filepath.Base(source.Name)) // of a store's directory
	})
	for i, source := range unrecognised {
		if i == most {
			s.note("endorsements: and %d more files were not used", len(unrecognised)-most)
			break
		}
		s.note("endorsements: %s was not used: %s", printable(source.Name), printable(source.Note))
	}
	return found, nil
}

func loadPolicies(paths list, keys signingKeys) (*policies.Set, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	files, err := policies.ReadFiles(paths...)
	if err != nil {
		return nil, withHint(err, "--policy takes YAML files, or directories of them")
	}
	o, err := keys.options()
	if err != nil {
		return nil, err
	}
	set, err := o.Load(files...)
	if err != nil {
		return nil, withHint(err, "correct the policy documents; nothing was judged")
	}
	if len(set.Workloads()) == 0 {
		return nil, usage("the policy has no workload, so it could accept nothing", "add a document of kind Workload, or leave --policy out to judge genuineness alone")
	}
	return set, nil
}

// examine reads and judges what an operand names. What cannot even be read as
// evidence is rejected; an error means that nothing was judged.
func (j *judge) examine(ctx context.Context, s streams, operand string, t tpmFlags) (report, error) {
	bundle, err := readEvidence(s, operand, t)
	var refused *evidence.Error
	switch {
	case errors.As(err, &refused):
		return refuse(refused), nil
	case err != nil:
		return report{}, err
	}
	if refused := j.wrongKind(bundle); refused != nil {
		return refuse(refused), nil
	}
	if j.fetcher != nil {
		return j.judgeFetching(ctx, bundle)
	}
	r, _, err := j.judge(bundle)
	return r, err
}

// judge judges a bundle, and names the endorsements with which more could be
// said. The error is internal.
func (j *judge) judge(bundle evidence.Bundle) (report, []tee.EndorsementName, error) {
	if j.policies == nil {
		e := j.verifier.Examine(bundle, j.reportData)
		return examined(e), e.Wanted(), nil
	}
	result, err := j.verifier.Appraise(verifier.Request{Bundle: bundle, Freshness: verifier.BackgroundCheck{ReportData: j.reportData}})
	if err != nil {
		return report{}, nil, err
	}
	return appraised(result), result.Wanted(), nil
}

// wrongKind refuses a bundle with any other kind than the one that was asked for.
func (j *judge) wrongKind(bundle evidence.Bundle) *evidence.Error {
	for _, kind := range bundle.Kinds() {
		if j.kind != "" && kind != j.kind {
			return evidence.Errorf(evidence.CodeKindOther, "kind", "the evidence is %s, and --kind asks for %s", kind, j.kind)
		}
	}
	return nil
}
