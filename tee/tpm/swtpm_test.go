package tpm

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
)

// software is a software TPM, Debian's swtpm, driven by tpm2-tools.
type software struct {
	t   *testing.T
	dir string
}

// startSoftware starts a TPM in a folder of its own. It skips the test where the
// programs are not installed.
func startSoftware(t *testing.T) *software {
	t.Helper()
	for _, program := range []string{"swtpm", "swtpm_setup", "tpm2_createprimary", "tpm2_createak", "tpm2_quote", "tpm2_pcrread"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed (Debian: swtpm swtpm-tools tpm2-tools)", program)
		}
	}
	// A socket's path has at most 108 bytes, more than the test's own folder may leave.
	dir, err := os.MkdirTemp("", "swtpm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &software{t, dir}
	s.run("swtpm_setup", "--tpm2", "--tpmstate", dir, "--pcr-banks", "sha1,sha256,sha384")
	daemon := exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+dir, "--flags", "not-need-init,startup-clear",
		"--server", "type=unixio,path="+s.path("sock"), "--ctrl", "type=unixio,path="+s.path("sock.ctrl"))
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		daemon.Process.Kill()
		daemon.Wait() // its error is the kill
	})
	for range 100 {
		if _, err := os.Stat(s.path("sock")); err == nil {
			return s
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("swtpm does not listen")
	return nil
}

func (s *software) path(name string) string { return filepath.Join(s.dir, name) }

// run runs a program in the TPM's folder and returns what it prints.
func (s *software) run(program string, args ...string) []byte {
	s.t.Helper()
	command := exec.Command(program, args...)
	command.Dir = s.dir
	command.Env = append(os.Environ(), "TPM2TOOLS_TCTI=swtpm:path="+s.path("sock"))
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, stderr.String())
	}
	return out
}

// tool runs one of tpm2-tools, and frees what it left loaded: there is no
// resource manager.
func (s *software) tool(args ...string) []byte {
	s.t.Helper()
	defer s.run("tpm2_flushcontext", "-t")
	return s.run("tpm2_"+args[0], args[1:]...)
}

func (s *software) read(name string) []byte {
	s.t.Helper()
	data, err := os.ReadFile(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

// quote makes a quote with nonce 00112233 and reads it from the tools' files.
func (s *software) quote(selection, scheme string) *evidence.TPM {
	s.t.Helper()
	s.tool("quote", "-c", "ak.ctx", "-l", selection, "-q", "00112233", "-m", "quote.msg", "-s", "quote.sig", "-o", "quote.pcrs", "-g", "sha256", "--scheme", scheme)
	attest, err := evidence.UnwrapTPMAttest(s.read("quote.msg"))
	if err != nil {
		s.t.Fatal(err)
	}
	signature, err := evidence.UnwrapTPMSignature(s.read("quote.sig"))
	if err != nil {
		s.t.Fatal(err)
	}
	pcrs, err := evidence.ParsePCRs(s.read("quote.pcrs"), "")
	if err != nil {
		s.t.Fatal(err)
	}
	area, err := evidence.UnwrapTPMPublic(s.read("ak.pub"))
	if err != nil {
		s.t.Fatal(err)
	}
	return &evidence.TPM{Attest: attest, Signature: signature, PCRs: pcrs, AKPublic: area}
}

// TestSoftwareTPM makes keys and quotes with a TPM that is not ours.
func TestSoftwareTPM(t *testing.T) {
	s := startSoftware(t)
	s.tool("pcrextend", "4:sha1="+strings.Repeat("ab", 20)+",sha256="+strings.Repeat("cd", 32)+",sha384="+strings.Repeat("ef", 48))
	for _, c := range []struct{ name, key, scheme, hash string }{
		{"ECC", "ecc", "ecdsa", "sha256"}, {"RSA", "rsa", "rsassa", "sha256"}, {"RSA by RSAPSS", "rsa", "rsapss", "sha256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &software{t, s.dir}
			s.tool("createek", "-c", "ek.ctx", "-G", c.key, "-u", "ek.pub")
			s.tool("createak", "-C", "ek.ctx", "-c", "ak.ctx", "-G", c.key, "-g", c.hash, "-s", c.scheme, "-u", "ak.pub", "-n", "ak.name")
			key, err := ParseTrustedKey(s.read("ak.pub"))
			if err != nil {
				t.Fatal(err)
			}
			for _, selection := range []string{"sha256:0,4,16", "sha384:0,1,2,3,4,5,6,7,8,9,10", "sha1:4"} {
				item := s.quote(selection, c.scheme)
				out := accepted(t, Options{Keys: []TrustedKey{key}}, item)
				claims := out.Claims.TPM
				if !bytes.Equal(out.ReportData, []byte{0x00, 0x11, 0x22, 0x33}) || claims.SignatureScheme != c.scheme || !bytes.Equal(claims.AKName, s.read("ak.name")) {
					t.Errorf("claims %+v", claims)
				}
				if got := claims.PCRs[4].String(); !strings.Contains(strings.ToLower(string(s.tool("pcrread", claims.Bank+":4"))), got) {
					t.Errorf("PCR 4 of %s is %s", claims.Bank, got)
				}
				differ(t, item)
			}
			refused(t, Options{Keys: []TrustedKey{key}}, s.quote("sha1:4+sha256:4", c.scheme), evidence.CodeTPMPCRSelection)
		})
	}
}

// TestSoftwareTPM_Unrestricted lets a key that signs anything sign a forged quote.
func TestSoftwareTPM_Unrestricted(t *testing.T) {
	s := startSoftware(t)
	s.tool("createek", "-c", "ek.ctx", "-G", "ecc", "-u", "ek.pub")
	s.tool("createak", "-C", "ek.ctx", "-c", "ak.ctx", "-G", "ecc", "-g", "sha256", "-s", "ecdsa", "-u", "ak.pub")
	forged := s.quote("sha256:0", "ecdsa")
	forged.Attest[len(forged.Attest)-1] ^= 1
	if err := os.WriteFile(s.path("forged.msg"), forged.Attest, 0o600); err != nil {
		t.Fatal(err)
	}
	s.tool("createprimary", "-C", "o", "-G", "ecc:ecdsa-sha256", "-a", "sign|fixedtpm|fixedparent|sensitivedataorigin|userwithauth", "-c", "free.ctx")
	s.tool("readpublic", "-c", "free.ctx", "-o", "free.pub")
	s.tool("sign", "-c", "free.ctx", "-g", "sha256", "-s", "ecdsa", "-o", "forged.sig", "forged.msg")
	forged.Signature, forged.AKPublic = s.read("forged.sig"), nil
	key, err := ParseTrustedKey(s.read("free.pub"))
	if err != nil {
		t.Fatal(err)
	}
	refused(t, Options{Keys: []TrustedKey{key}}, forged, evidence.CodeTPMAKAttributes, evidence.CodeTPMPCRDigest)
}
