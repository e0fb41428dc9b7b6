package admin

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

func number(n int) *int { return &n }

func TestConfig(t *testing.T) {
	set := func(change func(*OIDC)) Config {
		o := oidc("jwks.json")
		change(&o)
		return Config{OIDC: o}
	}
	for name, c := range map[string]Config{
		"empty": {}, "approvals": {Approvals: number(maxApprovals)}, "OIDC": set(func(*OIDC) {}),
		"URL": set(func(o *OIDC) { o.JWKSFile, o.JWKSURL = "", "https://login.example.org/keys?v=2" }),
		"http of this machine": set(func(o *OIDC) {
			o.JWKSFile, o.JWKSURL, o.Issuer = "", "http://127.0.0.1:5556/keys", "http://localhost:5556/dex"
		}),
		"http of this machine, IPv6": set(func(o *OIDC) { o.JWKSFile, o.JWKSURL = "", "http://[::1]:5556/keys" }),
		"default claim":              set(func(o *OIDC) { o.RolesClaim = "" }),
		"a claim named by a URL":     set(func(o *OIDC) { o.RolesClaim = "https://quotary.example.org/roles" }),
		"owners alone":               set(func(o *OIDC) { o.Roles.Viewer, o.Roles.Operator = nil, nil }),
	} {
		if err := c.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	url := func(text string) Config { return set(func(o *OIDC) { o.JWKSFile, o.JWKSURL = "", text }) }
	claim := func(name string) Config { return set(func(o *OIDC) { o.RolesClaim = name }) }
	for name, c := range map[string]Config{
		"no approvals": {Approvals: number(0)}, "less": {Approvals: number(-1)}, "too many approvals": {Approvals: number(maxApprovals + 1)},
		"no issuer":             set(func(o *OIDC) { o.Issuer = "" }),
		"roles alone":           {OIDC: OIDC{Roles: Roles{Owner: []string{"x"}}}},
		"issuer without scheme": set(func(o *OIDC) { o.Issuer = "login.example.org" }),
		"issuer over http":      set(func(o *OIDC) { o.Issuer = "http://login.example.org" }),
		"issuer with query":     set(func(o *OIDC) { o.Issuer += "?x" }),
		"issuer with fragment":  set(func(o *OIDC) { o.Issuer += "#x" }),
		"issuer with user":      set(func(o *OIDC) { o.Issuer = "https://a:b@login.example.org" }),
		"long issuer":           set(func(o *OIDC) { o.Issuer += "/" + strings.Repeat("a", maxIssuer) }),
		"no audience":           set(func(o *OIDC) { o.Audience = "" }),
		"audience with line":    set(func(o *OIDC) { o.Audience = "a\nb" }),
		"no keys":               set(func(o *OIDC) { o.JWKSFile = "" }),
		"keys twice":            set(func(o *OIDC) { o.JWKSURL = "https://login.example.org/keys" }),
		"keys over http":        url("http://login.example.org/keys"),
		"keys of nearly here":   url("http://127.0.0.1.example.org/keys"),
		"keys of localhost's":   url("http://localhost.example.org/keys"),
		"keys of a file":        url("file:///etc/jwks.json"),
		"keys of no host":       url("https:///keys"),
		"keys with user":        url("https://u@login.example.org/keys"),
		"no roles":              set(func(o *OIDC) { o.Roles = Roles{} }),
		"an empty value":        set(func(o *OIDC) { o.Roles.Owner = []string{""} }),
		"a value of two roles":  set(func(o *OIDC) { o.Roles.Owner = []string{"staff"} }),
		"a value twice":         set(func(o *OIDC) { o.Roles.Owner = []string{"x", "x"} }),
		"too many values":       set(func(o *OIDC) { o.Roles.Owner = strings.Fields(strings.Repeat("x ", maxMapped+1)) }),
		"by mail":               claim("email"), "by name": claim("preferred_username"), "by audience": claim("aud"), "by issuer": claim("iss"),
		"long claim": claim(strings.Repeat("a", maxClaimName+1)), "claim with space": claim(" groups"),
	} {
		refusedWith(t, name, c.Check(), evidence.CodeConfigMalformed)
	}
	c := set(func(*OIDC) {})
	c.Resolve("/etc/quotary")
	if c.OIDC.JWKSFile != "/etc/quotary/jwks.json" {
		t.Error(c.OIDC.JWKSFile)
	}
	c.Resolve("/elsewhere")
	empty := Config{}
	empty.Resolve("/etc")
	if c.OIDC.JWKSFile != "/etc/quotary/jwks.json" || empty.OIDC.JWKSFile != "" {
		t.Errorf("%q, %q", c.OIDC.JWKSFile, empty.OIDC.JWKSFile)
	}
}

// docs/administrators.md has every key, every action with its role, and an example
// that loads.
func TestAdministratorsDocument(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "administrators.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for action, needs := range actions {
		if row := "| `" + needs.name + "` | "; !strings.Contains(text, row) || !strings.Contains(line(text, row), " | "+needs.least.String()+" |") {
			t.Errorf("the action %s does not stand there with its role", action)
		}
	}
	keysOf(reflect.TypeFor[Config](), "admin.", func(key string) {
		if !strings.Contains(text, "| `"+key+"` |") {
			t.Errorf("the key %s does not stand there", key)
		}
	})
	for _, word := range append([]string{keyFile, certFile, issuedDir, revokedDir, DirName}, browserHeaders[:2]...) {
		if !strings.Contains(text, word) {
			t.Errorf("%s does not stand there", word)
		}
	}
	for _, algorithm := range algorithms {
		if !strings.Contains(text, string(algorithm)) {
			t.Errorf("%s does not stand there", algorithm)
		}
	}
	_, example, _ := strings.Cut(text, "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	var file struct {
		Admin Config `yaml:"admin"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader([]byte(example)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	if err := file.Admin.Check(); err != nil || file.Admin.OIDC.Issuer == "" || file.Admin.approvals() != 2 || file.Admin.bootstrap() {
		t.Errorf("%+v, %v", file.Admin, err)
	}
}

// line is the line of text that begins with this.
func line(text, begins string) string {
	_, rest, _ := strings.Cut(text, "\n"+begins)
	rest, _, _ = strings.Cut(rest, "\n")
	return rest
}

// keysOf lists the keys of a part of the configuration; roles are one key.
func keysOf(t reflect.Type, prefix string, f func(string)) {
	for field := range t.Fields() {
		key := prefix + field.Tag.Get("yaml")
		if field.Type == reflect.TypeFor[OIDC]() {
			keysOf(field.Type, key+".", f)
			continue
		}
		f(key)
	}
}
