package attacks

import (
	"bytes"
	"math/big"
	"slices"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tpm"
)

const unvouched = "a key that nothing vouches for rests on no root, and there is nothing to ask a policy about"

// tpmAreaRows lie about what the attestation key is, or have one that is none.
func tpmAreaRows() []Row {
	attributes, _, weak := otherEnrolledKeys()
	return []Row{
		{"P02", "attestation key that signs whatever it is given", append(slices.Concat(otherAttributes(), attributes), Case{
			Name: "a key of software, in an area that calls it restricted", Subject: tpmPlain, Want: codes(evidence.CodeTPMAKUntrusted), Proof: ByParser, Why: unvouched,
			Try: otherTPM(func(o *tpm.MachineOptions) { o.WithoutCertificate = true }),
		})},
		{"P07", "public area of another key", []Case{
			{
				Name: "of the same type", Subject: tpmPlain, Want: codes(evidence.CodeTPMAKPublicMatch),
				Try: beside(func(a *Attacker, item *evidence.TPM) error {
					other, err := a.another()
					if err == nil {
						item.AKPublic = other.Public
					}
					return err
				}),
			},
			{
				Name: "of another type", Subject: tpmPlain, Want: codes(evidence.CodeTPMAKPublicMatch, evidence.CodeTPMSignatureScheme),
				Try: beside(func(a *Attacker, item *evidence.TPM) error {
					key, err := largeKey(a)
					if err == nil {
						item.AKPublic = tpm2.Marshal(rsaArea(key.N, 0))
					}
					return err
				}),
			},
		}},
		{"P24", "weak and malformed keys", slices.Concat(weakAreas(), weak, weakEndorsements(), []Case{weakCertifiedKey()})},
	}
}

// otherAttributes have keys that lack one attribute of attestation keys, or have one more.
func otherAttributes() []Case {
	var cases []Case
	for _, x := range []struct {
		name   string
		alter  func(*tpm2.TPMAObject)
		behind []evidence.Code
	}{
		{"not restricted", func(a *tpm2.TPMAObject) { a.Restricted = false }, codes(evidence.CodePolicyTPMAKRestricted)},
		{"does not sign", func(a *tpm2.TPMAObject) { a.SignEncrypt = false }, nil},
		{"decrypts", func(a *tpm2.TPMAObject) { a.Decrypt = true }, nil},
		{"can be duplicated", func(a *tpm2.TPMAObject) { a.FixedTPM = false }, nil},
		{"can be moved", func(a *tpm2.TPMAObject) { a.FixedParent = false }, nil},
		{"came from outside", func(a *tpm2.TPMAObject) { a.SensitiveDataOrigin = false }, nil},
	} {
		cases = append(cases, Case{
			Name: x.name, Subject: tpmPlain, Want: codes(evidence.CodeTPMAKAttributes), Behind: x.behind,
			Try: otherTPM(func(o *tpm.MachineOptions) {
				o.Attributes = attestationKey()
				x.alter(&o.Attributes)
			}),
		})
	}
	return cases
}

// attestationKey are the attributes of one.
func attestationKey() tpm2.TPMAObject {
	return tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, Restricted: true, SignEncrypt: true}
}

