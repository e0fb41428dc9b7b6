package guest

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/google/go-tpm/tpm2"
)

// Template is one of the templates of endorsement keys, for tests.
func Template(name string) tpm2.TPMTPublic {
	for _, t := range ekTemplates() {
		if t.name == name {
			return t.public
		}
	}
	panic("no template " + name)
}

// AttestationRSA is the template of an attestation key of RSA-2048, for tests.
func AttestationRSA() tpm2.TPMTPublic { return attestationRSA() }

// The policies are those that the TCG prints (EK Credential Profile 2.5, B.6).
func TestPolicies(t *testing.T) {
	for alg, want := range map[tpm2.TPMAlgID][2]string{
		tpm2.TPMAlgSHA256: {
			"837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa",
			"ca3d0a99a2b93906f7a3342414efcfb3a385d44cd1fd459089d19b5071c0b7a0",
		},
		tpm2.TPMAlgSHA384: {
			"8bbf2266537c171cb56e403c4dc1d4b64f432611dc386e6f532050c3278c930e143e8bb1133824ccb431053871c6db53",
			"b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12",
		},
	} {
		if a, b := hex.EncodeToString(policyA(alg)), hex.EncodeToString(policyB(alg)); a != want[0] || b != want[1] {
			t.Errorf("policyA %s, policyB %s", a, b)
		}
	}
}

// FuzzCertificates cuts what NV indices may hold into certificates.
func FuzzCertificates(f *testing.F) {
	f.Add([]byte{0x10, 0x01, 0x00, 0x00, 0x07, 0x10, 0x02, 0x30, 0x03, 1, 2, 3, 0xff})
	f.Add([]byte{0x30, 0x82, 0x01, 0x00})
	f.Add([]byte{0xf0, 0x00}) // of a class that is not universal
	f.Add([]byte{0x00, 0x00, 0x30, 0x00, 0x30, 0x01, 0x05})
	f.Fuzz(func(t *testing.T, data []byte) {
		for rest := data; ; {
			certificate, behind := cutCertificate(rest)
			if certificate == nil {
				break
			}
			if len(certificate)+len(behind) > len(rest) || certificate[0] != 0x30 || !bytes.HasSuffix(rest, behind) || !bytes.Contains(rest, certificate) {
				t.Fatalf("%x of %x leaves %x", certificate, rest, behind)
			}
			rest = behind
		}
	})
}

// ParseKey parses a reference of a [KeyStore] and encodes it again, for tests.
func ParseKey(der []byte) ([]byte, error) {
	k, err := parseKey(der)
	if err != nil {
		return nil, err
	}
	return marshalKey(k)
}
