package main

import (
	"fmt"
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier"
)

// next says what the user can do about the verdict.
func (r report) next() []string {
	switch r.Verdict {
	case verifier.Undecided:
		return r.fetch()
	case verifier.Genuine:
		return []string{"say what is good enough in policy documents and give them with --policy"}
	case verifier.Rejected:
		return r.remedy()
	}
	return nil
}

// fetch names the endorsements to fetch.
func (r report) fetch() []string {
	var steps []string
	for _, m := range r.Missing {
		switch {
		case m.Error != nil:
			steps = append(steps, fmt.Sprintf("the %s was not fetched (%s): %s", m.Type, m.Error.Code, m.Error.Detail))
		case m.URL != "":
			steps = append(steps, fmt.Sprintf("fetch the %s: %s", m.Type, m.URL))
		case m.Type == "tcb-signing-chain": // comes with the documents
		case m.Type == "vlek":
			steps = append(steps, fmt.Sprintf("get the VLEK certificate (%s) from the cloud provider; guests find it beside the report", m.ID))
		default:
			steps = append(steps, fmt.Sprintf("get the %s: %s", m.Type, m.ID))
		}
	}
	if steps == nil {
		return []string{"see the checks that were not done"}
	}
	if slices.ContainsFunc(r.Missing, reportMissing.comesWithChain) {
		steps = append(steps, "keep the chain in the answers' header TCB-Info-Issuer-Chain (or SGX-Enclave-Identity-Issuer-Chain) as a file, too")
	}
	if slices.ContainsFunc(r.Missing, reportMissing.canBeGiven) {
		steps = append(steps, "then give the directory they are in with --endorsements")
	}
	if slices.ContainsFunc(r.Missing, reportMissing.canBeFetched) {
		steps = append(steps, "or have them fetched: quotary verify --fetch, or quotary endorsements prefetch --store DIR --evidence EVIDENCE")
	}
	return steps
}

// canBeGiven reports whether the user was told where to get it.
func (m reportMissing) canBeGiven() bool { return m.Error == nil }

// canBeFetched reports whether this program could fetch it and was not told to.
func (m reportMissing) canBeFetched() bool {
	return m.Error == nil && m.URL != ""
}

// comesWithChain reports whether the vendor's answer has the certificates of who
// signed it in its header.
func (m reportMissing) comesWithChain() bool {
	return m.Error == nil && m.URL != "" && (m.Type == "tcb-info" || m.Type == "qe-identity")
}

// remedies are the failures that a user of this program, not the machine, may
// be able to put right.
var remedies = map[evidence.Code]string{
	evidence.CodeEvidenceIncomplete:   "give a TPM quote's three files: quotary verify FILE.msg with FILE.sig and FILE.pcrs beside it",
	evidence.CodeKindOther:            "leave --kind out to judge evidence of any kind",
	evidence.CodeKindUnknown:          "see quotary verify --help for what EVIDENCE may be",
	evidence.CodeEvidenceEmpty:        "see quotary verify --help for what EVIDENCE may be",
	evidence.CodeTPMAKUntrusted:       "give the attestation key with --ak, or the root of its certificate with --trust",
	evidence.CodeBinding:              "--report-data is compared with every byte; SEV-SNP and TDX carry 64",
	evidence.CodeTDXCollateralExpired: "give collateral that was current at the time judged, or judge as of another time with --at",
	evidence.CodeTDXCollateralNotYet:  "judge as of the collateral's time with --at",
	evidence.CodeTDXTrustAnchor:       "a test PKI's root must be named with --trust",
	evidence.CodeSNPChain:             "a test PKI's root must be named with --trust",
}

func (r report) remedy() []string {
	var steps []string
	seen := map[string]bool{}
	for _, check := range r.Checks.Failed() {
		if step := remedies[check.Code]; step != "" && !seen[step] {
			seen[step] = true
			steps = append(steps, step)
		}
	}
	return steps
}
