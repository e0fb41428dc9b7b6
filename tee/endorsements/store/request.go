package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
)

// newTransport is the transport of a store that was not given one. Which proxy
// to go through is the operator's to say, in the environment; nothing else is.
func newTransport() http.RoundTripper {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // no bombs; the contents are random anyway
		TLSHandshakeTimeout:    attemptTimeout,
		MaxResponseHeaderBytes: maxAnswerHeader,
		MaxConnsPerHost:        2 * defaultConcurrency,
		MaxIdleConnsPerHost:    defaultConcurrency,
		IdleConnTimeout:        time.Minute,
	}
}

// refusal is why a request brought nothing.
type refusal struct {
	err *evidence.Error
	// wide says that the next name would fare no better: the vendor is down.
	wide bool
	// paused says that the vendor wants fewer requests; pause for how long, if it said so.
	paused bool
	pause  time.Duration
	// absent says that the vendor knows no such name.
	absent bool
}

// get asks the vendor and recognises its answer. Nothing of it is verified yet.
// It goes through the transport alone: there is no client that could follow a
// redirect or keep a cookie.
func (v *vendor) get(ctx context.Context, t target) (*tee.Endorsements, *refusal) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url.String(), nil)
	if err != nil {
		return nil, v.refuse(t, evidence.CodeEndorsementUnreachable, "%w", err)
	}
	request.Header.Set("User-Agent", "quotary")
	response, err := v.transport.RoundTrip(request)
	if err != nil {
		return nil, v.down(t, err)
	}
	defer response.Body.Close()
	if r := v.examine(t, response); r != nil {
		return nil, r
	}
	body, r := v.read(t, response)
	if r != nil {
		return nil, r
	}
	return v.recognise(t, response.Header, body)
}

// down is the refusal of a vendor that cannot be reached, or not in time.
func (v *vendor) down(t target, cause error) *refusal {
	if errors.Is(cause, context.DeadlineExceeded) {
		cause = fmt.Errorf("no whole answer within %v", attemptTimeout)
	}
	r := v.refuse(t, evidence.CodeEndorsementUnreachable, "%s; is the base URL right, and is there a proxy to go through?", plain(cause.Error()))
	r.wide = true
	return r
}

func (v *vendor) refuse(t target, code evidence.Code, format string, args ...any) *refusal {
	return &refusal{err: evidence.Errorf(code, t.name.String(), v.name+": "+format, args...)}
}

// examine judges an answer by its status and header.
func (v *vendor) examine(t target, response *http.Response) *refusal {
	status := response.StatusCode
	said := "answered " + strconv.Itoa(status)
	switch {
	case status == http.StatusOK:
		return v.examineContent(t, response)
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable && response.Header.Get("Retry-After") != "":
		r := v.refuse(t, evidence.CodeEndorsementThrottled, "%s: it wants fewer requests; a caching proxy or an offline bundle spares it", said)
		r.paused, r.pause = true, retryAfter(response.Header.Get("Retry-After"), time.Now())
		return r
	case status == http.StatusNotFound, status == http.StatusGone, status == http.StatusBadRequest:
		r := v.refuse(t, evidence.CodeEndorsementNotFound, "%s", said)
		r.absent = true
		return r
	case status >= 300 && status < 400:
		r := v.refuse(t, evidence.CodeEndorsementUnreachable, "%s, and redirects are not followed; configure the base URL that it leads to", said)
		r.wide = true
		return r
	case status == http.StatusInternalServerError, status < 500:
		// It may be this request alone that the service does not bear.
		return v.refuse(t, evidence.CodeEndorsementUnreachable, "%s", said)
	}
	r := v.refuse(t, evidence.CodeEndorsementUnreachable, "%s", said)
	r.wide = true
	return r
}

func (v *vendor) examineContent(t target, response *http.Response) *refusal {
	if encoding := response.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return v.refuse(t, evidence.CodeEndorsementUnreachable, "the answer is compressed (%.20q), which was not asked for", encoding)
	}
	if typ, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")); typ == "text/html" {
		return v.refuse(t, evidence.CodeEndorsementUnreachable, "the answer is a web page; does a proxy or a log-in page stand between?")
	}
	return nil
}

// retryAfter reads the header field of that name (RFC 9110, section 10.2.3),
// within the store's own bounds; zero if it says nothing.
func retryAfter(value string, now time.Time) time.Duration {
	var pause time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		pause = time.Duration(seconds) * time.Second
	} else if date, err := http.ParseTime(value); err == nil {
		pause = date.Sub(now)
	} else {
		return 0
	}
	return min(max(pause, minRetry), maxRetryAfter)
}

// read reads the body, all of it, if it is not too large.
func (v *vendor) read(t target, response *http.Response) ([]byte, *refusal) {
	tooLarge := func() *refusal {
		return v.refuse(t, evidence.CodeEndorsementTooLarge, "the answer is larger than %d bytes", endorsements.MaxFile)
	}
	if response.ContentLength > endorsements.MaxFile {
		return nil, tooLarge()
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, endorsements.MaxFile+1))
	if err != nil {
		return nil, v.down(t, err)
	}
	if len(body) > endorsements.MaxFile {
		return nil, tooLarge()
	}
	if response.ContentLength >= 0 && int64(len(body)) != response.ContentLength {
		return nil, v.down(t, io.ErrUnexpectedEOF)
	}
	v.count(func(s *served) { s.bytes += uint64(len(body)) })
	return body, nil
}

// recognise takes an answer apart: its body, and the chains in its header.
func (v *vendor) recognise(t target, header http.Header, body []byte) (*tee.Endorsements, *refusal) {
	found := &tee.Endorsements{}
	err := endorsements.Parse(t.name.String(), body, found)
	for _, name := range v.headers {
		for _, value := range header.Values(name) {
			if err == nil {
				err = endorsements.ParseText(t.name.String(), value, found)
			}
		}
	}
	var refused *evidence.Error
	if errors.As(err, &refused) {
		return nil, &refusal{err: evidence.Errorf(refused.Code, t.name.String(), "%s: the answer: %s", v.name, plain(refused.Detail))}
	}
	return found, nil
}
