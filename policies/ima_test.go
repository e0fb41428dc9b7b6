package policies_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// imaKeysOf are keys that sign files in tests.
var imaKeysOf = sync.OnceValue(func() map[string]crypto.Signer {
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	keys := map[string]crypto.Signer{"rsa": small}
	for name, curve := range map[string]elliptic.Curve{"p256": elliptic.P256(), "p384": elliptic.P384(), "other": elliptic.P256()} {
		if keys[name], err = ecdsa.GenerateKey(curve, rand.Reader); err != nil {
			panic(err)
		}
	}
	return keys
})

// publicPEM writes a key as documents have it, indented for a list.
func publicPEM(name string) string {
	der, err := x509.MarshalPKIXPublicKey(imaKeysOf()[name].Public())
	if err != nil {
		panic(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	return "|\n            " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n            ")
}

// signature is a file's security.ima (Linux, signature_v2_hdr).
func signature(name string, hash crypto.Hash, id byte, digest evidence.Hex) evidence.Hex {
	signer := imaKeysOf()[name]
	signed, err := signer.Sign(rand.Reader, digest, hash)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		panic(err)
	}
	var info struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		panic(err)
	}
	sum := sha1.Sum(info.Key.Bytes)
	out := append(evidence.Hex{3, 2, id}, sum[16:]...)
	return append(binary.BigEndian.AppendUint16(out, uint16(len(signed))), signed...)
}

func imaFile(path string, content byte) evidence.IMAFile {
	return evidence.IMAFile{Path: path, Algorithm: "sha256", Digest: fingerprint(content)}
}

// measuredTPM are the claims of a machine whose kernel has measured three files.
func measuredTPM() evidence.Claims {
	c := goodTPM()
	c.TPM.PCRs[8], c.TPM.PCRs[9], c.TPM.PCRs[10] = fill(0x58, 32), fill(0x59, 32), fill(0x5a, 32)
	c.TPM.IMA = &evidence.IMAClaims{
		Bank: "sha256", Entries: 4, BootAggregate: ptr(true),
		Files: []evidence.IMAFile{imaFile("/usr/bin/init", 0xa1), imaFile("/usr/lib/libc.so.6", 0xa2), imaFile("/var/log/journal/x", 0xa3)},
	}
	return c
}

// renewedTPM are the claims of the same machine a while later.
func renewedTPM() evidence.Claims {
	c := measuredTPM()
	c.TPM.IMA.Offset, c.TPM.IMA.Entries, c.TPM.IMA.BootAggregate = 4, 5, nil
	c.TPM.IMA.Files = []evidence.IMAFile{imaFile("/usr/bin/curl", 0xa2)}
	return c
}

// imaWith is a policy that asks something of a measurement list.
func imaWith(lines ...string) string {
	text := with(pcrsOf(`8: ["`+hexOf(0x58, 32)+`"]`, `9: ["`+hexOf(0x59, 32)+`"]`), []string{"ima:"})
	for _, line := range lines {
		text += "        " + line + "\n"
	}
	return text
}

var imaListed = "files: " + listOf(fingerprint(0xa1), fingerprint(0xa2), fingerprint(0xa3))

