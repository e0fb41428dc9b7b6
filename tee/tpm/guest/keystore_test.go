package guest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/tpm/guest"
	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

func keyStore(t *testing.T, address string) *guest.KeyStore {
	t.Helper()
	store, err := guest.NewKeyStore(address)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// signs has a key sign, and reports whether it is this one that did.
func signs(t *testing.T, key crypto.Signer, by crypto.PublicKey) error {
	t.Helper()
	digest := sha256.Sum256([]byte(t.Name()))
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err == nil && !ecdsa.VerifyASN1(by.(*ecdsa.PublicKey), digest[:], signature) {
		t.Error("the signature does not verify")
	}
	return err
}

// A key outlasts the process and a reboot, and is of no use to another TPM.
func TestKeyStore(t *testing.T) {
	machine := tpmtest.StartBlank(t)
	store := keyStore(t, machine.Address)
	reference, err := store.Create("issuing")
	if err != nil {
		t.Fatal(err)
	}
	key, err := store.Open(reference)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := signs(t, key, key.Public()); err != nil {
			t.Error(err)
		}
	}
	nothingLoaded(t, machine)

	machine.Reboot(t)
	if err := signs(t, key, key.Public()); err != nil {
		t.Errorf("after a reboot: %v", err)
	}
	again, err := keyStore(t, machine.Address).Open(reference)
	if err != nil {
		t.Fatal(err)
	}
	if err := signs(t, again, key.Public()); err != nil {
		t.Errorf("opened again: %v", err)
	}
	nothingLoaded(t, machine)

	other := tpmtest.StartBlank(t)
	if _, err := keyStore(t, other.Address).Open(reference); evidence.CodeOf(err) != evidence.CodeAttesterFailed || !strings.Contains(err.Error(), "cleared") {
		t.Errorf("in another TPM: %v", err)
	}
}

// One TPM signs for as many as ask at once, with whichever key they have.
func TestConcurrentSigning(t *testing.T) {
	machine := tpmtest.StartBlank(t)
	store := keyStore(t, machine.Address)
	var keys []crypto.Signer
	for range 2 {
		reference, err := store.Create("issuing")
		if err != nil {
			t.Fatal(err)
		}
		key, err := store.Open(reference)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	var wait sync.WaitGroup
	for i := range 16 {
		wait.Go(func() {
			key := keys[i%2]
			if err := signs(t, key, key.Public()); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	nothingLoaded(t, machine)
}

// Without a TPM nothing is opened, and nothing is made.
func TestKeyStoreWithoutTPM(t *testing.T) {
	store := keyStore(t, "unix:"+filepath.Join(t.TempDir(), "none"))
	if _, err := store.Create("issuing"); evidence.CodeOf(err) != evidence.CodeAttesterAbsent {
		t.Error(err)
	}
	if _, err := guest.NewKeyStore("tpm0"); evidence.CodeOf(err) != evidence.CodeAttesterAbsent {
		t.Error(err)
	}
}

// Only keys that their TPM made and that stay there are opened, from files that are
// encoded in one way alone.
func TestAttack_A16_KeysOfOtherTypes(t *testing.T) {
	good := sample(t)
	if _, err := guest.ParseKey(good); err != nil {
		t.Fatal(err)
	}
	change := func(f func(k *keyParts)) []byte {
		var k keyParts
		if _, err := asn1.Unmarshal(good, &k); err != nil {
			t.Fatal(err)
		}
		f(&k)
		der, err := asn1.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	const attributes = 2 + 2 + 2 // behind the size, the type and the name's hash
	for name, der := range map[string][]byte{
		"nothing":               {},
		"trailing byte":         append(slices.Clone(good), 0),
		"too large":             make([]byte, 2<<10),
		"importable":            change(func(k *keyParts) { k.Type = asn1.ObjectIdentifier{2, 23, 133, 10, 1, 4} }),
		"authorized":            change(func(k *keyParts) { k.EmptyAuth = false }),
		"below the endorsement": change(func(k *keyParts) { k.Parent = 0x4000000b }),
		"no public area":        change(func(k *keyParts) { k.Public = nil }),
		"size of another":       change(func(k *keyParts) { k.Public[1]++ }),
		"private part empty":    change(func(k *keyParts) { k.Private = []byte{0, 0} }),
		"leaves its TPM":        change(func(k *keyParts) { k.Public[attributes+3] &^= 1 << 1 }),
		"leaves its parent":     change(func(k *keyParts) { k.Public[attributes+3] &^= 1 << 4 }),
		"made elsewhere":        change(func(k *keyParts) { k.Public[attributes+3] &^= 1 << 5 }),
		"restricted":            change(func(k *keyParts) { k.Public[attributes+1] |= 1 }),
		"not on the curve":      change(func(k *keyParts) { k.Public[len(k.Public)-1] ^= 1 }),
	} {
		if _, err := guest.ParseKey(der); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

type keyParts struct {
	Type      asn1.ObjectIdentifier
	EmptyAuth bool `asn1:"explicit,optional,tag:0"`
	Parent    int64
	Public    []byte
	Private   []byte
}

// sample is a reference to a key that no TPM has.
func sample(tb testing.TB) []byte {
	tb.Helper()
	der, err := os.ReadFile(filepath.Join("testdata", "key.der"))
	if err != nil {
		tb.Fatal(err)
	}
	return der
}

// FuzzKeyFile parses references: what is accepted is encoded in one way alone.
func FuzzKeyFile(f *testing.F) {
	f.Add(sample(f))
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, der []byte) {
		if again, err := guest.ParseKey(der); err == nil && string(again) != string(der) {
			t.Errorf("%x becomes %x", der, again)
		}
	})
}

// BenchmarkKeyStore is how long a signature takes: of a software TPM, the least.
func BenchmarkKeyStore(b *testing.B) {
	machine := tpmtest.StartBlank(b)
	store, err := guest.NewKeyStore(machine.Address)
	if err != nil {
		b.Fatal(err)
	}
	reference, err := store.Create("issuing")
	if err != nil {
		b.Fatal(err)
	}
	key, err := store.Open(reference)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256(nil)
	begun := time.Now()
	for b.Loop() {
		if _, err := key.Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/time.Since(begun).Seconds(), "signatures/s")
}
