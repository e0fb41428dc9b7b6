package admin

import (
	"cmp"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// Config is the part "admin" of the service's configuration. Without it,
// administrators have certificates of the service's own CA, and the bootstrap
// credential. Nothing in it turns authentication off.
type Config struct {
	// Approvals is how many owners must agree to a change of the policy in force: 1
	// to 16. Defaults to 1, the author alone.
	Approvals *int `yaml:"approvals"`
	// Bootstrap says whether the credential that the first start showed is taken.
	// Turn it off once there are other administrators. Defaults to true.
	Bootstrap *bool `yaml:"bootstrap"`
	// OIDC has tokens of an identity provider taken.
	OIDC OIDC `yaml:"oidc"`
}

// OIDC says which tokens of an OpenID Connect provider make an administrator. It
// is on as soon as there is an issuer.
type OIDC struct {
	// Issuer is the provider's issuer identifier: iss must equal it.
	Issuer string `yaml:"issuer"`
	// Audience is what the tokens are for: aud must be this and nothing else.
	Audience string `yaml:"audience"`
	// JWKSFile is a file with the provider's keys (RFC 7517), read at start and reload.
	JWKSFile string `yaml:"jwks_file"`
	// JWKSURL is where the provider publishes them, instead. Plain http is for this
	// machine alone.
	JWKSURL string `yaml:"jwks_url"`
	// RolesClaim is the claim that Roles are about: a text or a list of texts.
	// Defaults to roles.
	RolesClaim string `yaml:"roles_claim"`
	// Roles says which values of the claim give which role. Where several do, the
	// highest counts; values that are not listed give none.
	Roles Roles `yaml:"roles"`
}

// Roles lists claim values by the role that they give.
type Roles struct {
	Viewer   []string `yaml:"viewer"`
	Operator []string `yaml:"operator"`
	Owner    []string `yaml:"owner"`
}

// defaultRolesClaim is what RolesClaim defaults to.
const defaultRolesClaim = "roles"

// unfit are claims that give nobody a role: what people can set themselves at many
// providers (OpenID Connect Core 1.0 §5.1), and what all tokens have in common.
var unfit = []string{
	"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website",
	"email", "gender", "birthdate", "zoneinfo", "locale", "phone_number", "address", "iss", "aud", "azp", "client_id",
}

// Resolve makes relative paths relative to dir.
func (c *Config) Resolve(dir string) {
	if file := c.OIDC.JWKSFile; file != "" && !filepath.IsAbs(file) {
		c.OIDC.JWKSFile = filepath.Join(dir, file)
	}
}

// Check refuses, with an *evidence.Error, what does not fit together.
func (c Config) Check() error {
	if n := c.approvals(); n < 1 || n > maxApprovals {
		return malformed("approvals", "%d is not between 1 and %d", n, maxApprovals)
	}
	if c.OIDC.Issuer == "" {
		if !c.OIDC.empty() {
			return malformed("oidc.issuer", "it is missing, and without it no token is taken")
		}
		return nil
	}
	return c.OIDC.check()
}

// approvals is Approvals, or its default.
func (c Config) approvals() int {
	if c.Approvals == nil {
		return 1
	}
	return *c.Approvals
}

// bootstrap is Bootstrap, or its default.
func (c Config) bootstrap() bool { return c.Bootstrap == nil || *c.Bootstrap }

func (o OIDC) empty() bool {
	return o.Audience+o.JWKSFile+o.JWKSURL+o.RolesClaim == "" && len(o.Roles.Viewer)+len(o.Roles.Operator)+len(o.Roles.Owner) == 0
}

// rolesClaim is RolesClaim, or its default.
func (o OIDC) rolesClaim() string { return cmp.Or(o.RolesClaim, defaultRolesClaim) }

func (o OIDC) check() error {
	if len(o.Issuer) > maxIssuer || !isService(o.Issuer) || strings.Contains(o.Issuer, "?") {
		return malformed("oidc.issuer", "%.64q is no issuer identifier, such as https://login.example.org", o.Issuer)
	}
	if o.Audience == "" || len(o.Audience) > maxAudience || !isPrintable(o.Audience) {
		return malformed("oidc.audience", "it is needed: 1 to %d printable characters of ASCII", maxAudience)
	}
	if (o.JWKSFile == "") == (o.JWKSURL == "") {
		return malformed("oidc", "one of jwks_file and jwks_url is needed")
	}
	if o.JWKSURL != "" && !isService(o.JWKSURL) {
		return malformed("oidc.jwks_url", "%.64q is no https URL, nor http of this machine", o.JWKSURL)
	}
	claim := o.rolesClaim()
	if len(claim) > maxClaimName || !isPrintable(claim) || slices.Contains(unfit, claim) {
		return malformed("oidc.roles_claim", "%.64q is no claim to decide by: choose one that the provider's administrators alone decide", claim)
	}
	return o.Roles.check()
}

func (r Roles) check() error {
	seen := map[string]bool{}
	for _, values := range [][]string{r.Viewer, r.Operator, r.Owner} {
		if len(values) > maxMapped {
			return malformed("oidc.roles", "a role is given by at most %d values", maxMapped)
		}
		for _, value := range values {
			if value == "" || len(value) > maxTokenText || seen[value] {
				return malformed("oidc.roles", "%.64q is empty, too long or listed twice", value)
			}
			seen[value] = true
		}
	}
	if len(seen) == 0 {
		return malformed("oidc.roles", "no value gives any role, so no token would be of use")
	}
	return nil
}

// of returns the highest role that one of values gives, or zero.
func (r Roles) of(values []string) Role {
	for _, given := range []struct {
		role Role
		by   []string
	}{{Owner, r.Owner}, {Operator, r.Operator}, {Viewer, r.Viewer}} {
		for _, value := range values {
			if slices.Contains(given.by, value) {
				return given.role
			}
		}
	}
	return 0
}

// isService reports whether text is an https URL, or an http one of this machine.
func isService(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || !isPrintable(text) {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// isPrintable reports whether text is printable ASCII with no space at either end.
func isPrintable(text string) bool {
	other := func(r rune) bool { return r < ' ' || r > '~' }
	return text != "" && strings.TrimSpace(text) == text && !strings.ContainsFunc(text, other)
}

func malformed(field, format string, args ...any) error {
	return evidence.Errorf(evidence.CodeConfigMalformed, "admin."+field, format, args...)
}
