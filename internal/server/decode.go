package server

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/strictjson"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
	"github.com/quotary/quotary/tokens"
)

// readBody reads a JSON body within the bounds that hold for everybody.
func (x *exchange) readBody() ([]byte, error) { return x.readUpTo(maxBody) }

func (x *exchange) readUpTo(most int64) ([]byte, error) { return x.readAs(mediaTypeJSON, most) }

// readAs reads a body of one media type.
func (x *exchange) readAs(mediaType string, most int64) ([]byte, error) {
	if err := checkHeaders(x.r.Header, mediaType); err != nil {
		return nil, err
	}
	var body []byte
	var err error
	x.place.waits(cutBody(x.w), func() { body, err = io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, most)) })
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, evidence.Errorf(evidence.CodeRequestTooLarge, "", "this request's body takes at most %d bytes", most)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, evidence.Errorf(evidence.CodeRequestTimeout, "", "the body did not arrive in time")
	case err != nil:
		return nil, evidence.Errorf(evidence.CodeRequestMalformed, "", "the body ended early")
	}
	return body, nil
}

const mediaTypeJSON = "application/json"

// checkHeaders wants exactly this media type, and no compression, which would let a small body
// become a large one.
func checkHeaders(h http.Header, want string) error {
	for _, coding := range h.Values("Content-Encoding") {
		if !strings.EqualFold(coding, "identity") {
			return evidence.Errorf(evidence.CodeContentEncoding, "Content-Encoding", "bodies are taken as they are, not compressed")
		}
	}
	types := h.Values("Content-Type")
	if len(types) == 1 {
		mediaType, params, err := mime.ParseMediaType(types[0])
		charset, given := params["charset"]
		if err == nil && mediaType == want && (len(params) == 0 || len(params) == 1 && given && strings.EqualFold(charset, "utf-8")) {
			return nil
		}
	}
	return evidence.Errorf(evidence.CodeRequestMediaType, "Content-Type", "send %s", want)
}

// object is a JSON object's members, undecoded.
type object map[string]json.RawMessage

// decodeObject reads one JSON object with only the members that may be there,
// each once, spelled exactly so.
func decodeObject(body []byte, may ...string) (object, error) {
	members, err := strictjson.Members(body, maxMembers)
	var repeated *strictjson.Repeated
	switch {
	case errors.As(err, &repeated) && slices.Contains(may, repeated.Name):
		return nil, malformed(repeated.Name, "the member occurs twice")
	case err != nil:
		return nil, malformed("", "the body is not one JSON object: %w", err)
	}
	o := object{}
	for _, m := range members {
		if !slices.Contains(may, m.Name) {
			return nil, malformed(clip(m.Name, maxName), "there is no such member here; the members are %s", strings.Join(may, ", "))
		}
		if most, bounded := mostOf(m.Name); bounded && len(m.Value) > most {
			return nil, malformed(m.Name, "the member takes more than %d bytes", most)
		}
		o[m.Name] = m.Value
	}
	return o, nil
}

// The members that may be large.
const (
	memberEvidence     = "evidence"
	memberEndorsements = "endorsements"

	memberEKCertificates = "ek_certificates"
)

// mostOf returns the bound on a member, if it has one of its own.
func mostOf(name string) (most int, bounded bool) {
	switch name {
	case memberEvidence, memberDocuments: // the body's bound is theirs
		return 0, false
	case memberEndorsements:
		return maxEndorsements, true
	case memberEKCertificates:
		return maxEKCertificates, true
	}
	return maxMember, true
}

// text returns a string member, or "" if it is not there. Null is no string.
func (o object) text(name string) (string, error) {
	raw, ok := o[name]
	if !ok {
		return "", nil
	}
	var s *string
	if json.Unmarshal(raw, &s) != nil || s == nil {
		return "", malformed(name, "this is not a string")
	}
	return *s, nil
}

