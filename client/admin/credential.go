package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"

	"github.com/quotary/quotary/client/internal/exchange"
)

// Credential is how an administrator shows who they are: a certificate or a bearer
// token. The zero Credential shows nothing and is refused.
type Credential struct {
	certificate *tls.Certificate
	token       func(context.Context) (string, error)
}

// Certificate is a client certificate of the service's administrators' CA, with
// its key.
func Certificate(c tls.Certificate) Credential { return Credential{certificate: &c} }

// Bearer is a token of the configured identity provider, or the credential that
// the service's first start printed. source is asked for each request, so that it
// can bring a newer one.
func Bearer(source func(context.Context) (string, error)) Credential {
	return Credential{token: source}
}

func (c Credential) apply(e *exchange.Config) error {
	switch {
	case c.certificate != nil:
		if len(c.certificate.Certificate) == 0 || c.certificate.PrivateKey == nil {
			return errors.New("admin: a certificate is nothing without its key")
		}
		e.Certificate = c.certificate
	case c.token != nil:
		e.Authorization = c.bearer
	default:
		return errors.New("admin: a credential is needed")
	}
	return nil
}

// bearer returns the Authorization header (RFC 6750, section 2.1). Errors do not
// tell what the source brought.
func (c Credential) bearer(ctx context.Context) (string, error) {
	token, err := c.token(ctx)
	if err != nil {
		return "", err
	}
	if token == "" || len(token) > maxToken {
		return "", errors.New("admin: the token is empty or too long")
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", errors.New("admin: the token has characters that no token has")
	}
	return "Bearer " + token, nil
}
