package client

import (
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/quotary/quotary/evidence"
)

// JWTSVID is a JWT-SVID: a bearer token for its audiences, good for minutes.
type JWTSVID struct {
	Token    string
	Audience []string
	Expires  time.Time
}

type jwtSVIDWire struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
}

// jwtSVID checks that the answer's JWT-SVID is one for this identity and these
// audiences. Its signature is for the audiences to verify.
func (c *Client) jwtSVID(r attestationResponse, audience []string) (*JWTSVID, error) {
	refuse := func(format string, args ...any) (*JWTSVID, error) {
		return nil, evidence.Errorf(evidence.CodeResponseIdentity, "jwt_svid", format, args...)
	}
	if r.JWTSVID == nil {
		return refuse("the JWT-SVID that was asked for is missing")
	}
	token, err := jwt.ParseSigned(r.JWTSVID.Token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return refuse("the JWT-SVID cannot be decoded")
	}
	var claims jwt.Claims
	switch err := token.UnsafeClaimsWithoutVerification(&claims); {
	case err != nil || claims.Expiry == nil:
		return refuse("the JWT-SVID's claims cannot be decoded")
	case claims.Subject != r.SPIFFEID || !slices.Equal(claims.Audience, audience):
		return refuse("the JWT-SVID is for another identity, or other audiences")
	}
	expires := claims.Expiry.Time()
	if left := expires.Sub(c.now()); left <= 0 || left > maxLife || !expires.Equal(r.JWTSVID.ExpiresAt) {
		return refuse("the JWT-SVID is over, or ends at another time than the answer says")
	}
	return &JWTSVID{r.JWTSVID.Token, slices.Clone(audience), expires}, nil
}
