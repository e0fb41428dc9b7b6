package admin

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/quotary/quotary/evidence"
)

// remoteKeys are a provider's keys as it publishes them, kept for a while. They
// are fetched when a token needs them.
type remoteKeys struct {
	url       string
	transport http.RoundTripper
	now       func() time.Time

	flight  singleflight.Group // one question to the provider at a time
	mu      sync.Mutex
	set     keySet
	fetched time.Time // when set was
	tried   time.Time // when the provider was last asked
	failure error     // what came of it
}

func newRemoteKeys(url string, transport http.RoundTripper, now func() time.Time) *remoteKeys {
	if transport == nil {
		transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			ForceAttemptHTTP2:      true,
			DisableCompression:     true, // no bombs
			TLSHandshakeTimeout:    fetchTimeout,
			MaxResponseHeaderBytes: maxAnswerHeader,
			IdleConnTimeout:        time.Minute,
		}
	}
	return &remoteKeys{url: url, transport: transport, now: now}
}

// find asks the provider where the key is not known or not fresh; and keeps to what
// is known, for as long as that may be, where the provider does not answer.
func (r *remoteKeys) find(ctx context.Context, keyID string) (providerKey, error) {
	if key, known := r.held(freshFor)[keyID]; known {
		return key, nil
	}
	done := r.flight.DoChan("", func() (any, error) { r.refresh(); return nil, nil })
	select {
	case <-done:
	case <-ctx.Done():
		return providerKey{}, &unreached{ctx.Err()}
	}
	set := r.held(staleFor)
	if set == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		return providerKey{}, &unreached{r.failure}
	}
	return set.find(ctx, keyID)
}

// unreached is the error where the provider's keys cannot be had. The cause, which
// may name hosts and addresses, is for the log alone.
type unreached struct{ cause error }

func (e *unreached) Error() string { return e.Unwrap().Error() + ": " + e.cause.Error() }

func (e *unreached) Unwrap() error {
	return evidence.Errorf(evidence.CodeNotReady, "", "the identity provider's keys cannot be had now, so no token can be judged")
}

// held returns the keys if they are at most this old, else nil. A clock that was
// put back makes them old.
func (r *remoteKeys) held(age time.Duration) keySet {
	r.mu.Lock()
	defer r.mu.Unlock()
	if passed := r.now().Sub(r.fetched); passed < 0 || passed >= age {
		return nil
	}
	return r.set
}

// refresh asks the provider, unless it was asked a moment ago. It is not bound to
// the request that happened to need it: others wait for the same answer.
func (r *remoteKeys) refresh() {
	if !r.mayAsk() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	set, err := r.fetch(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure = err; err == nil {
		r.set, r.fetched = set, r.now()
	}
}

// mayAsk says whether it is time to ask again, and takes the turn.
func (r *remoteKeys) mayAsk() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if passed := now.Sub(r.tried); passed >= 0 && passed < fetchEvery {
		return false
	}
	r.tried = now
	return true
}

// fetch goes through the transport alone: there is no client that could follow a
// redirect or keep a cookie.
func (r *remoteKeys) fetch(ctx context.Context) (keySet, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	request.Header.Set("User-Agent", "quotary")
	response, err := r.transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the provider answered %d; redirects are not followed", response.StatusCode)
	}
	if encoding := response.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, fmt.Errorf("the provider's answer is compressed, which was not asked for")
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxKeySet+1))
	if err != nil {
		return nil, err
	}
	return parseKeySet(data)
}
