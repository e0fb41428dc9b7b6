package hcl

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/strictjson"
)

// RuntimeData are the claims of a paravisor (OpenVMM's RuntimeClaims).
type RuntimeData struct {
	// AK is the attestation key of the virtual TPM, an *rsa.PublicKey.
	AK crypto.PublicKey
	// AKSHA256 is the SHA-256 of its SubjectPublicKeyInfo.
	AKSHA256 evidence.Digest
	Claims   evidence.ParavisorClaims
}

// The names of the virtual TPM's keys.
const (
	akName = "HCLAkPub"
	ekName = "HCLEkPub"
)

// ParseRuntimeData reads the runtime data of a report: strict JSON that names the
// attestation key exactly once. What this build does not know is passed over. The error
// has code [evidence.CodeCompositeRuntime].
func ParseRuntimeData(raw []byte) (*RuntimeData, error) {
	if len(raw) > evidence.MaxRuntimeData {
		return nil, runtimeError("%d bytes, at most %d are read", len(raw), evidence.MaxRuntimeData)
	}
	root, err := strictjson.Parse(raw, strictjson.Rules{Depth: maxDepth, Elements: maxElements, Text: maxText})
	if err != nil {
		return nil, runtimeError("%w", err)
	}
	if root.Kind != strictjson.Object {
		return nil, runtimeError("not a JSON object")
	}
	data := &RuntimeData{}
	if err := data.readKeys(root.Get("keys")); err != nil {
		return nil, err
	}
	if err := readConfiguration(root.Get("vm-configuration"), &data.Claims); err != nil {
		return nil, err
	}
	if data.Claims.UserData, err = readUserData(root.Get("user-data")); err != nil {
		return nil, err
	}
	return data, nil
}

func runtimeError(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeCompositeRuntime, "runtime_data", format, args...)
}

// readKeys reads the set of keys (RFC 7517).
func (d *RuntimeData) readKeys(set *strictjson.Value) error {
	if set == nil || set.Kind != strictjson.Array {
		return runtimeError("there is no array \"keys\"")
	}
	var ak, ek *strictjson.Value
	for i := range set.Items {
		key := &set.Items[i].Value
		id := key.Get("kid")
		if id == nil || id.Kind != strictjson.Text {
			return runtimeError("a key has no name")
		}
		var place **strictjson.Value
		switch {
		case strings.EqualFold(id.Text, akName):
			place = &ak
		case strings.EqualFold(id.Text, ekName):
			place = &ek
		default:
			continue
		}
		if *place != nil || id.Text != akName && id.Text != ekName {
			return runtimeError("a second key is named %q, or one in other letters", id.Text)
		}
		*place = key
	}
	if ak == nil {
		return runtimeError("no key is named %s", akName)
	}
	var err error
	if d.AK, d.AKSHA256, err = readKey(ak, akName); err != nil {
		return err
	}
	d.Claims.AKSHA256 = d.AKSHA256[:]
	if ek == nil {
		return nil
	}
	_, digest, err := readKey(ek, ekName)
	d.Claims.EKSHA256 = digest[:]
	return err
}

// readKey reads an RSA key (RFC 7518, 6.3.1) and returns it with the SHA-256 of its
// SubjectPublicKeyInfo. What the key is said to be for is passed over: paravisors of
// 2023 say that the attestation key encrypts.
func readKey(key *strictjson.Value, name string) (*rsa.PublicKey, evidence.Digest, error) {
	if text(key, "kty") != "RSA" {
		return nil, evidence.Digest{}, runtimeError("key %s is not of type RSA", name)
	}
	modulus, ok := integer(text(key, "n"))
	exponent, also := integer(text(key, "e"))
	switch {
	case !ok || !also:
		return nil, evidence.Digest{}, runtimeError("modulus or exponent of key %s is not the base64url of a number", name)
	case modulus.BitLen() < minRSA || modulus.BitLen() > maxRSA || modulus.Bit(0) == 0:
		return nil, evidence.Digest{}, runtimeError("the modulus of key %s has %d bits or is even; %d to %d are accepted", name, modulus.BitLen(), minRSA, maxRSA)
	case exponent.Cmp(big.NewInt(65537)) != 0:
		return nil, evidence.Digest{}, runtimeError("the exponent of key %s is not 65537", name)
	}
	public := &rsa.PublicKey{N: modulus, E: 65537}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, evidence.Digest{}, runtimeError("key %s: %w", name, err)
	}
	return public, sha256.Sum256(der), nil
}

// text returns a member that is a text, or nothing.
func text(object *strictjson.Value, name string) string {
	if v := object.Get(name); v != nil && v.Kind == strictjson.Text {
		return v.Text
	}
	return ""
}

// integer reads Base64urlUInt (RFC 7518, 2): big-endian, without a leading zero.
func integer(encoded string) (*big.Int, bool) {
	if strings.ContainsAny(encoded, "\r\n") { // which the decoder would skip
		return nil, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(b) == 0 || b[0] == 0 {
		return nil, false
	}
	return new(big.Int).SetBytes(b), true
}

// readConfiguration reads what the paravisor knows of the VM. A member may be
// missing, but not be of another type.
func readConfiguration(configuration *strictjson.Value, claims *evidence.ParavisorClaims) error {
	if configuration == nil {
		return nil
	}
	if configuration.Kind != strictjson.Object {
		return runtimeError("vm-configuration is not an object")
	}
	for name, place := range map[string]**bool{
		"secure-boot": &claims.SecureBoot, "tpm-enabled": &claims.TPMEnabled,
		"tpm-persisted": &claims.TPMPersisted, "console-enabled": &claims.Console,
	} {
		value := configuration.Get(name)
		if value == nil {
			continue
		}
		if value.Kind != strictjson.Bool {
			return runtimeError("%s is neither true nor false", name)
		}
		yes := value.Text == "true"
		*place = &yes
	}
	return readID(configuration.Get("vmUniqueId"), claims)
}

// readID reads the VM's UUID, which paravisors write in either case, and returns it as
// RFC 9562, 4, has it: in lower case.
func readID(id *strictjson.Value, claims *evidence.ParavisorClaims) error {
	if id == nil {
		return nil
	}
	lower := strings.ToLower(id.Text)
	if id.Kind != strictjson.Text || !isUUID(lower) {
		return runtimeError("vmUniqueId is no UUID")
	}
	claims.VMID = lower
	return nil
}

func isUUID(s string) bool {
	const form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if len(s) != len(form) {
		return false
	}
	for i := range len(form) {
		if form[i] == '-' && s[i] != '-' || form[i] == 'x' && strings.IndexByte("0123456789abcdef", s[i]) < 0 {
			return false
		}
	}
	return true
}

const userDataSize = 64

// readUserData reads what software in the guest had put into the report.
func readUserData(value *strictjson.Value) (evidence.Hex, error) {
	if value == nil || value.Kind == strictjson.Text && value.Text == "" {
		return nil, nil
	}
	data, err := hex.DecodeString(value.Text)
	if value.Kind != strictjson.Text || err != nil || len(data) != userDataSize {
		return nil, runtimeError("user-data is not %d bytes of hex", userDataSize)
	}
	return data, nil
}
