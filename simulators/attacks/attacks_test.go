package attacks

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// TestRows holds the rows to their form, and to the list of known attacks.
func TestRows(t *testing.T) {
	known := knownAttacks(t)
	rows := Rows()
	if !slices.IsSortedFunc(rows, func(x, y Row) int { return strings.Compare(x.ID, y.ID) }) {
		t.Error("the rows are not sorted")
	}
	for i, row := range rows {
		if i > 0 && rows[i-1].ID == row.ID {
			t.Errorf("%s: there are two rows of this ID", row.ID)
		}
		if !slices.Contains(known, row.ID) {
			t.Errorf("%s is not in docs/attacks.yaml", row.ID)
		}
		if row.Title == "" || len(row.Cases) == 0 {
			t.Errorf("%s has no title or no case", row.ID)
		}
		names := map[string]bool{}
		for _, c := range row.Cases {
			if names[c.Name] {
				t.Errorf("%s: there are two cases %q", row.ID, c.Name)
			}
			names[c.Name] = true
			for _, fault := range faultsOf(c) {
				t.Errorf("%s, %s: %s", row.ID, c.Name, fault)
			}
		}
	}
}

// faultsOf is what is wrong with a case's form.
func faultsOf(c Case) (faults []string) {
	if c.Name == "" || c.Subject == "" || c.Try == nil {
		faults = append(faults, "it is not complete")
	}
	if (len(c.Want) == 0) != (c.Proof == ByAcceptance) {
		faults = append(faults, "what nothing refuses is proved by acceptance, and nothing else is")
	}
	if (c.Why == "") == (c.Proof == ByParser || c.Proof == ByService) {
		if c.Proof != ByAcceptance {
			faults = append(faults, "a reason is there exactly where no check can be taken away")
		}
	}
	if len(c.Behind) > 0 && c.Proof != ByCheck {
		faults = append(faults, "there are second lines of defence behind checks alone")
	}
	return faults
}

// knownAttacks are the IDs of docs/attacks.yaml.
func knownAttacks(t *testing.T) []string {
	t.Helper()
	source, err := os.ReadFile("../../docs/attacks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var entries []struct {
		ID string `yaml:"id"`
	}
	if err := yaml.Unmarshal(source, &entries); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.ID)
	}
	return ids
}

// TestSubjects holds cases to subjects that are there, subjects to cases that use them,
// and their names to what names of workloads may be.
func TestSubjects(t *testing.T) {
	subjects, err := allSubjects(service(t).World)
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, row := range Rows() {
		for _, c := range row.Cases {
			used[c.Subject] = true
		}
	}
	form := regexp.MustCompile(`^[a-z]+(-[a-z0-9]+)*$`)
	for _, s := range subjects {
		if !form.MatchString(s.Name) {
			t.Errorf("%q is no name of a subject", s.Name)
		}
		if !used[s.Name] && s.Requires == "" {
			t.Errorf("nothing attacks the subject %q", s.Name)
		}
		delete(used, s.Name)
	}
	for name := range used {
		t.Errorf("there is no subject %q", name)
	}
}

// TestDocuments: the same world gives the same documents.
func TestDocuments(t *testing.T) {
	world := service(t).World
	first, err := Documents(world, "a.test")
	if err != nil {
		t.Fatal(err)
	}
	again, err := Documents(world, "a.test")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for i, file := range first {
		if names[file.Name] {
			t.Errorf("two documents are called %s", file.Name)
		}
		names[file.Name] = true
		if string(file.Data) != string(again[i].Data) {
			t.Errorf("%s is another one now", file.Name)
		}
		if strings.Contains(string(file.Data), "spiffe://") && !strings.Contains(string(file.Data), "spiffe://a.test/attacks/") {
			t.Errorf("%s grants an identity of another trust domain", file.Name)
		}
	}
}

// impostor is a service that judges nothing: answer writes what it says to any evidence.
func impostor(t *testing.T, answer http.HandlerFunc) Target {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/challenges" {
			nonce := base64.RawURLEncoding.EncodeToString(make([]byte, evidence.NonceSize))
			fmt.Fprintf(w, `{"challenge":"x","nonce":%q,"purpose":"certificate","audience":"a.test"}`, nonce)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return Target{URL: server.URL, Roots: roots, TrustDomain: "a.test", World: service(t).World}
}

