package tpm

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/tpm"
)

func TestAttack_P02_KeyNotRestricted(t *testing.T) {
	w := simulated(t)
	for name, alter := range map[string]func(*tpm2.TPMAObject){
		"not restricted":          func(a *tpm2.TPMAObject) { a.Restricted = false },
		"not sign":                func(a *tpm2.TPMAObject) { a.SignEncrypt = false },
		"decrypt":                 func(a *tpm2.TPMAObject) { a.Decrypt = true },
		"not fixedTPM":            func(a *tpm2.TPMAObject) { a.FixedTPM = false },
		"not fixedParent":         func(a *tpm2.TPMAObject) { a.FixedParent = false },
		"not sensitiveDataOrigin": func(a *tpm2.TPMAObject) { a.SensitiveDataOrigin = false },
	} {
		t.Run(name, func(t *testing.T) {
			attributes := tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, Restricted: true, SignEncrypt: true}
			alter(&attributes)
			m := w.newMachine(t, simulator.MachineOptions{Name: name, Attributes: attributes})
			item := quoteOf(t, m, w.nonce)
			out := refused(t, w.roots(), item, evidence.CodeTPMAKAttributes)
			if check, _ := out.Checks.Get(evidence.CodeTPMAKAttributes); !strings.Contains(check.Got, name) {
				t.Errorf("%v does not say %q", check, name)
			}
			refused(t, given(m), item, evidence.CodeTPMAKAttributes)
			item.AKCertificates, item.AKPublic = nil, nil
			refused(t, given(m), item, evidence.CodeTPMAKAttributes) // by the area that the operator gave
		})
	}
}

// An operator gives only the key of an unrestricted key; the sender adds a public
// area that calls it restricted. Nothing may follow from that area.
func TestAttack_P02_LyingPublicArea(t *testing.T) {
	w := simulated(t)
	item := quoteOf(t, w.machine, w.nonce)
	out := accepted(t, Options{Keys: []TrustedKey{{Public: w.machine.Key.Public()}}}, item)
	claims := out.Claims.TPM
	if claims.AKRestricted != nil || claims.AKName != nil {
		t.Errorf("claims of an area that nothing vouches for: %+v", claims)
	}
	if check, _ := out.Checks.Get(evidence.CodeTPMAKAttributes); check.Status != evidence.NotPerformed {
		t.Errorf("%v", check)
	}
}

// The public area that comes along differs from the given one in its attributes.
func TestAttack_P02_OtherAreaOfTheGivenKey(t *testing.T) {
	w := simulated(t)
	m := w.newMachine(t, simulator.MachineOptions{Name: "unrestricted", WithoutCertificate: true,
		Attributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, SignEncrypt: true}})
	item := quoteOf(t, m, w.nonce)
	area, err := tpm2.Unmarshal[tpm2.TPMTPublic](m.Public)
	if err != nil {
		t.Fatal(err)
	}
	area.ObjectAttributes.Restricted = true
	item.AKPublic = tpm2.Marshal(area)
	refused(t, given(m), item, evidence.CodeTPMAKPublicMatch, evidence.CodeTPMAKAttributes)
}

func TestAttack_P07_PublicAreaOfAnotherKey(t *testing.T) {
	w := simulated(t)
	other := w.newMachine(t, simulator.MachineOptions{Name: "other"})
	item := quoteOf(t, w.machine, w.nonce)
	item.AKPublic = other.Public
	refused(t, w.roots(), item, evidence.CodeTPMAKPublicMatch)
	rsaMachine := w.newMachine(t, simulator.MachineOptions{Name: "rsa", Key: simulator.KeyRSA})
	item.AKPublic = rsaMachine.Public
	refused(t, w.roots(), item, evidence.CodeTPMAKPublicMatch, evidence.CodeTPMSignatureScheme)
	// With a given key it names the key, which then is not the given one.
	item.AKCertificates = nil
	refused(t, given(w.machine), item, evidence.CodeTPMAKUntrusted, evidence.CodeTPMSignatureScheme)
}

