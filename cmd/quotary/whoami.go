package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/quotary/quotary/client/admin"
)

const whoamiHelp = `usage: quotary whoami [FLAG]…

Show whom the service takes you for, and what role you have: viewers see, operators
prepare changes, owners make them.

` + adminHelp + adminExits + `
examples:
  quotary whoami
  quotary whoami --profile ci -o json
`

// identity is whoami's answer.
type identity struct {
	admin.Principal
	Profile     string `json:"profile,omitempty"`
	URL         string `json:"url,omitempty"`
	TrustDomain string `json:"trust_domain,omitempty"`
}

func whoami(s streams, args []string) (exit, error) {
	var f adminFlags
	flags := flagSet("whoami")
	f.register(flags)
	if err := parseWithout(flags, args); err != nil {
		return exitFailed, err
	}
	return f.do(s, viewer, func(ctx context.Context, c *admin.Client) error {
		who, err := c.Whoami(ctx)
		if err != nil {
			return err
		}
		return showPrincipal(s, f.output.value, identity{Principal: *who, Profile: f.profile, URL: f.service.url, TrustDomain: f.service.trustDomain}, "")
	})
}

func showPrincipal(s streams, format string, who identity, title string) error {
	return writeValue(s, format, who, func() error {
		if title != "" {
			fmt.Fprintln(s.out, s.terminal.paint(green, title))
		}
		s.fields(row{"name", who.Name}, row{"role", who.Role}, row{"by", who.Method}, row{"until", stamp(who.ExpiresAt)},
			row{"service", who.URL}, row{"trust domain", who.TrustDomain}, row{"profile", who.Profile})
		return nil
	})
}

// stamp is a time to the second, or "" without one.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func pemOf(cert *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
}
