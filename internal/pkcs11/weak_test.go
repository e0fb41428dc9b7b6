//go:build pkcs11 && cgo

package pkcs11

import (
	"crypto/elliptic"

	"github.com/ThalesGroup/crypto11"
)

// makeWeak makes a key in the token that its user can read out, with a given identifier.
func makeWeak(c *crypto11.Context, r reference) error {
	public, err := crypto11.NewAttributeSetWithIDAndLabel(r.id, []byte(r.name))
	if err != nil {
		return err
	}
	private := public.Copy()
	for attribute, value := range map[crypto11.AttributeType]bool{crypto11.CkaSensitive: false, crypto11.CkaExtractable: true} {
		if err := private.Set(attribute, value); err != nil {
			return err
		}
	}
	_, err = c.GenerateECDSAKeyPairWithAttributes(public, private, elliptic.P256())
	return err
}
