//go:build clients

package clienttest_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The client that comes with SPIRE's agent fetches, verifies and watches as it does there.
func TestSPIREAgent(t *testing.T) {
	t.Parallel()
	path, openssl := built(t, "spire-agent-1.15.3"), need(t, "openssl")
	f := serve(t, "web")
	d, socket := f.socketed(t, "web")

	t.Run("fetch x509", func(t *testing.T) {
		dir := t.TempDir()
		said, err := run(t, path, "api", "fetch", "x509", "-socketPath", socket, "-write", dir)
		if err != nil || !strings.Contains(said, "Received 1 svid ") || !strings.Contains(said, "\nSPIFFE ID:\t\t"+f.id("web")+"\n") {
			t.Fatalf("%s, %v", said, err)
		}
		file := func(name string) string { return filepath.Join(dir, name) }
		if said, err := run(t, openssl, "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", file("bundle.0.pem"), "-untrusted", file("svid.0.pem"), file("svid.0.pem")); err != nil {
			t.Errorf("openssl verify: %s, %v", said, err)
		}
		of, err := run(t, openssl, "x509", "-in", file("svid.0.pem"), "-noout", "-pubkey")
		if err != nil {
			t.Fatal(err)
		}
		if key, err := run(t, openssl, "pkey", "-in", file("svid.0.key"), "-pubout"); err != nil || key != of {
			t.Errorf("the key is not the certificate's: %v", err)
		}
	})

	t.Run("fetch and validate jwt", func(t *testing.T) {
		said, err := run(t, path, "api", "fetch", "jwt", "-socketPath", socket, "-audience", "ledger", "-output", "json")
		var fetched []struct {
			SVIDs []struct {
				SPIFFEID string `json:"spiffe_id"`
				SVID     string `json:"svid"`
			} `json:"svids"`
		}
		if err == nil {
			err = json.Unmarshal([]byte(said), &fetched)
		}
		if err != nil || len(fetched) == 0 || len(fetched[0].SVIDs) != 1 || fetched[0].SVIDs[0].SPIFFEID != f.id("web") {
			t.Fatalf("%s, %v", said, err)
		}
		token := fetched[0].SVIDs[0].SVID
		said, err = run(t, path, "api", "validate", "jwt", "-socketPath", socket, "-audience", "ledger", "-svid", token, "-output", "json")
		var valid struct {
			SPIFFEID string `json:"spiffe_id"`
		}
		if err == nil {
			err = json.Unmarshal([]byte(said), &valid)
		}
		if err != nil || valid.SPIFFEID != f.id("web") {
			t.Errorf("%s, %v", said, err)
		}
		if said, err := run(t, path, "api", "validate", "jwt", "-socketPath", socket, "-audience", "another", "-svid", token); err == nil {
			t.Errorf("valid for another audience: %s", said)
		}
	})

	t.Run("watch", func(t *testing.T) {
		watch := start(t, exec.Command(path, "api", "watch", "-socketPath", socket))
		shows := func() error {
			watch.runs(t)
			view, _ := d.Current()
			line := fmt.Sprintf("SVID Valid Until:\t%v\n", view.Identity.NotAfter)
			if !strings.Contains(watch.output(t), line) {
				return fmt.Errorf("it does not show %q", line)
			}
			return nil
		}
		eventually(t, shows)
		view, _ := d.Current()
		eventually(t, func() error { // validity is in whole seconds
			now, changed := d.Current()
			if now.Identity.NotAfter.Equal(view.Identity.NotAfter) {
				d.Hurry()
				<-changed
				return fmt.Errorf("nothing was renewed")
			}
			return nil
		})
		eventually(t, shows)
	})
}
