package policies

import "github.com/quotary/quotary/evidence"

// Advise judges claims where no policy is in force: it makes the checks that
// hold whatever a document says, and reports as a warning what they would
// deny. It decides nothing.
func Advise(claims []evidence.Claims) evidence.Checks {
	checks := evidence.Checks{}
	b, ok := newBundle(claims, &checks)
	if ok {
		r := report{checks: &checks}
		if b.simulated {
			r.judge(false, "", evidence.CodeSimulatedAllowed, "evidence under a real root", func() string { return "simulated" })
		}
		if b.snp != nil {
			defaultSNP().judge(&r, b.snp, builtinAdvisories.find(b.snp))
		}
		if b.tdx != nil {
			defaultTDX().judge(&r, b.tdx)
		}
		if b.tpm != nil {
			defaultTPM().judge(&r, b.tpm, b)
		}
		(&alternative{}).judgeParavisor(&r, b)
	}
	for i := range checks {
		if s := checks[i].Status; s == evidence.Fail || s == evidence.NotPerformed {
			checks[i].Status = evidence.Warn
		}
	}
	return checks
}