func TestAttack_P13_P34_IMARequirements(t *testing.T) {
	ima := func(change func(*evidence.IMAClaims)) func(*evidence.Claims) {
		return func(c *evidence.Claims) { change(c.TPM.IMA) }
	}
	path := `"/usr/lib/libc.so.6" sha256 `
	for _, c := range []struct {
		policy string
		good   func() evidence.Claims
		change func(*evidence.Claims)
		code   evidence.Code
		got    string
	}{
		{imaWith(imaListed), measuredTPM, func(c *evidence.Claims) { c.TPM.IMA = nil }, evidence.CodePolicyIMALog, "absent: the evidence has none, or none that the quoted bank vouches for"},
		{imaWith(imaListed), measuredTPM, ima(func(c *evidence.IMAClaims) { c.Bank = "sha1" }), evidence.CodePolicyIMALog, "absent: the evidence has none, or none that the quoted bank vouches for"},
		{imaWith(imaListed), measuredTPM, ima(func(c *evidence.IMAClaims) { c.Files[1].Digest = fingerprint(1) }), evidence.CodePolicyIMAFiles, path + hexOf(1, 32)},
		{imaWith(imaListed), measuredTPM, ima(func(c *evidence.IMAClaims) { c.Files[1].Digest, c.Files[2].Digest = fingerprint(1), fingerprint(2) }), evidence.CodePolicyIMAFiles, path + hexOf(1, 32) + ", and 1 more"},
		{imaWith(imaListed), measuredTPM, ima(func(c *evidence.IMAClaims) { c.Files[1].Algorithm = "sm3" }), evidence.CodePolicyIMAFiles, `"/usr/lib/libc.so.6" sm3 is no algorithm that counts`},
		{imaWith(imaListed), measuredTPM, ima(func(c *evidence.IMAClaims) { c.Files[1].Algorithm = "verity:sha256" }), evidence.CodePolicyIMAFiles, `"/usr/lib/libc.so.6" verity:sha256 is no algorithm that counts`},
		{imaWith(imaListed), measuredTPM, ima(func(c *evidence.IMAClaims) { c.Files = nil }), evidence.CodePolicyIMAFiles, "3 entries, and none of their files"},
		{imaWith(imaListed), measuredTPM, ima(func(c *evidence.IMAClaims) { c.Violations = 2 }), evidence.CodePolicyIMAViolations, "2"},
		{imaWith(imaListed), measuredTPM, ima(func(c *evidence.IMAClaims) { c.Unread = 1 }), evidence.CodePolicyIMAUnread, "1"},
		{imaWith(imaListed), measuredTPM, ima(func(c *evidence.IMAClaims) { c.BootAggregate = ptr(false) }), evidence.CodePolicyIMABootAggregate, "the digest of other values"},
		{imaWith(imaListed), measuredTPM, ima(func(c *evidence.IMAClaims) { c.BootAggregate = nil }), evidence.CodePolicyIMABootAggregate, "absent: the quote does not cover these PCRs, or the digest is of another bank"},
		{imaWith(imaListed), renewedTPM, ima(func(c *evidence.IMAClaims) { c.Violations = 1 }), evidence.CodePolicyIMAViolations, "1"},
		{imaWith(imaListed), renewedTPM, ima(func(c *evidence.IMAClaims) { c.Files = nil }), evidence.CodePolicyIMAFiles, "1 entries, and none of their files"},
		{imaWith(imaListed), renewedTPM, ima(func(c *evidence.IMAClaims) { c.Offset = 6 }), evidence.CodePolicyIMALog, "absent: the evidence has none, or none that the quoted bank vouches for"},
		{imaWith("files: "+listOf(fingerprint(0xa1), fingerprint(0xa2)), "except_paths: [/var/log/]"), measuredTPM, ima(func(c *evidence.IMAClaims) { c.Files[2].Path = "/var/logs/x" }), evidence.CodePolicyIMAFiles, `"/var/logs/x" sha256 ` + hexOf(0xa3, 32)},
		{imaWith("files: "+listOf(fingerprint(0xa1), fingerprint(0xa2)), "except_paths: [/var/log/]"), measuredTPM, ima(func(c *evidence.IMAClaims) { c.Files[2].Path = "/var/log/../../bin/sh" }), evidence.CodePolicyIMAFiles, `"/var/log/../../bin/sh" sha256 ` + hexOf(0xa3, 32)},
		{imaWith("files: "+listOf(fingerprint(0xa1), fingerprint(0xa2)), "except_paths: [/var/log/]"), measuredTPM, ima(func(c *evidence.IMAClaims) { c.Files[2].Path = "var/log/x" }), evidence.CodePolicyIMAFiles, `"var/log/x" sha256 ` + hexOf(0xa3, 32)},
	} {
		t.Run(c.code.String()+" "+c.got, func(t *testing.T) {
			set := load(t, c.policy)
			wantVerdict(t, evaluate(set, c.good()), policies.Accepted, c.code)
			claims := c.good()
			c.change(&claims)
			d := evaluate(set, claims)
			wantVerdict(t, d, policies.Rejected, c.code)
			if check, _ := d.Checks.Get(c.code); check.Got != c.got || check.Kind != evidence.KindTPM {
				t.Errorf("check %s", check)
			}
		})
	}
}

// What a policy waives, the decision names.
func TestIMARelaxations(t *testing.T) {
	c := measuredTPM()
	c.TPM.IMA.Violations, c.TPM.IMA.Unread, c.TPM.IMA.BootAggregate = 3, 2, nil
	d := evaluate(load(t, imaWith("files: "+listOf(fingerprint(0xa1), fingerprint(0xa2)), "violations: allow", "unread: allow", "boot_aggregate: any", "except_paths: [/var/log/]")), c)
	wantVerdict(t, d, policies.Accepted, evidence.CodePolicyIMAFiles)
	want := []string{"tpm.ima.boot-aggregate.any", "tpm.ima.except./var/log/", "tpm.ima.unread", "tpm.ima.violations"}
	if !slices.Equal(d.Relaxed, want) {
		t.Errorf("relaxed %v", d.Relaxed)
	}
	check, _ := d.Checks.Get(evidence.CodePolicyIMAFiles)
	if check.Got != "3 files, 1 of them excepted" || check.Want != "nothing but files that are "+hexOf(0xa1, 32)+" or "+hexOf(0xa2, 32)+", and any below /var/log/" {
		t.Errorf("check %s", check)
	}
}

