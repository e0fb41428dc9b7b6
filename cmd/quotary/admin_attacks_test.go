package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quotary/quotary/client/admin/admintest"
	"github.com/quotary/quotary/evidence"
)

// adminLines are all administrators' commands with what they need besides.
var adminLines = [][]string{
	{"whoami"}, {"status"}, {"attestations", "list"}, {"attestations", "show", "at-1"}, {"certs", "list"}, {"certs", "show", "0a07"},
	{"audit", "tail"}, {"audit", "verify"}, {"keys", "list"}, {"keys", "show", keyOfTest}, {"keys", "revoke", "--reason", "r", keyOfTest},
	{"keys", "release", "--reason", "r", keyOfTest, "--yes"}, {"reload"},
	{"revoke", "--where", "simulated", "--reason", "r"}, {"revocations", "list"},
}

func with(line []string, more ...string) []string {
	return append(append([]string{}, line...), more...)
}

// An administrator's command that did not do what it was for does not end as if it
// had, and writes nothing that could be taken for an answer.
func TestAttack_Y19_AdministratorsExitCodes(t *testing.T) {
	dir, url := loggedIn(t)
	file := func(name string) string { return filepath.Join(dir, "admin", name) }
	other := must(os.ReadFile(filepath.Join(dir, "admin/root.crt")))
	if err := os.WriteFile(file("cut.crt"), other[:len(other)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		flags []string
		code  exit
		note  string
	}{
		"done":                     {nil, exitAccepted, ""},
		"by another credential":    {[]string{"--token-file", file("bootstrap.token")}, exitAccepted, ""},
		"an unknown credential":    {[]string{"--token-file", file("wrong.token")}, exitRejected, "hint: the service does not take this credential"},
		"no role":                  {[]string{"--cert", file("mallory.pem")}, exitRejected, "hint: you are mallory, none here, and this needs the role "},
		"a certificate that ended": {[]string{"--cert", file("ended.pem")}, exitFailed, "hint: have another issued"},
		"nobody there":             {[]string{"--url", "https://127.0.0.1:1"}, exitFailed, "hint: is the service running"},
		"no profile":               {[]string{"--profile", "none"}, exitFailed, "hint: profiles are default"},
		"no file":                  {[]string{"--cert", file("absent")}, exitFailed, "no such file"},
		"no root":                  {[]string{"--root", file("cut.crt")}, exitFailed, "is no certificate"},
		"another trust domain":     {[]string{"--root", file("root.crt"), "--trust-domain", "other.org", "--cert", file("alice.pem")}, exitFailed, "not the service's of trust domain"},
		"an unknown flag":          {[]string{"--frob"}, exitFailed, "hint: try: quotary"},
		"an unknown format":        {[]string{"-o", "xml"}, exitFailed, "must be text or json or yaml"},
		"a URL without TLS":        {[]string{"--url", strings.Replace(url, "https", "http", 1)}, exitFailed, "https://HOST"},
	} {
		for _, line := range adminLines {
			if tc.code == exitRejected && line[0] == "whoami" && name == "no role" {
				continue // everybody may ask
			}
			args := with(line, tc.flags...)
			code, out, notes := quotary(args...)
			if code != tc.code || !strings.Contains(notes, tc.note) || (out == "") != (tc.code != exitAccepted) {
				t.Errorf("%s: %q: exit %d: %s%s", name, args, code, out, notes)
			}
		}
	}
}

// A result that cannot be delivered is a failure.
func TestAttack_Y19_AdministratorsResultsAreDelivered(t *testing.T) {
	loggedIn(t)
	for _, line := range adminLines {
		var notes bytes.Buffer
		if code := run(line, strings.NewReader(""), closed{}, &notes); code != exitFailed || !strings.Contains(notes.String(), "cannot write the result") {
			t.Errorf("%q: exit %d: %s", line, code, notes.String())
		}
	}
}

// Whatever goes wrong or right, no secret is in output, notes or configuration, and
// the terminal is left alone.
func TestAttack_Y12_NoSecretIsTold(t *testing.T) {
	dir, url := loggedIn(t)
	file := func(name string) string { return filepath.Join(dir, "admin", name) }
	pem := string(must(os.ReadFile(file("alice.pem"))))
	_, key, _ := strings.Cut(pem, "-----BEGIN PRIVATE KEY-----\n")
	wrong := strings.TrimSpace(string(must(os.ReadFile(file("wrong.token")))))
	secrets := []string{admintest.Credential, admintest.ViewerToken, wrong, key[:40]}

	// A key that is cut, a token that is no token, both in one file.
	for name, text := range map[string]string{"cutkey.pem": pem[:len(pem)-60], "both.token": admintest.Credential + "\n" + wrong, "odd.token": admintest.Credential + "\x01"} {
		if err := os.WriteFile(file(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	login := []string{"login", "--profile", "x", "--url", url, "--root", file("root.crt")}
	var told strings.Builder
	tell := func(stdin string, args ...string) {
		var out, notes bytes.Buffer
		run(args, strings.NewReader(stdin), &out, &notes)
		told.WriteString(strings.Join(args, " ") + "\n" + out.String() + notes.String())
	}
	for _, more := range [][]string{
		{"--cert", file("cutkey.pem")}, {"--cert", file("alice.pem")}, {"--cert", file("root.crt"), "--key", file("alice.pem")},
		{"--token-file", file("wrong.token")}, {"--token-file", file("both.token")}, {"--token-file", file("odd.token")}, {"--token-file", file("viewer.token")},
		{"--token-command", "--", "cat", file("viewer.token")}, {"--token-command", "--", "cat", file("both.token")},
		{"--token-command", "--", "sh", "-c", "cat " + file("viewer.token") + "; exit 1"},
	} {
		tell("", with(login, more...)...)
	}
	for _, stdin := range []string{admintest.Credential, wrong, admintest.Credential + "\n" + wrong, admintest.Credential + "\x01", strings.Repeat(admintest.Credential, 1000)} {
		tell(stdin, with(login, "--credential-stdin")...)
	}
	for _, line := range adminLines {
		for _, more := range [][]string{nil, {"-o", "json"}, {"-o", "yaml"}, {"--token-file", file("wrong.token")}, {"--url", "https://127.0.0.1:1"}} {
			tell("", with(line, more...)...)
		}
	}
	told.Write(must(os.ReadFile(filepath.Join(dir, "config/quotary/config.yaml"))))
	for _, secret := range secrets {
		if at := strings.Index(told.String(), secret); at >= 0 {
			t.Errorf("told: …%s", told.String()[max(0, at-200):at])
		}
	}
	if strings.Contains(told.String(), "\x1b") {
		t.Error("wrote controls")
	}
}

// What others may have changed is not used: not even by whom it is run for.
func TestAttack_Y12_FilesOfOthersAreRefused(t *testing.T) {
	dir, _ := loggedIn(t)
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o602, 0o610} {
		path := filepath.Join(dir, "config/quotary/config.yaml")
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if code, out, notes := quotary("whoami"); code != exitFailed || out != "" || !strings.Contains(notes, "hint: chmod 600") {
			t.Errorf("%04o: exit %d: %s%s", mode, code, out, notes)
		}
	}
	if _, err := readPrivate(dir, 10); err == nil {
		t.Error("read a directory")
	}
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, make([]byte, 11), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readPrivate(large, 10); err == nil {
		t.Error("read more than there may be")
	}
}

// FuzzUserConfig: whatever a configuration holds, it is refused or says of every
// profile how the service is known and one credential.
func FuzzUserConfig(f *testing.F) {
	f.Add([]byte("current: a\nprofiles:\n  a: {url: 'https://h', trust_domain: d, root: '', credential: {stored: true}}\n"))
	f.Add([]byte("profiles: {a: &a {url: u}, b: *a}\n"))
	f.Add([]byte("profiles:\n  ../x: {}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &userConfig{}
		if c.decode(data) != nil {
			return
		}
		for name, p := range c.Profiles {
			if _, err := p.root(); err != nil || p.URL == "" || len(p.Credential.kinds()) != 1 || strings.ContainsAny(name, "/\\") {
				t.Errorf("took %q: %+v", name, p)
			}
		}
	})
}

// Refusals are told from failures by what the service says, not by its mood.
func TestRefusals(t *testing.T) {
	if refused(errors.New("x")) || refused(evidence.Errorf(evidence.CodeServiceUnreached, "", "x")) || !refused(evidence.Errorf(evidence.CodeLedgerTampered, "", "x")) {
		t.Error("errors of this side are taken for the service's")
	}
}

// The JSON of the commands is the interface's own, which scripts may rely on.
func TestAdministratorsJSON(t *testing.T) {
	loggedIn(t)
	for _, line := range adminLines {
		code, out, notes := quotary(with(line, "-o", "json")...)
		var value map[string]any
		if err := json.Unmarshal([]byte(out), &value); code != exitAccepted || err != nil || len(value) == 0 {
			t.Errorf("%q: exit %d, %v: %s", line, code, err, notes)
		}
	}
}
