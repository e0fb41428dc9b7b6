package tpm

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

// A machine's attestation key beside another machine's endorsement key: nothing tells
// from the keys alone, but neither TPM releases the secret.
func TestAttack_P03_KeysOfDifferentTPMs(t *testing.T) {
	ca := tpmtest.NewCA(t)
	first, second := ca.Start(t), ca.Start(t)
	a, b := first.Open(t), second.Open(t)
	akA, akB := createAK(t, a, 1), createAK(t, b, 1)
	if bytes.Equal(akA.area, akB.area) {
		t.Fatal("two TPMs made one key")
	}
	n := newEnroller(t, manufacturer(first))
	out := n.Judge(evidence.Enrolment{EKCertificates: [][]byte{nvCertificate(t, b, 0x01c00016)}, AKPublic: akA.area}, nil, tee.Params{Now: forever})
	if !out.Good() {
		t.Fatalf("refused before the proof:\n%v", out.Checks)
	}
	credential := must[tee.Credential](t)(n.Challenge(rand.Reader, out, bytes.Repeat([]byte{1}, 32)))
	if _, err := activateIn(b, persistent(t, b, 0x81010016), akB, credential); err == nil {
		t.Error("the endorsement key's TPM released the secret for another key")
	}
	if _, err := activateIn(a, persistent(t, a, 0x81010016), akA, credential); err == nil {
		t.Error("the attestation key's TPM decrypted what is for another")
	}
}

// A key that software holds, in an area that lies about it. A TPM takes such an area from
// outside without its private part only, and then releases no secret for it.
func TestAttack_P03_KeyOfSoftware(t *testing.T) {
	machine := tpmtest.Start(t)
	c := machine.Open(t)
	area := must[*tpm2.TPMTPublic](t)(tpm2.Unmarshal[tpm2.TPMTPublic](createAK(t, c, 1).area))
	own := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	x, y := coordinates(&own.PublicKey)
	area.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{X: tpm2.TPM2BECCParameter{Buffer: x}, Y: tpm2.TPM2BECCParameter{Buffer: y}})
	scalar := must[[]byte](t)(own.Bytes())
	whole := tpm2.New2B(tpm2.TPMTSensitive{
		SensitiveType: tpm2.TPMAlgECC, Sensitive: tpm2.NewTPMUSensitiveComposite(tpm2.TPMAlgECC, &tpm2.TPM2BECCParameter{Buffer: scalar}),
	})
	if _, err := (tpm2.LoadExternal{InPublic: tpm2.New2B(*area), InPrivate: whole, Hierarchy: tpm2.TPMRHNull}).Execute(c); err == nil {
		t.Error("the TPM took a key from outside as its own")
	}
	external, err := tpm2.LoadExternal{InPublic: tpm2.New2B(*area), Hierarchy: tpm2.TPMRHNull}.Execute(c)
	if err != nil {
		t.Fatal(err)
	}
	defer tpm2.FlushContext{FlushHandle: external.ObjectHandle}.Execute(c)
	n := newEnroller(t, manufacturer(machine))
	out := n.Judge(evidence.Enrolment{EKCertificates: [][]byte{nvCertificate(t, c, 0x01c00016)}, AKPublic: tpm2.Marshal(area)}, nil, tee.Params{Now: forever})
	if !out.Good() || !bytes.Equal(out.Claims.AKName, external.Name.Buffer) {
		t.Fatalf("refused before the proof:\n%v", out.Checks)
	}
	credential := must[tee.Credential](t)(n.Challenge(rand.Reader, out, bytes.Repeat([]byte{1}, 32)))
	if _, err := activateIn(c, persistent(t, c, 0x81010016), loaded{external.ObjectHandle, external.Name, nil}, credential); !errors.Is(err, tpm2.TPMRCAuthUnavailable) {
		t.Errorf("the TPM released the secret for a key that is not in it: %v", err)
	}
}