// Files by the signatures of keys.
func TestAttack_P34_IMASignatures(t *testing.T) {
	sha384 := fill(0xa1, 48)
	set := load(t, imaWith("files: "+listOf(fingerprint(0xa3)), "keys:", "  - "+publicPEM("rsa"), "  - "+publicPEM("p256"), "  - "+publicPEM("p384")))
	signed := func() evidence.Claims {
		c := measuredTPM()
		c.TPM.IMA.Files[0].Signature = signature("rsa", crypto.SHA256, 4, fingerprint(0xa1))
		c.TPM.IMA.Files[1].Signature = signature("p256", crypto.SHA256, 4, fingerprint(0xa2))
		return c
	}
	d := evaluate(set, signed())
	wantVerdict(t, d, policies.Accepted, evidence.CodePolicyIMAFiles)
	c := signed()
	c.TPM.IMA.Files[0] = evidence.IMAFile{Path: "/x", Algorithm: "sha384", Digest: sha384, Signature: signature("p384", crypto.SHA384, 5, sha384)}
	wantVerdict(t, evaluate(set, c), policies.Accepted, evidence.CodePolicyIMAFiles)
	for name, change := range map[string]func(*evidence.IMAFile){
		"no signature":         func(f *evidence.IMAFile) { f.Signature = nil },
		"another file's":       func(f *evidence.IMAFile) { f.Digest = fingerprint(1) },
		"by another key":       func(f *evidence.IMAFile) { f.Signature = signature("other", crypto.SHA256, 4, f.Digest) },
		"by another key of ID": func(f *evidence.IMAFile) { copy(f.Signature[9:], signature("other", crypto.SHA256, 4, f.Digest)[9:]) },
		"another type":         func(f *evidence.IMAFile) { f.Signature[0] = 6 },
		"version 3":            func(f *evidence.IMAFile) { f.Signature[1] = 3 },
		"another algorithm":    func(f *evidence.IMAFile) { f.Signature[2] = 2 },
		"another key ID":       func(f *evidence.IMAFile) { f.Signature[6]++ },
		"too short":            func(f *evidence.IMAFile) { f.Signature = f.Signature[:len(f.Signature)-1] },
		"too long":             func(f *evidence.IMAFile) { f.Signature = append(f.Signature, 0) },
		"header alone":         func(f *evidence.IMAFile) { f.Signature = f.Signature[:9] },
		"short header":         func(f *evidence.IMAFile) { f.Signature = f.Signature[:5] },
		"flipped":              func(f *evidence.IMAFile) { f.Signature[20]++ },
		"relabelled":           func(f *evidence.IMAFile) { f.Algorithm = "sha512" },
	} {
		for i := range 2 {
			c := signed()
			change(&c.TPM.IMA.Files[i])
			if d := evaluate(set, c); d.Verdict != policies.Rejected {
				t.Errorf("%s, file %d: %s", name, i, d.Verdict)
			}
		}
	}
}

// Signatures that do not hold are not looked at for ever.
func TestIMAManyRefusals(t *testing.T) {
	set := load(t, imaWith("keys:", "  - "+publicPEM("p256")))
	c := measuredTPM()
	c.TPM.IMA.Files = nil
	for i := range 40 {
		file := imaFile("/x", byte(i+1))
		file.Signature = signature("p256", crypto.SHA256, 4, fingerprint(0xff))
		c.TPM.IMA.Files = append(c.TPM.IMA.Files, file)
	}
	d := evaluate(set, c)
	wantVerdict(t, d, policies.Rejected, evidence.CodePolicyIMAFiles)
	if check, _ := d.Checks.Get(evidence.CodePolicyIMAFiles); check.Got != `"/x" sha256 `+hexOf(1, 32)+", and others" {
		t.Errorf("check %s", check)
	}
}

// What is known to be bad denies, whoever signed it and wherever it is.
func TestIMAKnownBad(t *testing.T) {
	bad := replace(replace(reference("bad", "2026-11-02T00:00:00Z"), "sev-snp", "tpm"), `{measurements: ["`+m11+`", "`+m22+`"]}`, "{ima: {files: "+listOf(fingerprint(0xa3))+"}}")
	bad = replace(bad, "values:", "known_bad: [CVE-2026-1]\nvalues:")
	for _, policy := range []string{
		imaWith(imaListed), imaWith("files: "+listOf(fingerprint(0xa1), fingerprint(0xa2)), "except_paths: [/var/log/]"), imaWith("keys:", "  - "+publicPEM("p256")),
	} {
		c := measuredTPM()
		for i := range c.TPM.IMA.Files {
			file := &c.TPM.IMA.Files[i]
			file.Signature = signature("p256", crypto.SHA256, 4, file.Digest)
		}
		wantVerdict(t, evaluate(load(t, policy), c), policies.Accepted, evidence.CodePolicyIMAFiles)
		wantVerdict(t, evaluate(load(t, bad, policy), c), policies.Rejected, evidence.CodePolicyReferenceKnownBad)
	}
}

