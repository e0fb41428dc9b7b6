// Package exchange is what the clients of the service share: a connection that
// is the service's and nobody else's, requests and answers in JSON, and the
// service's refusals.
//
// Start at [New] and [Service.Call].
package exchange

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
)

// Config says which service to talk to, and how.
type Config struct {
	// URL is the service's address: https, a host and nothing else.
	URL string
	// TrustDomain is the trust domain that the service must stand for.
	TrustDomain string
	// Roots are the roots of the service's authority. The system's are never used.
	Roots *x509.CertPool
	// Certificate shows who the client is; nil for one that does not say so in TLS.
	Certificate *tls.Certificate
	// Authorization returns the header of that name; nil for none.
	Authorization func(context.Context) (string, error)
	// Timeout bounds one exchange, and MaxResponse the answer's body in bytes.
	Timeout     time.Duration
	MaxResponse int
	// Now is the clock by which the service's certificate is judged; nil means time.Now.
	Now func() time.Time
}

// Service is a service that authenticates itself with each connection. It is safe
// for concurrent use.
type Service struct {
	base   string
	config Config
	http   *http.Client
}

// New returns a Service. There is no way to have one that is not authenticated.
func New(c Config) (*Service, error) {
	base, err := CheckURL(c.URL)
	if err != nil {
		return nil, err
	}
	if c.Roots == nil || c.TrustDomain == "" {
		return nil, errors.New("client: the service's trust domain and its authority's roots are needed")
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: c.Roots, Time: c.Now,
		VerifyConnection: func(state tls.ConnectionState) error {
			return CheckService(state.PeerCertificates[0], c.TrustDomain)
		},
	}
	if c.Certificate != nil {
		// Whichever authorities the service names: there is one certificate to send.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.Certificate, nil }
	}
	return &Service{base, c, HTTP(config, c.Timeout)}, nil
}

// Close closes idle connections.
func (s *Service) Close() { s.http.CloseIdleConnections() }

// HTTP returns a client that speaks to whom config lets it, over TLS and directly.
func HTTP(config *tls.Config, timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout: timeout,
		// No proxy from the environment, and no redirects: there is one service.
		Transport: &http.Transport{
			TLSClientConfig: config, ForceAttemptHTTP2: true, DisableCompression: true,
			MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// CheckURL returns the URL of a service without a path.
func CheckURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("client: the URL of a service is https://HOST or https://HOST:PORT")
	}
	return "https://" + u.Host, nil
}

// CheckService wants the service itself at the other end, not a workload that
// the same authority gave a certificate: only the service has this SPIFFE ID.
func CheckService(leaf *x509.Certificate, trustDomain string) error {
	if len(leaf.URIs) != 1 || leaf.URIs[0].String() != "spiffe://"+trustDomain+"/quotary" {
		return evidence.Errorf(evidence.CodeServiceUnreached, "", "the certificate at the other end is not the service's of trust domain %q", trustDomain)
	}
	return nil
}

// Call sends in as JSON, or nothing if in is nil, and decodes the answer into out.
// An error is a *[Problem] if the service refused, an *evidence.Error if there is
// no usable answer, or that of Config.Authorization.
func (s *Service) Call(ctx context.Context, method, path string, in, out any) error {
	body, err := s.exchange(ctx, method, path, in, "application/json", s.config.MaxResponse)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, out); err != nil {
		return Unusable("", "the answer cannot be decoded")
	}
	return nil
}

// Get returns what the service has at a path: of a media type, and most bytes at most. Errors
// are as for Call.
func (s *Service) Get(ctx context.Context, path, mediaType string, most int) ([]byte, error) {
	return s.exchange(ctx, http.MethodGet, path, nil, mediaType, most)
}

// exchange sends in as JSON, or nothing, and returns the body of an answer.
func (s *Service) exchange(ctx context.Context, method, path string, in any, mediaType string, most int) ([]byte, error) {
	req, err := s.request(ctx, method, path, in)
	if err != nil {
		return nil, err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, Unreached(err)
	}
	defer resp.Body.Close()
	return read(resp, mediaType, most)
}

func (s *Service) request(ctx context.Context, method, path string, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, body)
	if err != nil {
		return nil, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if s.config.Authorization != nil {
		value, err := s.config.Authorization(ctx)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", value)
	}
	return req, nil
}

// Unreached is the error of an exchange that brought no answer.
func Unreached(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the URL is the caller's own
	}
	return evidence.Errorf(evidence.CodeServiceUnreached, "", "no answer from the service: %w", err)
}

// read returns the body of an answer, of a media type and most bytes at most.
func read(resp *http.Response, wanted string, most int) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(most)+1))
	if err != nil {
		return nil, Unreached(err)
	}
	if len(body) > most {
		return nil, Unusable("", "the answer takes more than %d bytes", most)
	}
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return nil, Unusable("Content-Type", "the answer's type cannot be read")
	}
	if resp.StatusCode != http.StatusOK {
		return nil, decodeProblem(resp, mediaType, body)
	}
	if mediaType != wanted {
		return nil, Unusable("Content-Type", "the answer is not %s", wanted)
	}
	return body, nil
}

// Unusable is the error of an answer that is not what was asked for.
func Unusable(field, format string, args ...any) error {
	return evidence.Errorf(evidence.CodeResponseMalformed, field, format, args...)
}
