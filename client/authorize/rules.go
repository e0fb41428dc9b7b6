package authorize

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/quotary/quotary/evidence"
)

// Rule says who may send some requests. What is left out of the first three matches all.
type Rule struct {
	// Hosts are names without port: "api.example.org", or "*.example.org" for all below it.
	Hosts []string `yaml:"hosts"`
	// Paths are "/a", with or without a slash at its end, or "/a/*": that path and all below it.
	Paths []string `yaml:"paths"`
	// Methods are such as "GET", which stands for HEAD as well.
	Methods []string `yaml:"methods"`
	// Allow says who may.
	Allow Allow `yaml:"allow"`
}

// Allow says what a workload must be. All of it counts.
type Allow struct {
	// SPIFFEIDs are "spiffe://example.org/a", or "spiffe://example.org/a/*" for all below
	// that. At least one is needed.
	SPIFFEIDs []string `yaml:"spiffe_ids"`
	// MaxAttestedAge is how long ago the workload may have been attested; zero asks nothing.
	MaxAttestedAge time.Duration `yaml:"max_attested_age"`
	// PolicyDigests are those of the policy sets by which it may have been appraised, as
	// attestation results have them; without any it may have been any.
	PolicyDigests []string `yaml:"policy_digests"`
	// Status is the worst that the attestation result may have, affirming or warning; empty
	// asks nothing.
	Status Status `yaml:"status"`
	// Simulated lets workloads in whose certificate rests on simulated evidence.
	Simulated bool `yaml:"simulated"`
}

// rule is a Rule, checked.
type rule struct {
	hosts   []pattern
	paths   []pattern
	methods []string
	allow   *allow
}

type allow struct {
	Allow
	ids []pattern
}

// pattern is a name, or the beginning of many.
type pattern struct {
	name string
	all  bool // below it, too, or instead
}

func malformed(field, format string, args ...any) error {
	return evidence.Errorf(evidence.CodeConfigMalformed, field, format, args...)
}

// compile checks rules.
func compile(rules []Rule) ([]rule, error) {
	if len(rules) == 0 || len(rules) > maxRules {
		return nil, malformed("rules", "there are %d rules; one is needed, and %d are too many", len(rules), maxRules+1)
	}
	out := make([]rule, len(rules))
	for i, r := range rules {
		field := fmt.Sprintf("rules[%d].", i)
		for _, host := range r.Hosts {
			p, err := hostPattern(field+"hosts", host)
			if err != nil {
				return nil, err
			}
			out[i].hosts = append(out[i].hosts, p)
		}
		for _, path := range r.Paths {
			p, err := pathPattern(field+"paths", path)
			if err != nil {
				return nil, err
			}
			out[i].paths = append(out[i].paths, p)
		}
		for _, method := range r.Methods {
			if !isMethod(method) || method == "HEAD" {
				return nil, malformed(field+"methods", "%.32q is no method in capitals; GET stands for HEAD", method)
			}
			out[i].methods = append(out[i].methods, method)
		}
		var err error
		if out[i].allow, err = r.Allow.compile(field + "allow."); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func hostPattern(field, text string) (pattern, error) {
	name, all := strings.CutPrefix(text, "*.")
	host, ok := canonicalHost(name)
	if !ok || host != name {
		return pattern{}, malformed(field, "%.64q is no host name in small letters, without port, or *. and one", text)
	}
	return pattern{name, all}, nil
}

func pathPattern(field, text string) (pattern, error) {
	name, all := strings.CutSuffix(text, "/*")
	if all && name == "" {
		return pattern{"", true}, nil
	}
	path, ok := canonicalPath(name)
	if !ok || path != name || strings.Contains(name, "*") {
		return pattern{}, malformed(field, "%.64q is no path such as /a or /a/*, without percent signs, query and dot segments", text)
	}
	if path == "/" {
		path = ""
	}
	return pattern{path, all}, nil
}

func (a Allow) compile(field string) (*allow, error) {
	out := &allow{Allow: a}
	if len(a.SPIFFEIDs) == 0 {
		return nil, malformed(field+"spiffe_ids", "which workloads may? Name at least one SPIFFE ID")
	}
	for _, text := range a.SPIFFEIDs {
		name, all := strings.CutSuffix(text, "/*")
		id, err := spiffeid.FromString(name)
		if err != nil || id.String() != name || !all && id.Path() == "" {
			return nil, malformed(field+"spiffe_ids", "%.128q is no SPIFFE ID of a workload, nor one and /*", text)
		}
		out.ids = append(out.ids, pattern{name, all})
	}
	if a.MaxAttestedAge < 0 {
		return nil, malformed(field+"max_attested_age", "%s is no age", a.MaxAttestedAge)
	}
	if !slices.Contains([]Status{"", Affirming, Warning}, a.Status) {
		return nil, malformed(field+"status", "%.32q is neither %q nor %q", a.Status, Affirming, Warning)
	}
	if slices.Contains(a.PolicyDigests, "") {
		return nil, malformed(field+"policy_digests", "an empty text is no digest")
	}
	return out, nil
}

// matches reports whether the rule is for a request. The error says that this cannot be told.
func (r *rule) matches(asked *asked) (bool, error) {
	if len(r.hosts) > 0 && asked.host == "" {
		return false, refuse(evidence.CodeAuthorizeRequest, "a rule is for some hosts, and the request names none")
	}
	return (len(r.hosts) == 0 || slices.ContainsFunc(r.hosts, asked.isHost)) &&
		(len(r.paths) == 0 || slices.ContainsFunc(r.paths, asked.isPath)) &&
		(len(r.methods) == 0 || slices.Contains(r.methods, asked.method)), nil
}

// judge refuses a workload that a rule does not allow.
func (a *allow) judge(p *peer, now time.Time) error {
	below := func(id pattern) bool {
		return p.id == id.name && !id.all || id.all && strings.HasPrefix(p.id, id.name+"/")
	}
	switch {
	case !slices.ContainsFunc(a.ids, below):
		return refuse(evidence.CodeAuthorizeSPIFFEID, "the rule does not allow %s", p.id)
	case p.simulated() && !a.Simulated:
		return refuse(evidence.CodeAuthorizeSimulated, "the certificate rests on simulated evidence")
	}
	return a.judgeResult(p.result, now)
}

// judgeResult refuses an attestation result that a rule does not allow, or that is not there.
func (a *allow) judgeResult(r *result, now time.Time) error {
	if a.MaxAttestedAge == 0 && len(a.PolicyDigests) == 0 && a.Status == "" {
		return nil
	}
	if r == nil {
		return refuse(evidence.CodeAuthorizeResult, "the rule asks for what the certificate does not say: the service must put attestation results into certificates (authority.attestation_results)")
	}
	if age := now.Sub(r.at); a.MaxAttestedAge > 0 && (age > a.MaxAttestedAge || age < -clockSkew) {
		return refuse(evidence.CodeAuthorizeAge, "the workload was attested at %s, and the rule asks for %s ago at most", r.at.Format(time.RFC3339), a.MaxAttestedAge)
	}
	for _, digest := range r.policies {
		if len(a.PolicyDigests) > 0 && !slices.Contains(a.PolicyDigests, digest) {
			return refuse(evidence.CodeAuthorizePolicy, "the workload was appraised by policy %.80q", digest)
		}
	}
	if a.Status != "" && r.status != Affirming && r.status != a.Status {
		return refuse(evidence.CodeAuthorizeStatus, "the attestation result is %s, and the rule asks for %s", r.status, a.Status)
	}
	return nil
}
