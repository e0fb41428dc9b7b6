package admin

import (
	"errors"
	"strconv"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/strictjson"
)

var errNoObject = errors.New("not a JSON object")

// bound are claims of what is no bearer token: one that needs a proof of a key
// beside it (RFC 7800 §3.1), and messages of a provider about events (RFC 8417 §2.2).
var bound = []string{"cnf", "events"}

// judge returns the principal that a token's claims describe, if they are for this
// service and of now. It says nothing of the signature. The error has CodeForbidden
// where the claims are good and give no role: the principal then has none.
func (o OIDC) judge(claims strictjson.Value, now time.Time) (Principal, error) {
	if issuer, _ := textOf(claims, "iss"); issuer != o.Issuer {
		return Principal{}, refused("the token is of another issuer than the configured one")
	}
	if !isAudience(claims.Get("aud"), o.Audience) {
		return Principal{}, refused("the token is not for this service alone: aud must be the configured audience and no other")
	}
	for _, name := range bound {
		if claims.Get(name) != nil {
			return Principal{}, refused("the token has the claim %q, so it is no bearer token", name)
		}
	}
	until, err := judgeTimes(claims, now)
	if err != nil {
		return Principal{}, err
	}
	subject, _ := textOf(claims, "sub")
	if len(subject) > maxSubject || !isPrintable(subject) {
		return Principal{}, refused("the token's sub is not 1 to %d printable characters of ASCII", maxSubject)
	}
	values, err := textsOf(claims.Get(o.rolesClaim()))
	if err != nil {
		return Principal{}, err
	}
	p := Principal{Name: subject, Role: o.Roles.of(values), Method: ByOIDC, Issuer: o.Issuer, Until: until}
	if p.Role == 0 {
		return p, evidence.Errorf(evidence.CodeForbidden, "", "the token's claim %q gives %.64q no role here", o.rolesClaim(), subject)
	}
	return p, nil
}

// isAudience takes a text, or a list of one. A token for others as well could be
// sent here by any of them.
func isAudience(v *strictjson.Value, want string) bool {
	if v != nil && v.Kind == strictjson.Array && len(v.Items) == 1 {
		v = &v.Items[0].Value
	}
	return v != nil && v.Kind == strictjson.Text && v.Text == want
}

// judgeTimes returns when the token ends. exp and iat are needed.
func judgeTimes(claims strictjson.Value, now time.Time) (time.Time, error) {
	expires, endErr := secondsOf(claims, "exp")
	issued, startErr := secondsOf(claims, "iat")
	notBefore, err := issued, error(nil)
	if claims.Get("nbf") != nil {
		notBefore, err = secondsOf(claims, "nbf")
	}
	latest := now.Unix() + int64(clockSkew/time.Second)
	switch {
	case endErr != nil || startErr != nil || err != nil:
		return time.Time{}, refused("the token's exp, iat or nbf is missing or no whole number of seconds")
	case now.Unix() >= expires:
		return time.Time{}, refused("the token is expired; log in again")
	case issued > latest || notBefore > latest:
		return time.Time{}, refused("the token is not valid yet")
	case expires <= issued || expires-issued > int64(maxTokenLife/time.Second):
		return time.Time{}, refused("the token lasts for longer than %s, or ends before it begins", maxTokenLife)
	}
	return time.Unix(expires, 0).UTC(), nil
}

// latestSecond is far from where arithmetic with seconds overflows: the year 9999.
const latestSecond = 253402300799

// secondsOf reads a NumericDate (RFC 7519 §2) that is positive and whole, written
// in digits alone.
func secondsOf(claims strictjson.Value, name string) (int64, error) {
	v := claims.Get(name)
	if v == nil || v.Kind != strictjson.Number {
		return 0, strconv.ErrSyntax
	}
	seconds, err := strconv.ParseInt(v.Text, 10, 64)
	if err == nil && (seconds <= 0 || seconds > latestSecond) {
		err = strconv.ErrRange
	}
	return seconds, err
}

// textsOf reads a text or a list of texts. An absent claim has none.
func textsOf(v *strictjson.Value) ([]string, error) {
	items := []strictjson.Item{}
	switch {
	case v == nil:
	case v.Kind == strictjson.Text:
		items = append(items, strictjson.Item{Value: *v})
	case v.Kind == strictjson.Array:
		items = v.Items
	default:
		return nil, refused("the token's claim of roles is neither a text nor a list of texts")
	}
	texts := make([]string, len(items))
	for i, item := range items {
		if item.Kind != strictjson.Text {
			return nil, refused("the token's claim of roles is neither a text nor a list of texts")
		}
		texts[i] = item.Text
	}
	return texts, nil
}