// weakAreas are no points, or moduli that can be factored, in an area beside a good certificate.
func weakAreas() []Case {
	point := func(x, y []byte) func(*Attacker, *evidence.TPM) error {
		return areaAs(func(p *tpm2.TPMTPublic) {
			p.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{X: tpm2.TPM2BECCParameter{Buffer: x}, Y: tpm2.TPM2BECCParameter{Buffer: y}})
		})
	}
	curve := func(id tpm2.TPMECCCurve) func(*Attacker, *evidence.TPM) error {
		return areaAs(func(p *tpm2.TPMTPublic) {
			if parameters, err := p.Parameters.ECCDetail(); err == nil {
				parameters.CurveID = id
			}
		})
	}
	modulus := func(exponent uint32, alter func(n *big.Int) *big.Int) func(*Attacker, *evidence.TPM) error {
		return func(a *Attacker, item *evidence.TPM) error {
			key, err := largeKey(a)
			if err == nil {
				item.AKPublic = tpm2.Marshal(rsaArea(alter(new(big.Int).Set(key.N)), exponent))
			}
			return err
		}
	}
	same := func(n *big.Int) *big.Int { return n }
	var cases []Case
	for _, x := range []struct {
		name   string
		change func(*Attacker, *evidence.TPM) error
	}{
		{"a point off the curve", point(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))},
		{"no point", point(nil, nil)},
		{"the point zero", point(make([]byte, 32), make([]byte, 32))},
		{"a coordinate of 33 bytes", point(bytes.Repeat([]byte{1}, 33), bytes.Repeat([]byte{2}, 32))},
		{"on another curve", curve(tpm2.TPMECCNistP384)},
		{"on P-224", curve(tpm2.TPMECCNistP224)},
		{"exponent 1", modulus(1, same)},
		{"exponent 3", modulus(3, same)},
		{"exponent 2^32 - 1", modulus(1<<32-1, same)},
		{"RSA-1024", modulus(0, func(n *big.Int) *big.Int { return n.SetBit(n.Rsh(n, 3072), 0, 1) })},
		{"an even modulus", modulus(0, func(n *big.Int) *big.Int { return n.SetBit(n, 0, 0) })},
		{"a modulus that can be factored (CVE-2017-15361)", modulus(0, func(*big.Int) *big.Int { return factorable() })},
	} {
		cases = append(cases, Case{Name: x.name, Subject: tpmPlain, Want: codes(evidence.CodeTPMAKKey), Try: beside(x.change)})
	}
	return cases
}

// areaAs changes the area that comes along.
func areaAs(change func(*tpm2.TPMTPublic)) func(*Attacker, *evidence.TPM) error {
	return func(_ *Attacker, item *evidence.TPM) (err error) {
		item.AKPublic, err = altered(item.AKPublic, change)
		return err
	}
}

// altered changes an area.
func altered(area []byte, change func(*tpm2.TPMTPublic)) ([]byte, error) {
	p, err := tpm2.Unmarshal[tpm2.TPMTPublic](area)
	if err != nil {
		return nil, err
	}
	change(p)
	return tpm2.Marshal(p), nil
}

// rsaArea is the area of an attestation key with this modulus.
func rsaArea(n *big.Int, exponent uint32) tpm2.TPMTPublic {
	return tpm2.TPMTPublic{
		Type: tpm2.TPMAlgRSA, NameAlg: tpm2.TPMAlgSHA256, ObjectAttributes: attestationKey(),
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgRSA, &tpm2.TPMSRSAParms{
			Symmetric: tpm2.TPMTSymDefObject{Algorithm: tpm2.TPMAlgNull},
			Scheme: tpm2.TPMTRSAScheme{
				Scheme: tpm2.TPMAlgRSASSA, Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgRSASSA, &tpm2.TPMSSigSchemeRSASSA{HashAlg: tpm2.TPMAlgSHA256}),
			},
			KeyBits: tpm2.TPMKeyBits(8 * len(n.Bytes())), Exponent: exponent,
		}),
		Unique: tpm2.NewTPMUPublicID(tpm2.TPMAlgRSA, &tpm2.TPM2BPublicKeyRSA{Buffer: n.Bytes()}),
	}
}

// factorable is a modulus of 2048 bits with the fingerprint of CVE-2017-15361: modulo each
// small prime it is a power of 65537.
func factorable() *big.Int {
	product := big.NewInt(1)
	for candidate := int64(3); candidate <= 167; candidate += 2 {
		if prime := big.NewInt(candidate); prime.ProbablyPrime(0) {
			product.Mul(product, prime)
		}
	}
	power := new(big.Int).Exp(big.NewInt(65537), big.NewInt(123456789), product)
	n := new(big.Int).Lsh(big.NewInt(3), 2046)
	n.Add(n.Sub(n, new(big.Int).Mod(n, product)), power)
	if n.Bit(0) == 0 {
		n.Add(n, product)
	}
	return n
}
