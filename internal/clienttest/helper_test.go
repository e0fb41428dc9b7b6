//go:build clients

package clienttest_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"

	"github.com/quotary/quotary/internal/agent/daemon"
)

// spiffe-helper writes certificates, tokens and bundles, and tells the process that it runs
// of each renewal.
func TestSPIFFEHelper(t *testing.T) {
	t.Parallel()
	path := built(t, "spiffe-helper-0.11.0")
	f, dir := serve(t, "web"), t.TempDir()
	d, socket := f.socketed(t, "web")
	file := func(name string) string { return filepath.Join(dir, name) }
	write(t, file("workload"), fmt.Sprintf("trap 'echo renewed >>%[1]s' USR1\necho begun >>%[1]s\nwhile :; do sleep 60 & wait; done\n", file("notes")))
	write(t, file("helper.conf"), place(t, recipe(t, "spiffe-helper", "hcl"), dir, map[string]string{
		"/run/quotary-agent/api.sock": socket, "/run/web": "DIR", "/usr/local/bin/web": "/bin/sh", `cmd_args = ""`: `cmd_args = "DIR/workload"`,
	}))
	helper := start(t, exec.Command(path, "-config", file("helper.conf")))

	noted := func(wanted string) func() error {
		return func() error {
			helper.runs(t)
			if notes, err := os.ReadFile(file("notes")); err != nil || !strings.HasPrefix(string(notes), wanted) {
				return fmt.Errorf("the process noted %q, %v", notes, err)
			}
			return nil
		}
	}
	eventually(t, noted("begun\n"))
	eventually(t, func() error { return newest(d, dir) })
	d.Hurry()
	eventually(t, noted("begun\nrenewed\n"))
	eventually(t, func() error { return newest(d, dir) })

	eventually(t, func() error { // they come apart from the certificate
		domain := spiffeid.RequireTrustDomainFromString(f.TrustDomain())
		var bundles map[string][]byte // by trust domain
		written, err := os.ReadFile(file("jwt_bundle.json"))
		if err == nil {
			err = json.Unmarshal(written, &bundles)
		}
		if err != nil {
			return err
		}
		keys, err := jwtbundle.Parse(domain, bundles[f.TrustDomain()])
		if err != nil {
			return err
		}
		token, err := os.ReadFile(file("jwt_svid.token"))
		if err != nil {
			return err
		}
		svid, err := jwtsvid.ParseAndValidate(string(token), jwtbundle.NewSet(keys), []string{"ledger"})
		if err == nil && svid.ID.String() != f.id("web") {
			err = fmt.Errorf("the token is of %s", svid.ID)
		}
		return err
	})
}

// newest returns an error unless the files are those of the identity that an agent has.
func newest(d *daemon.Daemon, dir string) error {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "svid.pem"), filepath.Join(dir, "svid_key.pem"))
	if err != nil {
		return err
	}
	if view, _ := d.Current(); !pair.Leaf.Equal(view.Identity.Certificate.Leaf) {
		return fmt.Errorf("the certificate is an earlier one")
	}
	return nil
}