func TestAttack_P03_KeysOfDifferentMachines(t *testing.T) {
	w := simulated(t)
	n := newEnroller(t, w.underRoot())
	for _, typ := range []simulator.EKType{simulator.EKRSA2048, simulator.EKP256, simulator.EKP384} {
		t.Run(string(typ), func(t *testing.T) {
			own, other := w.newMachine(t, simulator.MachineOptions{Name: "own", EK: typ}), w.newMachine(t, simulator.MachineOptions{Name: "other", EK: typ})
			request := must[evidence.Enrolment](t)(own.Enrolment())
			request.AKPublic = other.Public
			out := enrols(t, w.underRoot(), request)
			credential := must[tee.Credential](t)(n.Challenge(rand.Reader, out, []byte("secret")))
			for _, m := range []*simulator.Machine{own, other} {
				if _, err := m.Activate(credential); err == nil {
					t.Error("activated")
				}
			}
		})
	}
}

func TestAttack_P04_AreaOfAnotherKey(t *testing.T) {
	w := simulated(t)
	keys := ekKeys()
	another := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	for name, key := range map[string]crypto.PublicKey{"of the same type": another.Public(), "of another type": keys["rsa2048"].Public()} {
		request := w.enrolment(t, keys["p256"])
		request.EKPublic = ekTemplatesOf(key)[0].area(key)
		t.Run(name, func(t *testing.T) { repels(t, w.underRoot(), request, evidence.CodeTPMEKPublic) })
		t.Run(name+", listed", func(t *testing.T) {
			repels(t, listing(t, key, keys["p256"].Public()), request, evidence.CodeTPMEKPublic)
		})
	}
}

// The certificate's key in an area that encrypts less well, or is no endorsement key.
func TestAttack_P04_AreaByNoTemplate(t *testing.T) {
	w := simulated(t)
	for name, alter := range map[string]func(*tpm2.TPMTPublic){
		"names by SHA-384":        func(p *tpm2.TPMTPublic) { p.NameAlg = tpm2.TPMAlgSHA384 },
		"not fixed to its TPM":    func(p *tpm2.TPMTPublic) { p.ObjectAttributes.FixedTPM = false },
		"not fixed to its parent": func(p *tpm2.TPMTPublic) { p.ObjectAttributes.FixedParent = false },
		"imported":                func(p *tpm2.TPMTPublic) { p.ObjectAttributes.SensitiveDataOrigin = false },
		"not restricted":          func(p *tpm2.TPMTPublic) { p.ObjectAttributes.Restricted = false },
		"signs":                   func(p *tpm2.TPMTPublic) { p.ObjectAttributes.SignEncrypt = true },
		"with a password":         func(p *tpm2.TPMTPublic) { p.ObjectAttributes.UserWithAuth = true },
		"without policy":          func(p *tpm2.TPMTPublic) { p.AuthPolicy.Buffer = nil },
		"another policy":          func(p *tpm2.TPMTPublic) { p.AuthPolicy.Buffer[0] ^= 1 },
		"AES-256": func(p *tpm2.TPMTPublic) {
			parameters(t, p).Symmetric.KeyBits = tpm2.NewTPMUSymKeyBits(tpm2.TPMAlgAES, tpm2.TPMKeyBits(256))
		},
		"no encryption": func(p *tpm2.TPMTPublic) {
			parameters(t, p).Symmetric = tpm2.TPMTSymDefObject{Algorithm: tpm2.TPMAlgNull}
		},
		"OAEP with SHA-1": func(p *tpm2.TPMTPublic) {
			parameters(t, p).Scheme = tpm2.TPMTRSAScheme{Scheme: tpm2.TPMAlgOAEP, Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgOAEP, &tpm2.TPMSEncSchemeOAEP{HashAlg: tpm2.TPMAlgSHA1})}
		},
		"exponent spelled out": func(p *tpm2.TPMTPublic) { parameters(t, p).Exponent = 65537 },
	} {
		t.Run(name, func(t *testing.T) {
			key := ekKeys()["rsa2048"]
			area := must[*tpm2.TPMTPublic](t)(tpm2.Unmarshal[tpm2.TPMTPublic](ekTemplates[0].area(key.Public())))
			alter(area)
			request := w.enrolment(t, key)
			request.EKPublic = tpm2.Marshal(area)
			repels(t, w.underRoot(), request, evidence.CodeTPMEKPublic)
			request.EKCertificates = nil
			repels(t, listing(t, key.Public()), request, evidence.CodeTPMEKPublic)
		})
	}
	for name, alter := range map[string]func([]byte) []byte{
		"trailing":  func(b []byte) []byte { return append(b, 0) },
		"truncated": func(b []byte) []byte { return b[:len(b)-1] },
		"SHA-1":     func(b []byte) []byte { return append(b[:2:2], append([]byte{0, 4}, b[4:]...)...) },
	} {
		t.Run(name, func(t *testing.T) {
			request := w.enrolment(t, ekKeys()["rsa2048"])
			request.EKPublic = alter(ekTemplates[0].area(ekKeys()["rsa2048"].Public()))
			repels(t, w.underRoot(), request, evidence.CodeTPMEKPublic)
		})
	}
}