func TestAttack_P15_SchemeConfusion(t *testing.T) {
	w := simulated(t)
	rsaMachine := w.newMachine(t, simulator.MachineOptions{Name: "rsa", Key: simulator.KeyRSA})
	ecc, rsaItem := quoteOf(t, w.machine, w.nonce), quoteOf(t, rsaMachine, w.nonce)
	digest := sha256.Sum256(rsaItem.Attest)
	pss, err := rsa.SignPSS(rand.Reader, rsaMachine.Key.(*rsa.PrivateKey), crypto.SHA256, digest[:], nil)
	if err != nil {
		t.Fatal(err)
	}
	with := func(item *evidence.TPM, signature []byte) *evidence.TPM {
		altered := *item
		altered.Signature = signature
		return &altered
	}
	null := bytes.Clone(ecc.Signature)
	binary.BigEndian.PutUint16(null[2:], uint16(algNull))
	t.Run("RSA key, ECDSA signature", func(t *testing.T) {
		refused(t, w.roots(), with(rsaItem, ecc.Signature), evidence.CodeTPMSignatureScheme)
	})
	t.Run("ECC key, RSA signature", func(t *testing.T) {
		refused(t, w.roots(), with(ecc, rsaItem.Signature), evidence.CodeTPMSignatureScheme)
	})
	t.Run("RSAPSS by a key for RSASSA", func(t *testing.T) {
		refused(t, w.roots(), with(rsaItem, retag(rsaItem.Signature, algRSAPSS, pss)), evidence.CodeTPMSignatureScheme)
	})
	t.Run("RSASSA named RSAPSS", func(t *testing.T) {
		item := with(rsaItem, retag(rsaItem.Signature, algRSAPSS, nil))
		item.AKPublic = nil
		refused(t, w.roots(), item, evidence.CodeTPMSignature)
	})
	t.Run("null hash", func(t *testing.T) {
		refused(t, w.roots(), with(ecc, null), evidence.CodeTPMSignatureScheme, evidence.CodeTPMSignatureHash)
	})
	t.Run("longer numbers", func(t *testing.T) {
		sig, err := parseSignature(ecc.Signature)
		if err != nil {
			t.Fatal(err)
		}
		zeros := []byte{0}
		long := slices.Concat(ecc.Signature[:4], []byte{0, 33}, zeros, sig.r, []byte{0, 33}, zeros, sig.s)
		refused(t, w.roots(), with(ecc, long), evidence.CodeTPMSignature)
	})
	t.Run("null scheme", func(t *testing.T) {
		refused(t, w.roots(), with(ecc, []byte{0, 0x10}), evidence.CodeTPMSignatureFormat)
	})
	t.Run("HMAC", func(t *testing.T) {
		refused(t, w.roots(), with(ecc, append([]byte{0, 5, 0, 0x0b}, make([]byte, 32)...)), evidence.CodeTPMSignatureFormat)
	})
}

// A key whose certificate leaves the scheme open may sign by RSAPSS.
func TestRSAPSS(t *testing.T) {
	w := simulated(t)
	m := w.newMachine(t, simulator.MachineOptions{Name: "rsa", Key: simulator.KeyRSA})
	item := quoteOf(t, m, w.nonce)
	digest := sha256.Sum256(item.Attest)
	for _, salt := range []int{rsa.PSSSaltLengthEqualsHash, rsa.PSSSaltLengthAuto} {
		pss, err := rsa.SignPSS(rand.Reader, m.Key.(*rsa.PrivateKey), crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt})
		if err != nil {
			t.Fatal(err)
		}
		item.Signature, item.AKPublic = retag(item.Signature, algRSAPSS, pss), nil
		if out := accepted(t, w.roots(), item); out.Claims.TPM.SignatureScheme != "rsapss" {
			t.Errorf("scheme %q", out.Claims.TPM.SignatureScheme)
		}
	}
}

// retag gives an RSA signature another scheme, and other bytes unless raw is nil.
func retag(signature []byte, scheme algorithm, raw []byte) []byte {
	signature = bytes.Clone(signature)
	binary.BigEndian.PutUint16(signature, uint16(scheme))
	if raw != nil {
		copy(signature[6:], raw)
	}
	return signature
}

