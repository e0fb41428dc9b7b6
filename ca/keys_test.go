package ca_test

import (
	"testing"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/ca/keytest"
	"github.com/quotary/quotary/tee/tpm/guest"
	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

func TestKeysInFiles(t *testing.T) {
	keytest.Run(t, func(*testing.T) ca.Keys { return ca.Keys{} })
}

func TestKeysInTPM(t *testing.T) {
	machine := tpmtest.StartBlank(t)
	keytest.Run(t, func(t *testing.T) ca.Keys {
		store, err := guest.NewKeyStore(machine.Address)
		if err != nil {
			t.Fatal(err)
		}
		return ca.Keys{New: store, Known: []ca.KeyStore{store}}
	})
}
