package seed_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"testing"

	"github.com/quotary/quotary/simulators/seed"
)

// TestSameSeedSameKeys also tells sources and labels apart.
func TestSameSeedSameKeys(t *testing.T) {
	keys := map[string]string{}
	for _, technology := range []string{"one", "other"} {
		for _, text := range []string{"seed", "another"} {
			for _, label := range []string{"root", "leaf"} {
				s := seed.New(technology, text)
				key, again := s.ECDSA(elliptic.P384(), label), s.ECDSA(elliptic.P384(), label)
				if !key.Equal(again) {
					t.Fatal("the same seed and label give two keys")
				}
				spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
				if err != nil {
					t.Fatal(err)
				}
				name := technology + " " + text + " " + label
				if other, taken := keys[string(spki)]; taken {
					t.Errorf("%s and %s have one key", name, other)
				}
				keys[string(spki)] = name
			}
		}
	}
}

func TestRSA(t *testing.T) {
	for _, bits := range []int{2048, 4096} {
		key := seed.New("rsa", "seed").RSA(bits, "key")
		if err := key.Validate(); err != nil || key.N.BitLen() != bits {
			t.Errorf("%d bits, want %d: %v", key.N.BitLen(), bits, err)
		}
		if bits == 2048 && !key.Equal(seed.New("rsa", "seed").RSA(bits, "key")) {
			t.Error("the same seed and label give two keys")
		}
	}
}