// texts returns a member that is an array of strings, or nil if it is not there.
func (o object) texts(name string) ([]string, error) {
	raw, ok := o[name]
	if !ok {
		return nil, nil
	}
	var list []*string
	if json.Unmarshal(raw, &list) != nil || list == nil || slices.Contains(list, nil) {
		return nil, malformed(name, "this is not an array of strings")
	}
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = *s
	}
	return out, nil
}

// evidence returns the bundle in the member "evidence": a CMW in JSON as it
// stands, or one in CBOR (or bare evidence) as base64url text.
func (o object) evidence() (evidence.Bundle, error) {
	raw, ok := o[memberEvidence]
	if !ok {
		return nil, evidence.Errorf(evidence.CodeEvidenceEmpty, "evidence", "there is no evidence in the request")
	}
	if raw[0] != '"' {
		if raw[0] != '{' && raw[0] != '[' {
			return nil, malformed("evidence", "evidence is a CMW in JSON, or base64url text")
		}
		return evidence.Parse(raw)
	}
	text, err := o.text(memberEvidence)
	if err != nil {
		return nil, err
	}
	if strings.ContainsAny(text, "\r\n") { // which the decoder would pass over
		return nil, malformed("evidence", "the text is not base64url without padding")
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, malformed("evidence", "the text is not base64url without padding")
	}
	return evidence.Parse(data)
}

// endorsements returns what came with the evidence to save the service from
// fetching it: documents as base64 text, each recognised by its content. Nil if
// there are none.
func (o object) endorsements() (*tee.Endorsements, error) {
	texts, err := o.texts(memberEndorsements)
	if err != nil || len(texts) == 0 {
		return nil, err
	}
	if len(texts) > maxStapled {
		return nil, malformed(memberEndorsements, "more than %d documents", maxStapled)
	}
	e := &tee.Endorsements{}
	for i, text := range texts {
		field := fmt.Sprintf("%s[%d]", memberEndorsements, i)
		data, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || strings.ContainsAny(text, "\r\n") {
			return nil, malformed(field, "this is not base64")
		}
		if err := endorsements.Parse(field, data, e); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// der returns a member that holds DER as PEM of this label or as base64, or nil
// if it is not there.
func (o object) der(name, label string) ([]byte, error) {
	text, err := o.text(name)
	if err != nil || text == "" {
		if _, given := o[name]; given && err == nil {
			err = evidence.Errorf(evidence.CodeKeyMalformed, name, "this is empty")
		}
		return nil, err
	}
	if strings.HasPrefix(text, "-----BEGIN ") {
		block, rest := pem.Decode([]byte(text))
		if block == nil || block.Type != label || len(block.Headers) > 0 || strings.Count(text, "-----BEGIN ") != 1 || strings.TrimSpace(string(rest)) != "" {
			return nil, evidence.Errorf(evidence.CodeKeyMalformed, name, "this is not one PEM block %q", label)
		}
		return block.Bytes, nil
	}
	der, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, evidence.Errorf(evidence.CodeKeyMalformed, name, "this is neither PEM nor base64 of DER")
	}
	return der, nil
}

// formats returns the token formats in the member "token", each once.
func (o object) formats() ([]tokens.Format, error) {
	names, err := o.texts("token")
	if err != nil {
		return nil, err
	}
	var formats []tokens.Format
	for _, name := range names {
		f := tokens.Format(name)
		if f != tokens.FormatJWT && f != tokens.FormatCWT || slices.Contains(formats, f) {
			return nil, malformed("token", "the formats are \"jwt\" and \"cwt\", each at most once")
		}
		formats = append(formats, f)
	}
	return formats, nil
}

// audience returns the member "audience", or otherwise if it is not there.
func (o object) audience(otherwise string) (string, error) {
	if _, given := o["audience"]; !given {
		return otherwise, nil
	}
	audience, err := o.text("audience")
	if err != nil {
		return "", err
	}
	if audience == "" || len(audience) > evidence.MaxAudience {
		return "", malformed("audience", "an audience takes 1 to %d bytes", evidence.MaxAudience)
	}
	return audience, nil
}

func malformed(field, format string, args ...any) error {
	return evidence.Errorf(evidence.CodeRequestMalformed, field, format, args...)
}