// The quote names another signer.
func TestAttack_P19_QualifiedSigner(t *testing.T) {
	w := simulated(t)
	for _, name := range [][]byte{{}, {0, 0x0b}, append([]byte{0, 0x0c}, make([]byte, 48)...), append([]byte{0, 0x0c}, make([]byte, 32)...)} {
		item := w.mutant(t, func(a *tpm2.TPMSAttest) { a.QualifiedSigner.Buffer = name })
		refused(t, w.roots(), item, evidence.CodeTPMQualifiedSigner)
	}
	// A key below another one has a name that cannot be recomputed: no pass.
	item := w.mutant(t, func(a *tpm2.TPMSAttest) { a.QualifiedSigner.Buffer = append([]byte{0, 0x0b}, make([]byte, 32)...) })
	out := accepted(t, w.roots(), item)
	if check, _ := out.Checks.Get(evidence.CodeTPMQualifiedSigner); check.Status != evidence.NotPerformed {
		t.Errorf("%v", check)
	}
}

func TestAttack_P24_BadKeys(t *testing.T) {
	w := simulated(t)
	area := func(m *simulator.Machine, alter func(*tpm2.TPMTPublic)) []byte {
		p, err := tpm2.Unmarshal[tpm2.TPMTPublic](m.Public)
		if err != nil {
			t.Fatal(err)
		}
		alter(p)
		return tpm2.Marshal(p)
	}
	point := func(x, y []byte) func(*tpm2.TPMTPublic) {
		return func(p *tpm2.TPMTPublic) {
			p.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{X: tpm2.TPM2BECCParameter{Buffer: x}, Y: tpm2.TPM2BECCParameter{Buffer: y}})
		}
	}
	modulus := func(n *big.Int, exponent uint32) func(*tpm2.TPMTPublic) {
		return func(p *tpm2.TPMTPublic) {
			parms, err := p.Parameters.RSADetail()
			if err != nil {
				t.Fatal(err)
			}
			parms.KeyBits, parms.Exponent = tpm2.TPMKeyBits(8*len(n.Bytes())), exponent
			p.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgRSA, &tpm2.TPM2BPublicKeyRSA{Buffer: n.Bytes()})
		}
	}
	rsaMachine := w.newMachine(t, simulator.MachineOptions{Name: "rsa", Key: simulator.KeyRSA})
	n := rsaMachine.Key.Public().(*rsa.PublicKey).N
	small := new(big.Int).Rsh(n, 1024)
	small.SetBit(small, 0, 1)
	curve := func(id tpm2.TPMECCCurve) func(*tpm2.TPMTPublic) {
		return func(p *tpm2.TPMTPublic) {
			parms, err := p.Parameters.ECCDetail()
			if err != nil {
				t.Fatal(err)
			}
			parms.CurveID = id
		}
	}
	for name, raw := range map[string][]byte{
		"off the curve":   area(w.machine, point(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))),
		"the identity":    area(w.machine, point(nil, nil)),
		"zero":            area(w.machine, point(make([]byte, 32), make([]byte, 32))),
		"long coordinate": area(w.machine, point(bytes.Repeat([]byte{1}, 33), bytes.Repeat([]byte{2}, 32))),
		"longer still":    area(w.machine, point(bytes.Repeat([]byte{1}, 66), bytes.Repeat([]byte{2}, 66))),
		"another curve":   area(w.machine, curve(tpm2.TPMECCNistP384)),
		"P-224":           area(w.machine, curve(tpm2.TPMECCNistP224)),
		"no curve":        area(w.machine, curve(0)),
		"e = 1":           area(rsaMachine, modulus(n, 1)),
		"e = 3":           area(rsaMachine, modulus(n, 3)),
		"e = 2^32 - 1":    area(rsaMachine, modulus(n, 1<<32-1)),
		"RSA-1024":        area(rsaMachine, modulus(small, 0)),
		"even modulus":    area(rsaMachine, modulus(new(big.Int).SetBit(n, 0, 0), 0)),
		"short modulus":   area(rsaMachine, modulus(new(big.Int).SetBit(n, n.BitLen()-1, 0), 0)),
		"long modulus":    area(rsaMachine, padded(t, n)),
		"factorable":      area(rsaMachine, modulus(factorableModulus(), 0)),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseTrustedKey(raw); evidence.CodeOf(err) != evidence.CodeTPMAKKey {
				t.Errorf("ParseTrustedKey: %v", err)
			}
			item := quoteOf(t, w.machine, w.nonce)
			item.AKPublic = raw
			refused(t, w.roots(), item, evidence.CodeTPMAKKey)
		})
	}
}

