package daemon_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/daemon"
)

// A service fetches the bundle of another one's trust domain, which has changed since
// the operator got it, and hands both bundles on.
func TestFederation(t *testing.T) {
	dir := t.TempDir()
	theirs := filepath.Join(dir, "partner")
	partner := start(t, theirs, daemon.Config{TrustDomain: "partner.example"})
	_, first := partner.get(t, "/v1/bundle", "")
	write(t, filepath.Join(dir, "partner.json"), first)
	if _, err := slots(t, theirs).Prepare(true); err != nil {
		t.Fatal(err)
	}
	if err := partner.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, second := partner.get(t, "/v1/bundle", "")
	write(t, filepath.Join(dir, "quotary.yaml"), `vendors: {offline: true}
federation:
  - {trust_domain: partner.example, url: "`+partner.url+`/v1/bundle", profile: https_spiffe, endpoint_id: "spiffe://partner.example/quotary", bundle: partner.json}
`)
	config, err := daemon.ReadConfig(filepath.Join(dir, "quotary.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	ours := filepath.Join(dir, "ours")
	r := start(t, ours, config)
	var answer struct {
		TrustDomains map[string]json.RawMessage `json:"trust_domains"`
	}
	for range 200 { // the first look begins with the service
		status, body := r.get(t, "/v1/bundles", "")
		if status != http.StatusOK || json.Unmarshal([]byte(body), &answer) != nil || len(answer.TrustDomains) != 2 {
			t.Fatalf("%d %s", status, body)
		}
		if string(answer.TrustDomains["partner.example"]) == second {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if string(answer.TrustDomains["partner.example"]) != second {
		t.Error("the partner's bundle is not the newest")
	}
	_, own := r.get(t, "/v1/bundle", "")
	if string(answer.TrustDomains["quotary.internal"]) != own {
		t.Error("the service's own bundle is another one")
	}
	bundle, err := spiffebundle.Parse(spiffeid.RequireTrustDomainFromString("partner.example"), answer.TrustDomains["partner.example"])
	if err != nil || len(bundle.X509Authorities()) != 2 {
		t.Errorf("%v", err)
	}
	kept, err := os.ReadFile(filepath.Join(ours, "federation", "partner.example.json"))
	if err != nil || string(kept) != second {
		t.Errorf("kept %s (%v)", kept, err)
	}
}

func TestFederationIsConfiguredWhole(t *testing.T) {
	for name, tc := range map[string]struct {
		partner daemon.Partner
		says    string
	}{
		"own trust domain": {daemon.Partner{TrustDomain: "quotary.internal", URL: "https://a/", Profile: "https_web"}, "the service's own"},
		"no profile":       {daemon.Partner{TrustDomain: "a.example", URL: "https://a/"}, "neither"},
		"no first bundle":  {daemon.Partner{TrustDomain: "a.example", URL: "https://a/", Profile: "https_spiffe", EndpointID: "spiffe://a.example/q"}, "first bundle"},
	} {
		data := filepath.Join(t.TempDir(), "data")
		_, err := open(t, data, daemon.Config{Federation: []daemon.Partner{tc.partner}})
		if evidence.CodeOf(err) != evidence.CodeConfigMalformed || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(data, "ca")); err == nil {
			t.Errorf("%s: an authority was made", name)
		}
	}
}
