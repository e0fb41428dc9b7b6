package main

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/simulators/sevsnp"
)

// staleKDS is a service whose newest list of Turin ends when ended says.
func staleKDS(t *testing.T, ended time.Time) string {
	t.Helper()
	vendors, err := simulatedAMD()
	if err != nil {
		t.Fatal(err)
	}
	list, err := vendors[2].ARK().CRL(sevsnp.CRLOptions{Number: 1, ThisUpdate: simulatedNow, NextUpdate: ended})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(withCRL(fromAMD(vendors), "/vcek/v1/Turin/crl", list.Raw))
	t.Cleanup(server.Close)
	return server.URL
}

// TestFetchedListHasExpired fetches a list that ended two days ago. A policy that
// bears this much is satisfied; no other is. Prefetch says of it what status says.
func TestFetchedListHasExpired(t *testing.T) {
	dir, held := fixtureFiles(t), t.TempDir()
	ended := simulatedNow.Add(24 * time.Hour)
	kds, at := staleKDS(t, ended), ended.Add(48*time.Hour).Format(time.RFC3339)
	strict, err := os.ReadFile(dir + "/sim/snp-policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	patient := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(patient, bytes.Replace(strict, []byte("revocation: require"), []byte("revocation: {stale_ok: 72h}"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	common := []string{"--trust", dir + "/sim/roots", "--at", at}
	verify := slices.Concat([]string{"verify", "--fetch", "--amd-kds", kds}, common)
	for _, c := range []struct {
		name string
		args []string
		want exit
		out  string
	}{
		{"a policy that bears it", slices.Concat(verify, []string{"--policy", patient, dir + "/sim/turin.bin"}), exitAccepted, "ACCEPTED"},
		{"a policy that does not", slices.Concat(verify, []string{"--policy", dir + "/sim/snp-policy.yaml", dir + "/sim/turin.bin"}), exitUndecided, "endorsements.stale"},
		{"prefetch", append([]string{"endorsements", "prefetch", "--store", held, "--amd-kds", kds, "--evidence", dir + "/sim/turin.bin"}, common...), exitUndecided, "3 fetched, 0 held before, 2 expired, 0 missing"},
		{"status", append([]string{"endorsements", "status", "--store", held}, common...), exitUndecided, "2 expired, 0 missing"},
	} {
		var stdout, stderr bytes.Buffer
		if got := run(c.args, nil, &stdout, &stderr); got != c.want || !strings.Contains(stdout.String(), c.out) {
			t.Errorf("%s: exit %d, want %d; stdout is %s, stderr %s", c.name, got, c.want, stdout.String(), stderr.String())
		}
	}
}
