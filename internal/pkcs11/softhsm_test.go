//go:build pkcs11 && cgo

package pkcs11

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ThalesGroup/crypto11"
	"go.uber.org/goleak"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/ca/keytest"
	"github.com/quotary/quotary/evidence"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// modules are where Debian's and Fedora's packages have the library.
var modules = []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"}

// softHSM makes a token in a folder of its own.
func softHSM(t *testing.T) Options {
	t.Helper()
	dir := t.TempDir()
	o := Options{TokenLabel: "quotary keys", PINFile: filepath.Join(dir, "pin")}
	for _, path := range modules {
		if _, err := os.Stat(path); err == nil {
			o.Module = path
		}
	}
	if _, err := exec.LookPath("softhsm2-util"); err != nil || o.Module == "" {
		t.Skip("SoftHSM is not here; on Debian: apt-get install softhsm2")
	}
	config := filepath.Join(dir, "softhsm2.conf")
	write(t, config, "directories.tokendir = "+dir+"\nobjectstore.backend = file\nlog.level = ERROR\n", 0o600)
	write(t, o.PINFile, "1234\n", 0o600)
	t.Setenv("SOFTHSM2_CONF", config)
	out, err := exec.CommandContext(t.Context(), "softhsm2-util", "--init-token", "--free", "--label", o.TokenLabel, "--so-pin", "12345678", "--pin", "1234").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return o
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func opened(t *testing.T, o Options) *store {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.(*store)
}

func TestKeysInTokens(t *testing.T) {
	o := softHSM(t)
	keytest.Run(t, func(t *testing.T) ca.Keys {
		s := opened(t, o)
		return ca.Keys{New: s, Known: []ca.KeyStore{s}}
	})
}

// A key that is destroyed is gone, and says so; so is one in a token of another label.
func TestDestroyedKeys(t *testing.T) {
	o := softHSM(t)
	s := opened(t, o)
	reference, err := s.Create("issuing")
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.Open(reference)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Destroy(reference); err != nil {
		t.Fatal(err)
	}
	if _, err := key.Sign(nil, make([]byte, 32), nil); err == nil || !strings.Contains(err.Error(), "does not have the key") {
		t.Errorf("signs: %v", err)
	}
	if _, err := s.Open(reference); err == nil {
		t.Error("it is opened again")
	}
	s.options.TokenLabel = "another"
	if _, err := s.Open(reference); err == nil || !strings.Contains(err.Error(), "token_label") {
		t.Errorf("in another token: %v", err)
	}
}

// After a failure the token is used again as soon as it can be.
func TestTokenComesBack(t *testing.T) {
	s := opened(t, softHSM(t))
	reference, err := s.Create("issuing")
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.Open(reference)
	if err != nil {
		t.Fatal(err)
	}
	unplugged := errors.New("unplugged")
	if err := s.use(func(*crypto11.Context) error { return unplugged }); !errors.Is(err, unplugged) || s.session != nil {
		t.Errorf("the session goes on after a failure: %v", err)
	}
	if _, err := key.Sign(nil, make([]byte, 32), nil); err != nil {
		t.Error(err)
	}
}

// The PIN is read from a file of the service's alone, and a wrong one is tried once.
func TestAttack_A16_PIN(t *testing.T) {
	o := softHSM(t)
	if err := os.Chmod(o.PINFile, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(o); evidence.CodeOf(err) != evidence.CodeAuthorityKeyFile {
		t.Errorf("others can read it: %v", err)
	}
	o.PINFile = filepath.Join(t.TempDir(), "pin")
	write(t, o.PINFile, "4321", 0o600)
	_, err := Open(o)
	if evidence.CodeOf(err) != evidence.CodeAuthorityKeyUnavailable || !strings.Contains(err.Error(), "refuses the PIN") || strings.Contains(err.Error(), "4321") {
		t.Errorf("a wrong one: %v", err)
	}
	s := &store{options: o, pin: "4321"}
	nothing := func(*crypto11.Context) error { return nil }
	first := s.use(nothing)
	s.pin = "1234"
	if again := s.use(nothing); first == nil || again != first {
		t.Errorf("a PIN was tried after one was refused: %v", again)
	}
}

// Keys that the token lets be read out are not used.
func TestAttack_A16_KeysThatCanBeReadOut(t *testing.T) {
	s := opened(t, softHSM(t))
	r := reference{token: s.options.TokenLabel, name: "weak", id: []byte("0123456789abcdef")}
	err := s.use(func(c *crypto11.Context) error { return makeWeak(c, r) })
	if err != nil {
		t.Fatal(err)
	}
	der, err := r.marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(der); err == nil || !strings.Contains(err.Error(), "read out") {
		t.Errorf("opened: %v", err)
	}
}

// Of two keys with one identifier neither is used.
func TestAttack_A16_TwoKeysForOne(t *testing.T) {
	s := opened(t, softHSM(t))
	der, err := s.Create("issuing")
	if err != nil {
		t.Fatal(err)
	}
	r, err := parseReference(der)
	if err == nil {
		err = s.use(func(c *crypto11.Context) error { return makeWeak(c, r) })
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(der); err == nil || !strings.Contains(err.Error(), "more than one key") {
		t.Errorf("opened: %v", err)
	}
}