// A decision ends with the reference values that a file needs.
func TestIMAReferences(t *testing.T) {
	text := replace(replace(reference("files", "2026-12-01T00:00:00Z"), "sev-snp", "tpm"), `{measurements: ["`+m11+`", "`+m22+`"]}`, "{ima: {"+imaListed+"}}")
	set := load(t, text, imaWith("files: {reference: files}"))
	d := evaluate(set, measuredTPM())
	wantVerdict(t, d, policies.Accepted, evidence.CodePolicyIMAFiles)
	if want := now.AddDate(0, 0, 9).Truncate(24 * 3600e9); !d.ValidUntil.Equal(want) {
		t.Errorf("valid until %s", d.ValidUntil)
	}
	d = set.Evaluate(policies.Input{Claims: []evidence.Claims{measuredTPM()}, Now: now.AddDate(0, 1, 0)})
	wantVerdict(t, d, policies.Rejected, evidence.CodePolicyReferenceExpired)
}

func TestIMALint(t *testing.T) {
	key := func(text string) string { return imaWith("keys: [\"" + strings.ReplaceAll(text, "\n", `\n`) + "\"]") }
	one := strings.ReplaceAll(strings.TrimPrefix(publicPEM("p256"), "|\n            "), "            ", "")
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Skip("weak keys are not made any more")
	}
	der, _ := x509.MarshalPKIXPublicKey(weak.Public())
	for text, want := range map[string]string{
		imaWith("violations: forbid"):                                               "ima needs files or keys",
		replace(imaWith(imaListed), `, 8: ["`+hexOf(0x58, 32)+`"]`, ""):             "leaves open the kernel's command line",
		replace(imaWith(imaListed), `, 9: ["`+hexOf(0x59, 32)+`"]`, ""):             "leaves open the kernel's command line",
		replace(imaWith(imaListed), `, 4: ["`+p54+`"]`, ""):                         "leaves open what may be loaded",
		replace(imaWith(imaListed), `0: ["`+p50+`"], `, ""):                         "leaves open the firmware",
		imaWith(imaListed, "except_paths: [/]"):                                     "is no folder",
		imaWith(imaListed, "except_paths: [var/log/]"):                              "is no folder",
		imaWith(imaListed, "except_paths: [/var/log]"):                              "is no folder",
		imaWith(imaListed, "except_paths: [/var/../]"):                              "is no folder",
		imaWith(imaListed, "violations: maybe"):                                     "ima.violations has no value",
		imaWith(`files: ["0102"]`):                                                  "expected 64, 96 or 128 hex digits",
		imaWith("files: any"):                                                       "must be a list",
		key("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"):         "is no public key in DER",
		key(strings.ReplaceAll(one, "PUBLIC KEY", "PRIVATE KEY") + "\n"):            "expected one PEM block PUBLIC KEY",
		key(one + "\n" + one + "\n"):                                                "expected one PEM block PUBLIC KEY",
		key("x" + one + "\n"):                                                       "expected one PEM block PUBLIC KEY",
		key(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))): "the key is neither RSA of 2048",
		imaWith("keys:", "  - "+publicPEM("p256"), "  - "+publicPEM("p256")):        "ima.keys has this key twice",
	} {
		if problems := loadErr(t, text); !strings.Contains(problems, want) {
			t.Errorf("%s\ngives\n%s\nnot %s", text, problems, want)
		}
	}
	load(t, key(one+"\n"))
}

// FuzzIMASignature gives a file other bytes for its signature: none but those that the
// key made, or that mean the same, let it pass.
func FuzzIMASignature(f *testing.F) {
	set := load(f, imaWith("files: "+listOf(fingerprint(0xa2), fingerprint(0xa3)), "keys:", "  - "+publicPEM("rsa"), "  - "+publicPEM("p256")))
	for _, name := range []string{"rsa", "p256", "other"} {
		f.Add([]byte(signature(name, crypto.SHA256, 4, fingerprint(0xa1))))
	}
	f.Add([]byte{3, 2, 4, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		c := measuredTPM()
		c.TPM.IMA.Files[0].Signature = raw
		if evaluate(set, c).Verdict != policies.Accepted {
			return
		}
		other := measuredTPM()
		other.TPM.IMA.Files[0].Signature, other.TPM.IMA.Files[0].Digest = raw, fingerprint(0xa0)
		if evaluate(set, other).Verdict == policies.Accepted {
			t.Fatalf("%x signs two files", raw)
		}
	})
}