// says always gives the same answer.
func says(status int, media, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// grants certifies whatever key it is sent, or another one, as an identity of a trust domain.
func grants(t *testing.T, trustDomain string, another bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var sent struct {
			PublicKey []byte `json:"public_key"`
		}
		own, _, err := newKey()
		if err == nil {
			err = json.NewDecoder(r.Body).Decode(&sent)
		}
		var key any = own.Public()
		if err == nil && !another {
			key, err = x509.ParsePKIXPublicKey(sent.PublicKey)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(1), URIs: []*url.URL{{Scheme: "spiffe", Host: trustDomain, Path: "/x"}}}
		var der []byte
		if err == nil {
			der, err = x509.CreateCertificate(rand.Reader, template, template, key, own)
		}
		if err == nil {
			chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
			err = json.NewEncoder(w).Encode(map[string]any{"svid": map[string]string{"certificates": string(chain)}})
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// TestImpostors shows that nobody holds by refusing all, nor by accepting all, and that
// who only says yes is nobody to attack.
func TestImpostors(t *testing.T) {
	selection, err := ParseSelection("S15, s35")
	if err != nil {
		t.Fatal(err)
	}
	const problem = "application/problem+json"
	for name, test := range map[string]struct {
		answer  http.HandlerFunc
		verdict Verdict
		reason  string
	}{
		"refuses all": {says(http.StatusUnprocessableEntity, problem,
			`{"type":"x:appraisal.rejected","status":422,"code":"appraisal.rejected","checks":[{"code":"policy.sev-snp.debug","status":"fail"}]}`),
			Failed, "the control is refused: policy.sev-snp.debug"},
		"fails":             {says(http.StatusInternalServerError, "", ""), Failed, "the control is refused: status 500"},
		"redirects":         {http.RedirectHandler("https://elsewhere.test/", http.StatusTemporaryRedirect).ServeHTTP, Failed, "the control is refused: status 307"},
		"grants to all":     {grants(t, "a.test", false), Accepted, "accepted"},
		"says yes":          {says(http.StatusOK, "application/json", "{}"), Failed, "the control is accepted, but neither certificate nor token is granted"},
		"says a lot":        {says(http.StatusOK, "", strings.Repeat("\x00", 2*maxAnswer)), Failed, "the control is accepted, but neither certificate nor token is granted"},
		"grants emptiness":  {says(http.StatusOK, "", `{"svid":{}}`), Failed, "the control is accepted, but no certificate was granted"},
		"certifies another": {grants(t, "a.test", true), Failed, "the control is accepted, but another key is certified"},
		"of somewhere else": {grants(t, "b.test", false), Failed, "the control is accepted, but the identity granted is none in a.test"},
	} {
		told := 0
		report, err := Run(t.Context(), impostor(t, test.answer), selection, func(Result) { told++ })
		if err != nil {
			t.Fatal(err)
		}
		if len(report.Results) != 2 || told != 2 || report.Holds() {
			t.Fatalf("%s: %d results, %d told, holds: %v", name, len(report.Results), told, report.Holds())
		}
		if r := report.Results[0]; r.Verdict != test.verdict || r.Reason != test.reason {
			t.Errorf("%s: %s: %s", name, r.Verdict, r.Reason)
		}
		if r := report.Results[1]; r.Verdict != Skipped { // it has no neighbour
			t.Errorf("%s: %s: %s", name, r.Verdict, r.Reason)
		}
	}
}

// TestBusy: that a service is too busy says nothing of what it was sent.
func TestBusy(t *testing.T) {
	const busy = `{"type":"x:service.overloaded","status":503,"code":"service.overloaded"}`
	asked, busyFor := 0, 2
	target := impostor(t, func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked <= busyFor {
			says(http.StatusServiceUnavailable, "application/problem+json", busy)(w, r)
		}
	})
	a := &Attacker{target: target, http: newClient(target)}
	defer a.close()
	if answer, err := a.Post(t.Context(), attestations, []byte("{}")); err != nil || answer.Status != http.StatusOK || asked != busyFor+1 {
		t.Errorf("asked %d times: status %d, %v", asked, answer.Status, err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Post(over, attestations, []byte("{}")); err == nil {
		t.Error("it goes on when it should end")
	}
}

// TestSilence: who does not answer is not asked some hundred times.
func TestSilence(t *testing.T) {
	tried := 0
	c := task{Case: Case{Try: func(context.Context, *Attacker) (Got, error) {
		tried++
		return Got{}, fmt.Errorf("no answer: %w", context.DeadlineExceeded)
	}}}
	r := runner{attacker: &Attacker{subjects: map[string]*Subject{"": {}}}}
	for range maxSilences {
		r.heard(errors.New("refused")) // it resets what was counted
		r.one(t.Context(), c)
	}
	for range 10 {
		if got := r.one(t.Context(), c); got.Verdict != Failed {
			t.Errorf("%s: %s", got.Verdict, got.Reason)
		}
	}
	if want := 2*maxSilences - 1; tried != want {
		t.Errorf("tried %d times, want %d", tried, want)
	}
}

func TestSelection(t *testing.T) {
	for text, want := range map[string]int{"": len(Rows()), "S": 51, "S01": 1, "s01,S02": 2, "S01, S": 51} {
		s, err := ParseSelection(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		n := 0
		for _, row := range Rows() {
			if s.has(row) {
				n++
			}
		}
		if n != want {
			t.Errorf("%q selects %d rows, want %d", text, n, want)
		}
	}
	for _, text := range []string{"X", "S99", "S,", ",", "S01 S02"} {
		if _, err := ParseSelection(text); err == nil {
			t.Errorf("%q is a selection", text)
		}
	}
}

func TestTarget(t *testing.T) {
	for name, target := range map[string]Target{
		"nothing": {}, "no world": {URL: "https://127.0.0.1:1", TrustDomain: "a.test"},
		"no URL": {World: service(t).World, TrustDomain: "a.test"},
	} {
		if _, err := Run(t.Context(), target, Selection{}, nil); err == nil {
			t.Errorf("%s is a target", name)
		}
	}
}