// padded is an RSA key of 2056 bits whose first byte is zero.
func padded(t *testing.T, n *big.Int) func(*tpm2.TPMTPublic) {
	return func(p *tpm2.TPMTPublic) {
		parms, err := p.Parameters.RSADetail()
		if err != nil {
			t.Fatal(err)
		}
		parms.KeyBits = 2056
		p.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgRSA, &tpm2.TPM2BPublicKeyRSA{Buffer: append([]byte{0}, n.Bytes()...)})
	}
}

// factorableModulus has the fingerprint of CVE-2017-15361: a power of 65537
// modulo the product of the small primes.
func factorableModulus() *big.Int {
	product := big.NewInt(1)
	for _, prime := range smallPrimes {
		product.Mul(product, big.NewInt(prime))
	}
	power := new(big.Int).Exp(big.NewInt(65537), big.NewInt(123456789), product)
	n := new(big.Int).SetBit(new(big.Int), 2047, 1)
	n.Add(n, new(big.Int).Lsh(big.NewInt(1), 2046))
	n.Sub(n, new(big.Int).Mod(n, product)).Add(n, power)
	if n.Bit(0) == 0 {
		n.Add(n, product)
	}
	return n
}

// TestFactorable holds the fingerprint's chance to what its comment says.
func TestFactorable(t *testing.T) {
	chance := 1.0
	for _, p := range smallPrimes {
		powers := 0
		for x := range p {
			if isPower(x, 65537%p, p) {
				powers++
			}
		}
		chance *= float64(powers) / float64(p)
	}
	if chance > 1.0/(1<<27) {
		t.Errorf("a sound modulus is refused with a probability of %g", chance)
	}
	if !factorable(factorableModulus()) {
		t.Error("the fingerprint is not recognised")
	}
	for range 20 {
		n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 2048))
		if err != nil || factorable(n) {
			t.Error("a random number has the fingerprint")
		}
	}
}

// TestMalformedPublic sends public areas with one field that is not as it must be.
func TestMalformedPublic(t *testing.T) {
	w := simulated(t)
	good := w.machine.Public
	alter := func(at int, b ...byte) []byte {
		raw := bytes.Clone(good)
		copy(raw[at:], b)
		return raw
	}
	// The area of a P-256 key: type 0, nameAlg 2, attributes 4, authPolicy 8,
	// symmetric 10, scheme 12, its hash 14, curve 16, kdf 18, x 20.
	for name, raw := range map[string][]byte{
		"type":             alter(0, 0, 8),
		"nameAlg SHA-1":    alter(2, 0, 4),
		"nameAlg null":     alter(2, 0, 0x10),
		"nameAlg unknown":  alter(2, 0x7f, 0xff),
		"authPolicy":       alter(8, 0, 65),
		"symmetric":        alter(10, 0, 0x0a),
		"scheme":           alter(12, 0x7f, 0xff),
		"a coordinate":     alter(20, 0, 67),
		"an RSA area":      alter(0, 0, 1),
		"RSA of odd sizes": {0, 1, 0, 0x0b, 0, 5, 4, 0x72, 0, 0, 0, 0x10, 0, 0x14, 0, 0x0b, 8, 0, 0, 0, 0, 0, 0, 1, 0xff},
	} {
		if _, err := parsePublic(raw); evidence.CodeOf(err) != evidence.CodeTPMAKPublicFormat {
			t.Errorf("%s: %v", name, err)
		}
	}
}
