package tpmtest

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// CA certifies the endorsement keys of TPMs, as a manufacturer does. It is made
// with the first of them.
type CA struct{ dir string }

// NewCA returns a CA of its own, which lasts as long as the test.
func NewCA(t testing.TB) *CA {
	t.Helper()
	needPrograms(t)
	ca := &CA{dir: temporary(t)}
	write := func(name, format string, args ...any) {
		if err := os.WriteFile(ca.path(name), fmt.Appendf(nil, format, args...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("localca.conf", "statedir = %[1]s\nsigningkey = %[1]s/signkey.pem\nissuercert = %[1]s/issuer.pem\ncertserial = %[1]s/serial\n", ca.dir)
	write("options", "--platform-manufacturer Quotary\n--platform-version 1\n--platform-model test\n")
	write("setup.conf", "create_certs_tool = swtpm_localca\ncreate_certs_tool_config = %[1]s/localca.conf\ncreate_certs_tool_options = %[1]s/options\nactive_pcr_banks = sha256\n", ca.dir)
	return ca
}

func (ca *CA) path(name string) string { return filepath.Join(ca.dir, name) }

// certificate reads one of the CA's certificates.
func (ca *CA) certificate(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(ca.path(name))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		t.Fatalf("%s is not PEM", name)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
