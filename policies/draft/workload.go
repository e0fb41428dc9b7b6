package draft

import (
	"fmt"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// workload writes the document of the workload.
func (w *page) workload(claims []evidence.Claims, advisories []policies.Advisory) {
	w.warn("the values below are what one machine showed of itself on %s%s. Nobody has compared them with what was built: whoever had changed that machine before would have his changes approved. "+
		"Compare them with values that you computed from the artefacts (quotary measure) before you put this in force.", w.options.made(), from(w.options.Source))
	w.line("apiVersion: quotary.dev/v1")
	w.line("kind: Workload")
	w.line("name: %s", quote(w.options.Name))
	w.open("identity", "What machines earn that meet one of the alternatives below.")
	w.line("spiffe_id: %s", quote(w.options.SPIFFEID))
	ttl := w.options.TTL
	if ttl == 0 {
		ttl = time.Hour
	}
	w.key("ttl", ttl.String(), "How long an identity lives; a machine that changes keeps it until then. Shorter is stricter.")
	w.close()
	w.consent(claims)
	w.open("any_of", "Each alternative earns the identity. Add one for each other image or kind of machine.")
	w.line("- name: observed")
	w.indent += 2
	for _, kind := range evidence.Kinds() {
		i := slices.IndexFunc(claims, func(c evidence.Claims) bool { return c.Kind == kind })
		if i < 0 {
			continue
		}
		switch c := &claims[i]; kind {
		case evidence.KindSEVSNP:
			w.sevsnp(c.SEVSNP, advisories)
		case evidence.KindTDX:
			w.tdx(c.TDX)
		case evidence.KindTPM:
			w.tpm(c.TPM, c.TrustAnchor)
		}
	}
	for i := range claims {
		if claims[i].Paravisor != nil {
			w.paravisor(claims[i].Paravisor)
		}
	}
	w.rules()
	w.indent -= 4
}

// rules asks for what no key can: that registers are as empty as they are.
func (w *page) rules() {
	if len(w.empty) == 0 {
		return
	}
	var terms []string
	for _, pcr := range w.empty {
		terms = append(terms, fmt.Sprintf("tpm.pcrs[%d] == %q", pcr.index, pcr.value))
	}
	w.open("require", "PCRs into which nothing was measured: what is measured there, such as command lines from beside an image, changes the machine. Leave out those that your machines fill.")
	w.line("- name: empty-pcrs")
	w.line("  rule: >-")
	for i, term := range terms {
		if i > 0 {
			term = "&& " + term
		}
		w.line("    %s", term)
	}
	w.line("  message: nothing was measured into these PCRs")
	w.close()
}

// consent writes whether simulated evidence will do.
func (w *page) consent(claims []evidence.Claims) {
	simulated := slices.ContainsFunc(claims, func(c evidence.Claims) bool {
		return c.Simulated || c.TrustAnchor.Origin == evidence.OriginSimulated
	})
	switch {
	case simulated && w.options.Simulated:
		w.warnings = append(w.warnings, "the evidence rests on a simulated root, as anybody can make, and the draft accepts such")
		w.key("allow_simulated", "true", "This evidence rests on a simulated root, as anybody can make. Never take this line into production.")
	case simulated:
		w.waive("allow_simulated", "true", "the evidence rests on a simulated root, as anybody can make; nothing accepts it unless this line does, and the service's configuration as well.")
	}
}

func from(source string) string {
	if source == "" {
		return ""
	}
	return ", in " + source
}
