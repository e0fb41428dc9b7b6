package attacks

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/tee"
)

// Target is a service to attack.
type Target struct {
	// URL is where it answers: https, host and port.
	URL string
	// Roots are what its certificate is verified under.
	Roots *x509.CertPool
	// TrustDomain is that of the identities it grants.
	TrustDomain string
	// World has the simulated vendors that it trusts. The attacker owns their hardware,
	// and whoever certifies it. Its clock goes on, and is that of the target.
	World *simulators.World
	// Unendorsed is another service on the same world, with the same policies, that has no
	// endorsements and fetches none. Nil if there is none: then the attacks with collateral
	// that the target itself would not miss are skipped.
	Unendorsed *Target
}

// Attacker speaks to a target as anybody on its network can, and owns the hardware.
// It is safe for concurrent use.
type Attacker struct {
	target   Target
	http     *http.Client
	subjects map[string]*Subject
	subject  *Subject  // of the case that is tried
	other    *Attacker // of the target's neighbour without endorsements, or nil
}

// newAttacker makes the subjects' machines.
func newAttacker(t Target) (*Attacker, error) {
	if t.URL == "" || t.World == nil || t.TrustDomain == "" {
		return nil, errors.New("attacks: a target needs a URL, a trust domain and a simulated world")
	}
	subjects, err := allSubjects(t.World)
	if err != nil {
		return nil, err
	}
	a := &Attacker{target: t, subjects: map[string]*Subject{}, http: newClient(t)}
	for i := range subjects {
		a.subjects[subjects[i].Name] = &subjects[i]
	}
	if t.Unendorsed != nil {
		a.other = &Attacker{target: *t.Unendorsed, subjects: a.subjects, http: newClient(*t.Unendorsed)}
	}
	return a, nil
}

// newClient trusts the target's roots alone, and follows nothing.
func newClient(t Target) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: t.Roots, MinVersion: tls.VersionTLS13},
			MaxIdleConnsPerHost: maxAtOnce,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// close lets go of the connections.
func (a *Attacker) close() {
	a.http.CloseIdleConnections()
	if a.other != nil {
		a.other.close()
	}
}

// at returns the attacker of one subject.
func (a *Attacker) at(name string) (*Attacker, error) {
	subject, ok := a.subjects[name]
	if !ok {
		return nil, fmt.Errorf("there is no subject %q", name)
	}
	scoped := *a
	scoped.subject = subject
	return &scoped, nil
}

// Unendorsed is the attacker of the target's neighbour without endorsements, at the same
// subject. The error is that of [Skip] if there is none.
func (a *Attacker) Unendorsed() (*Attacker, error) {
	if a.other == nil {
		return nil, Skip("it takes a second service that has no endorsements")
	}
	scoped := *a.other
	scoped.subject = a.subject
	return &scoped, nil
}

// World is the simulated world.
func (a *Attacker) World() *simulators.World { return a.target.World }

// TrustDomain is that of the target, and the audience of its challenges.
func (a *Attacker) TrustDomain() string { return a.target.TrustDomain }

// Machine is the honest machine of the case's subject. Whoever changes it changes a copy.
func (a *Attacker) Machine() tee.Attester { return a.subject.Machine }

// MachineOf is the honest machine of another subject.
func (a *Attacker) MachineOf(subject string) (tee.Attester, error) {
	other, err := a.at(subject)
	if err != nil {
		return nil, err
	}
	return other.Machine(), nil
}

// Honest attests as the subject's honest machine does.
func (a *Attacker) Honest(ctx context.Context) (Got, error) {
	if a.subject.Honest != nil {
		return a.subject.Honest(ctx, a)
	}
	return a.Attest(ctx, Attempt{})
}

// Client is the attacker's HTTP client, for requests that are no JSON by POST.
func (a *Attacker) Client() *http.Client { return a.http }

// Answer is what the target answered, as it came.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do sends a request as it is. The path begins with a slash.
func (a *Attacker) Do(ctx context.Context, method, path string, header http.Header, body io.Reader) (Answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, a.target.URL+path, body)
	if err != nil {
		return Answer{}, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := a.http.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return Answer{response.StatusCode, response.Header, data}, err
}

// Post sends a body, which need not be JSON, as JSON. Where the target is too busy to look at
// it, which says nothing of the attack, it is sent again.
func (a *Attacker) Post(ctx context.Context, path string, body []byte) (answer Answer, err error) {
	for range maxBusy {
		answer, err = a.Do(ctx, http.MethodPost, path, http.Header{"Content-Type": {"application/json"}}, bytes.NewReader(body))
		if err != nil || answer.Status != http.StatusServiceUnavailable || answer.Got(nil).Code != evidence.CodeOverloaded {
			break
		}
		select {
		case <-time.After(busyPause):
		case <-ctx.Done():
			return answer, ctx.Err()
		}
	}
	return answer, err
}

// PostMembers sends an object of these members.
func (a *Attacker) PostMembers(ctx context.Context, path string, members map[string]any) (Answer, error) {
	body, err := json.Marshal(members)
	if err != nil {
		return Answer{}, err
	}
	return a.Post(ctx, path, body)
}

// Challenge is one that the target issued.
type Challenge struct {
	Challenge string           `json:"challenge"`
	Nonce     string           `json:"nonce"` // base64url
	Purpose   evidence.Purpose `json:"purpose"`
	Audience  string           `json:"audience"`
}

// NonceBytes are those that the binding covers.
func (c Challenge) NonceBytes() (nonce [evidence.NonceSize]byte, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(c.Nonce)
	if err != nil || len(raw) != len(nonce) {
		return nonce, fmt.Errorf("the challenge's nonce %q is not %d bytes", c.Nonce, len(nonce))
	}
	return [evidence.NonceSize]byte(raw), nil
}

// Challenge asks for a challenge.
func (a *Attacker) Challenge(ctx context.Context, purpose evidence.Purpose) (c Challenge, err error) {
	answer, err := a.PostMembers(ctx, "/v1/challenges", map[string]any{"purpose": purpose})
	if err != nil {
		return c, err
	}
	if answer.Status != http.StatusOK {
		return c, fmt.Errorf("no challenge: status %d, %.200s", answer.Status, answer.Body)
	}
	return c, json.Unmarshal(answer.Body, &c)
}

// skipped is the error of a case that a target cannot be tried with.
type skipped struct{ why string }

func (s *skipped) Error() string { return s.why }

// Skip returns the error with which a case says why this target cannot be tried.
func Skip(why string) error { return &skipped{why} }