func parameters(t *testing.T, p *tpm2.TPMTPublic) *tpm2.TPMSRSAParms {
	t.Helper()
	return must[*tpm2.TPMSRSAParms](t)(p.Parameters.RSADetail())
}

// Keys that are weak, or of which no template is, though their certificate holds.
func TestAttack_P24_WeakEndorsementKeys(t *testing.T) {
	w := simulated(t)
	n := ekKeys()["rsa2048"].Public().(*rsa.PublicKey).N
	small := new(big.Int).SetBit(new(big.Int).Rsh(n, 1024), 0, 1)
	large := new(big.Int).SetBit(new(big.Int).Lsh(n, 2048), 0, 1)
	middle := new(big.Int).SetBit(new(big.Int).Lsh(n, 512), 0, 1)
	p521 := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	p224 := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	for name, key := range map[string]crypto.PublicKey{
		"factorable":   &rsa.PublicKey{N: factorableModulus(), E: 65537},
		"RSA-1024":     &rsa.PublicKey{N: small, E: 65537},
		"RSA-2560":     &rsa.PublicKey{N: middle, E: 65537},
		"RSA-4096":     &rsa.PublicKey{N: large, E: 65537},
		"e = 3":        &rsa.PublicKey{N: n, E: 3},
		"even modulus": &rsa.PublicKey{N: new(big.Int).SetBit(n, 0, 0), E: 65537},
		"P-521":        p521.Public(),
		"P-224":        p224.Public(),
	} {
		t.Run(name, func(t *testing.T) {
			request := w.enrolmentBy(t, w.vendor.EKIntermediate, key)
			repels(t, w.underRoot(), request, evidence.CodeTPMEKKey)
			repels(t, listing(t, key), request, evidence.CodeTPMEKKey)
		})
	}
	off := ekTemplates[1].area(ekKeys()["p256"].Public())
	off[len(off)-1] ^= 1
	t.Run("off the curve", func(t *testing.T) {
		repels(t, EnrollerOptions{}, evidence.Enrolment{EKPublic: off, AKPublic: w.machine.Public}, evidence.CodeTPMEKKey)
	})
	t.Run("off the curve beside a certificate", func(t *testing.T) {
		request := w.enrolment(t, ekKeys()["p256"])
		request.EKPublic = off
		repels(t, w.underRoot(), request, evidence.CodeTPMEKKey, evidence.CodeTPMEKPublic)
	})
}

// An attestation key that could sign what no TPM made is not certified.
func TestAttack_P02_EnrolledKeyNotRestricted(t *testing.T) {
	w := simulated(t)
	for bit, name := range []string{1: "fixedTPM", 4: "fixedParent", 5: "sensitiveDataOrigin", 16: "restricted", 17: "decrypt", 18: "sign"} {
		if name == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			request := w.enrolment(t, ekKeys()["p256"])
			all := binary.BigEndian.Uint32(request.AKPublic[4:])
			binary.BigEndian.PutUint32(request.AKPublic[4:], all^1<<bit)
			repels(t, w.underRoot(), request, evidence.CodeTPMAKAttributes)
		})
	}
}

