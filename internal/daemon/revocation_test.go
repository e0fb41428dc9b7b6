package daemon_test

import (
	"encoding/pem"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/daemon"
)

// Each authority in the slots has a list from when it is there.
func TestRevocationListsFollowTheAuthorities(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	r := start(t, data, daemon.Config{Authority: daemon.Authority{CRLURL: "http://lists.example.org/v1/crl"}})
	lists := func() (count int) {
		t.Helper()
		status, text := r.get(t, "/v1/crls", "")
		if status != http.StatusOK {
			t.Fatalf("status %d: %s", status, text)
		}
		for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
			count++
		}
		return count
	}
	if got := lists(); got != 2 {
		t.Errorf("%d lists of an issuing CA and its root", got)
	}
	prepared, err := slots(t, data).Prepare(true)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := lists(); got != 4 {
		t.Errorf("%d lists of two issuing CAs and their roots", got)
	}
	if status, text := r.get(t, "/v1/crl/"+prepared[0].Authority, ""); status != http.StatusOK {
		t.Errorf("status %d: %s", status, text)
	}
}

func TestListURLOfTheConfiguration(t *testing.T) {
	_, err := open(t, t.TempDir(), daemon.Config{Authority: daemon.Authority{CRLURL: "ldap://lists.example.org"}})
	if evidence.CodeOf(err) != evidence.CodeConfigMalformed || !strings.Contains(err.Error(), "authority.crl_url") {
		t.Errorf("got %v", err)
	}
}
