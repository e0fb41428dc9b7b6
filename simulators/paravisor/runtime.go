package paravisor

import (
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
)

// runtime is the text that the report covers, with its members in the order in
// which they are written.
type runtime struct {
	Keys          []jsonKey     `json:"keys"`
	Configuration configuration `json:"vm-configuration"`
	UserData      string        `json:"user-data"`
}

// jsonKey is a public key (RFC 7517).
type jsonKey struct {
	KID string   `json:"kid"`
	Ops []string `json:"key_ops"`
	KTY string   `json:"kty"`
	E   string   `json:"e"`
	N   string   `json:"n"`
}

type configuration struct {
	Console        bool   `json:"console-enabled"`
	RootThumbprint string `json:"root-cert-thumbprint"`
	SecureBoot     bool   `json:"secure-boot"`
	TPMEnabled     bool   `json:"tpm-enabled"`
	TPMPersisted   bool   `json:"tpm-persisted"`
	VMID           string `json:"vmUniqueId"`
}

// RuntimeData returns the text that the report covers: the public keys of the virtual
// TPM, the configuration of the VM, and what the guest had put in.
func (m *Machine) RuntimeData() ([]byte, error) {
	ek, err := m.TPM.EK()
	if err != nil {
		return nil, err
	}
	ak, err := newJSONKey("HCLAkPub", "sign", m.TPM.Key.Public())
	if err != nil {
		return nil, err
	}
	storage, err := newJSONKey("HCLEkPub", "encrypt", ek)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return json.Marshal(runtime{
		Keys: []jsonKey{ak, storage},
		Configuration: configuration{
			Console: m.options.Console, SecureBoot: !m.options.WithoutSecureBoot, TPMEnabled: true, TPMPersisted: true, VMID: m.options.VMID,
		},
		UserData: fmt.Sprintf("%X", m.userData),
	})
}

// SetUserData has the paravisor make another report, which covers data of the
// guest's, as a write to the NV index 0x01400002 does.
func (m *Machine) SetUserData(data [64]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.userData = data
}

func newJSONKey(name, operation string, public crypto.PublicKey) (jsonKey, error) {
	key, ok := public.(*rsa.PublicKey)
	if !ok {
		return jsonKey{}, fmt.Errorf("paravisor: %s is a %T; paravisors have RSA keys", name, public)
	}
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	return jsonKey{KID: name, Ops: []string{operation}, KTY: "RSA", E: number(big.NewInt(int64(key.E))), N: number(key.N)}, nil
}