func TestAttack_P15_EnrolledKeyOfAnyScheme(t *testing.T) {
	w := simulated(t)
	scheme := func(s tpm2.TPMTECCScheme) func(*tpm2.TPMTPublic) {
		return func(p *tpm2.TPMTPublic) { must[*tpm2.TPMSECCParms](t)(p.Parameters.ECCDetail()).Scheme = s }
	}
	ecdsaBy := func(hash tpm2.TPMAlgID) func(*tpm2.TPMTPublic) {
		return scheme(tpm2.TPMTECCScheme{Scheme: tpm2.TPMAlgECDSA, Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: hash})})
	}
	for name, c := range map[string]struct {
		alter func(*tpm2.TPMTPublic)
		fails []evidence.Code
	}{
		"ECDSA with SHA-384": {ecdsaBy(tpm2.TPMAlgSHA384), nil},
		"ECDSA with SHA-1":   {ecdsaBy(tpm2.TPMAlgSHA1), []evidence.Code{evidence.CodeTPMAKScheme}},
		"any":                {scheme(tpm2.TPMTECCScheme{Scheme: tpm2.TPMAlgNull}), []evidence.Code{evidence.CodeTPMAKScheme}},
		"of RSA": {scheme(tpm2.TPMTECCScheme{Scheme: tpm2.TPMAlgRSASSA, Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgRSASSA, &tpm2.TPMSSigSchemeRSASSA{HashAlg: tpm2.TPMAlgSHA256})}),
			[]evidence.Code{evidence.CodeTPMAKPublicFormat}},
		"names by SHA-1": {func(p *tpm2.TPMTPublic) { p.NameAlg = tpm2.TPMAlgSHA1 }, []evidence.Code{evidence.CodeTPMAKPublicFormat}},
	} {
		t.Run(name, func(t *testing.T) {
			request := w.enrolment(t, ekKeys()["p256"])
			area := must[*tpm2.TPMTPublic](t)(tpm2.Unmarshal[tpm2.TPMTPublic](request.AKPublic))
			c.alter(area)
			request.AKPublic = tpm2.Marshal(area)
			if c.fails == nil {
				enrols(t, w.underRoot(), request)
				return
			}
			repels(t, w.underRoot(), request, c.fails...)
		})
	}
}

func TestAttack_P24_WeakEnrolledKeys(t *testing.T) {
	w := simulated(t)
	request := w.enrolment(t, ekKeys()["p256"])
	request.AKPublic[len(request.AKPublic)-1] ^= 1
	repels(t, w.underRoot(), request, evidence.CodeTPMAKKey)

	t.Run("the endorsement key itself", func(t *testing.T) {
		request := w.enrolment(t, w.machine.Key)
		repels(t, w.underRoot(), request, evidence.CodeTPMAKKey)
	})
}

// One TPM has one identity however its key comes along, and one attestation key has
// one: by these the service sees when a key moves.
func TestAttack_P38_OneIdentity(t *testing.T) {
	w := simulated(t)
	key, other := ekKeys()["rsa2048"], ekKeys()["p384"]
	first := enrols(t, w.underRoot(), w.enrolment(t, key))
	same := []tee.EnrolmentOutcome{
		enrols(t, w.underRoot(), w.enrolment(t, key, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(7) })),
		enrols(t, w.underRoot(), w.relabelled(t, key)),
		enrols(t, listing(t, key.Public()), evidence.Enrolment{EKPublic: ekTemplates[0].area(key.Public()), AKPublic: w.machine.Public}),
		enrols(t, listing(t, key.Public()), evidence.Enrolment{EKPublic: ekTemplates[2].area(key.Public()), AKPublic: w.machine.Public}),
	}
	for n, out := range same {
		if !bytes.Equal(out.Claims.EKSHA256, first.Claims.EKSHA256) || !bytes.Equal(out.Claims.AKSHA256, first.Claims.AKSHA256) {
			t.Errorf("%d: %+v", n, out.Claims)
		}
	}
	moved := enrols(t, w.underRoot(), w.enrolment(t, other))
	if bytes.Equal(moved.Claims.EKSHA256, first.Claims.EKSHA256) || !bytes.Equal(moved.Claims.AKSHA256, first.Claims.AKSHA256) {
		t.Errorf("%+v", moved.Claims)
	}
}

// What is judged is not the caller's to change afterwards.
func TestAttack_P38_OutcomeOutlivesItsRequest(t *testing.T) {
	w := simulated(t)
	request := w.enrolment(t, ekKeys()["p256"])
	request.EKPublic = ekTemplates[1].area(ekKeys()["p256"].Public())
	out := enrols(t, w.underRoot(), request)
	ek, ak, name := slices.Clone(out.EKPublic), slices.Clone(out.AKPublic), slices.Clone(out.Claims.AKName)
	for _, b := range append(request.EKCertificates, request.EKPublic, request.AKPublic) {
		clear(b)
	}
	if !bytes.Equal(out.EKPublic, ek) || !bytes.Equal(out.AKPublic, ak) || !bytes.Equal(out.Claims.AKName, name) {
		t.Error("changed with the request")
	}
}
