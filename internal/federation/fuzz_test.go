package federation

import (
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/quotary/quotary/ca"
)

// No bundle makes the parser fail otherwise than by an error, and what it accepts
// holds no more than a bundle may.
func FuzzParse(f *testing.F) {
	authority, err := ca.Open(ca.Config{Dir: f.TempDir(), TrustDomain: "other.org"})
	if err != nil {
		f.Fatal(err)
	}
	good, err := authority.Bundle()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"keys":[{"use":"x509-svid","kty":"EC","x5c":["AA=="]}],"spiffe_sequence":-1}`))
	f.Add([]byte(`{"keys":null}`))
	domain := spiffeid.RequireTrustDomainFromString("other.org")
	f.Fuzz(func(t *testing.T, data []byte) {
		bundle, err := parse(domain, data)
		if err != nil {
			return
		}
		if d := describe(bundle, data); d.TrustDomain != "other.org" || d.Roots+d.Keys > maxEntries {
			t.Errorf("%+v", d)
		}
	})
}
