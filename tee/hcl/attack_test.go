package hcl_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/hcl"
)

// TestAttack_P36_ReportsThatAreNot changes a report so that it is none, or one of
// something else.
func TestAttack_P36_ReportsThatAreNot(t *testing.T) {
	whole := snp(honest()).encode()
	end := len(whole) - 100
	for cut := range end {
		refusedReport(t, whole[:cut])
	}
	le := binary.LittleEndian
	const data = 32 + 1184
	for name, mutate := range map[string]func(raw []byte){
		"another signature":       func(raw []byte) { raw[0] = 'h' },
		"version 0":               func(raw []byte) { le.PutUint32(raw[4:], 0) },
		"version 3":               func(raw []byte) { le.PutUint32(raw[4:], 3) },
		"a size less":             func(raw []byte) { le.PutUint32(raw[8:], uint32(end-1)) },
		"a size more":             func(raw []byte) { le.PutUint32(raw[8:], uint32(end+1)) },
		"a vast size":             func(raw []byte) { le.PutUint32(raw[8:], 0xffff_ffff) },
		"data size less":          func(raw []byte) { le.PutUint32(raw[data:], le.Uint32(raw[data:])-1) },
		"data size more":          func(raw []byte) { le.PutUint32(raw[data:], le.Uint32(raw[data:])+1) },
		"a vast data size":        func(raw []byte) { le.PutUint32(raw[data:], 0xffff_ffff) },
		"data version 0":          func(raw []byte) { le.PutUint32(raw[data+4:], 0) },
		"data version 2":          func(raw []byte) { le.PutUint32(raw[data+4:], 2) }, // its layout is another
		"data version 3":          func(raw []byte) { le.PutUint32(raw[data+4:], 3) },
		"no type":                 func(raw []byte) { le.PutUint32(raw[data+8:], 0) },
		"a VM without a TEE":      func(raw []byte) { le.PutUint32(raw[data+8:], 1) },
		"a trusted launch":        func(raw []byte) { le.PutUint32(raw[data+8:], 3) },
		"an unknown type":         func(raw []byte) { le.PutUint32(raw[data+8:], 5) },
		"no hash":                 func(raw []byte) { le.PutUint32(raw[data+12:], 0) },
		"SHA-384":                 func(raw []byte) { le.PutUint32(raw[data+12:], 2) },
		"SHA-512":                 func(raw []byte) { le.PutUint32(raw[data+12:], 3) },
		"no runtime data":         func(raw []byte) { le.PutUint32(raw[data+16:], 0) },
		"less runtime data":       func(raw []byte) { le.PutUint32(raw[data+16:], le.Uint32(raw[data+16:])-1) },
		"runtime data of padding": func(raw []byte) { le.PutUint32(raw[data+16:], le.Uint32(raw[data+16:])+1) },
		"vast runtime data":       func(raw []byte) { le.PutUint32(raw[data+16:], 0xffff_ffff) },
		"something behind":        func(raw []byte) { raw[len(raw)-1] = 1 },
		"something right behind":  func(raw []byte) { raw[end] = '}' },
	} {
		t.Run(name, func(t *testing.T) {
			raw := bytes.Clone(whole)
			mutate(raw)
			refusedReport(t, raw)
		})
	}
	refusedReport(t, snp("").encode())
	refusedReport(t, snp(strings.Repeat(" ", evidence.MaxRuntimeData+1)).encode())
	large := snp(honest())
	large.padding = 64 << 10
	refusedReport(t, large.encode())
	trailing := tdx(honest())
	trailing.hardware[1024] = 1
	refusedReport(t, trailing.encode())
}

// TestAttack_P36_Keys has runtime data that a reader could take another key from.
func TestAttack_P36_Keys(t *testing.T) {
	ak, other := akKey(), key("HCLAkPub", ekModulus, "")
	for name, raw := range map[string]string{
		"two of the name":                 text(ak+","+other, ""),
		"the same twice":                  text(ak+","+ak, ""),
		"two with one between":            text(ak+","+ekKey()+","+other, ""),
		"the name in other letters":       text(key("hclakpub", akModulus, ""), ""),
		"and in other letters":            text(ak+","+key("HCLAKPUB", ekModulus, ""), ""),
		"in other letters first":          text(key("HCLAkpub", ekModulus, "")+","+ak, ""),
		"a long s for an s":               text(strings.Replace(ak, "HCLAkPub", "HCLA\u212aPub", 1)+","+ak, ""),
		"two endorsement keys":            text(ak+","+ekKey()+","+ekKey(), ""),
		"an endorsement key, other case":  text(ak+","+key("hclEkPub", ekModulus, ""), ""),
		"no attestation key":              text(ekKey(), ""),
		"a transfer key":                  text(key("HCLTransferKey", akModulus, ""), ""),
		"a name with a space":             text(key("HCLAkPub ", akModulus, ""), ""),
		"no keys":                         text("", ""),
		"no array":                        `{"vm-configuration":{}}`,
		"two arrays":                      `{"keys":[` + other + `],"keys":[` + ak + `]}`,
		"two arrays, other case":          `{"keys":[` + ak + `],"Keys":[` + other + `]}`,
		"an array in other letters":       `{"Keys":[` + ak + `]}`,
		"an escaped name of an array":     `{"\u006beys":[` + other + `],"keys":[` + ak + `]}`,
		"a key that is no object":         text(`"HCLAkPub",`+ak, ""),
		"a key without a name":            text(`{"kty":"RSA","e":"AQAB","n":"`+ekModulus+`"},`+ak, ""),
		"a name that is a number":         text(`{"kid":1},`+ak, ""),
		"two names of a key":              text(strings.Replace(ak, `"kid"`, `"kid":"Other","kid"`, 1), ""),
		"two moduli":                      text(key("HCLAkPub", akModulus, `,"n":"`+ekModulus+`"`), ""),
		"two moduli, other case":          text(key("HCLAkPub", akModulus, `,"N":"`+ekModulus+`"`), ""),
		"keys that are an object":         `{"keys":{"HCLAkPub":` + ak + `}}`,
		"keys in an array in an array":    text("["+ak+"]", ""),
		"a key among the configuration":   `{"vm-configuration":{"keys":[` + ak + `]}}`,
		"a second document":               text(ak, "") + text(other, ""),
		"a null behind":                   text(ak, "") + "\x00",
		"a comma at the end":              text(ak+",", ""),
		"a mark of the byte order":        "\ufeff" + text(ak, ""),
		"no JSON":                         "HCLAkPub",
		"nothing":                         "",
		"an array":                        "[" + ak + "]",
		"null":                            "null",
		"a lone surrogate":                text(ak, `,"x":"\ud800"`),
		"no UTF-8":                        text(ak, ",\"x\":\"\xff\""),
		"nested deeply":                   text(ak, `,"x":`+strings.Repeat("[", 20)+strings.Repeat("]", 20)),
		"nested without an end":           `{"keys":` + strings.Repeat("[", 16000),
		"many members":                    text(ak, `,"x":[`+strings.Repeat("1,", 64)+"1]"),
		"a long text":                     text(ak, `,"x":"`+strings.Repeat("x", 5000)+`"`),
		"more bytes than are read":        text(ak, strings.Repeat(" ", evidence.MaxRuntimeData)),
		"many keys":                       text(ak+strings.Repeat(`,{"kid":"x"}`, 64), ""),
		"an attestation key that is null": text(`{"kid":"HCLAkPub"}`, ""),
	} {
		t.Run(name, func(t *testing.T) { refusedRuntime(t, raw) })
	}
}

// TestAttack_P36_KeyMaterial has keys that are weak, or that are not written in the one
// way that RFC 7518 has for them.
func TestAttack_P36_KeyMaterial(t *testing.T) {
	replace := func(old, with string) string { return strings.Replace(akKey(), old, with, 1) }
	short := base64.RawURLEncoding.EncodeToString(number(1).Bytes()[:128])
	zero := base64.RawURLEncoding.EncodeToString(append([]byte{0}, number(1).Bytes()...))
	standard := base64.RawStdEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 256))
	for name, ak := range map[string]string{
		"an EC key":                    replace(`"RSA"`, `"EC"`),
		"a type in other letters":      replace(`"RSA"`, `"rsa"`),
		"no type":                      replace(`"kty":"RSA",`, ""),
		"a type that is null":          replace(`"RSA"`, `null`),
		"exponent 1":                   replace("AQAB", "AQ"),
		"exponent 3":                   replace("AQAB", "Aw"),
		"exponent 65539":               replace("AQAB", "AQAD"),
		"a vast exponent":              replace("AQAB", akModulus),
		"exponent 65537 of 5 bytes":    replace("AQAB", base64.RawURLEncoding.EncodeToString([]byte{0, 0, 1, 0, 1})),
		"exponent 2^64+65537":          replace("AQAB", base64.RawURLEncoding.EncodeToString([]byte{1, 0, 0, 0, 0, 0, 1, 0, 1})),
		"an exponent that is a number": replace(`"AQAB"`, "65537"),
		"no exponent":                  replace(`"e":"AQAB",`, ""),
		"an empty exponent":            replace("AQAB", ""),
		"no modulus":                   replace(`"n":"`+akModulus+`"`, `"m":""`),
		"an empty modulus":             replace(akModulus, ""),
		"1024 bits":                    replace(akModulus, short),
		"an even modulus":              replace(akModulus, modulus(2)),
		"a leading zero":               replace(akModulus, zero),
		"padding":                      replace(akModulus, akModulus+"=="),
		"a line in the modulus":        replace(akModulus, akModulus[:4]+`\n`+akModulus[4:]),
		"another alphabet":             replace(akModulus, standard),
		"bits that stand for nothing":  replace(akModulus, akModulus[:len(akModulus)-1]+"R"),
		"a modulus that is a number":   replace(`"`+akModulus+`"`, "1e600"),
	} {
		t.Run(name, func(t *testing.T) {
			if ak == akKey() {
				t.Fatal("nothing was changed")
			}
			refusedRuntime(t, text(ak, ""))
			refusedRuntime(t, text(akKey()+","+strings.Replace(ak, "HCLAkPub", "HCLEkPub", 1), ""))
		})
	}
}

// TestAttack_P36_Configuration has claims of other types than theirs: absent is not
// false, and something else is neither.
func TestAttack_P36_Configuration(t *testing.T) {
	for name, rest := range map[string]string{
		"no object":                  `,"vm-configuration":[]`,
		"null":                       `,"vm-configuration":null`,
		"two":                        `,"vm-configuration":{"secure-boot":true},"vm-configuration":{}`,
		"two, other case":            `,"vm-configuration":{},"VM-Configuration":{"secure-boot":true}`,
		"secure boot as text":        `,"vm-configuration":{"secure-boot":"true"}`,
		"secure boot as number":      `,"vm-configuration":{"secure-boot":1}`,
		"secure boot null":           `,"vm-configuration":{"secure-boot":null}`,
		"secure boot twice":          `,"vm-configuration":{"secure-boot":false,"secure-boot":true}`,
		"secure boot in other case":  `,"vm-configuration":{"secure-boot":false,"Secure-Boot":true}`,
		"a console of text":          `,"vm-configuration":{"console-enabled":"false"}`,
		"an identity that is number": `,"vm-configuration":{"vmUniqueId":1}`,
		"an identity of other form":  `,"vm-configuration":{"vmUniqueId":"3B09DD3622374532A5A6C4624BE05DD6"}`,
		"an identity in braces":      `,"vm-configuration":{"vmUniqueId":"{3B09DD36-2237-4532-A5A6-C4624BE05DD6}"}`,
		"an identity with a line":    `,"vm-configuration":{"vmUniqueId":"3B09DD36-2237-4532-A5A6-C4624BE05DD\n"}`,
		"an identity of other marks": `,"vm-configuration":{"vmUniqueId":"3B09DD36-2237-4532-A5A6-C4624BE05DDG"}`,
		"an empty identity":          `,"vm-configuration":{"vmUniqueId":""}`,
		"user data of 63 bytes":      `,"user-data":"` + strings.Repeat("00", 63) + `"`,
		"user data of 65 bytes":      `,"user-data":"` + strings.Repeat("00", 65) + `"`,
		"user data that is no hex":   `,"user-data":"` + strings.Repeat("0g", 64) + `"`,
		"half a byte of user data":   `,"user-data":"` + strings.Repeat("0", 127) + `"`,
		"user data as a number":      `,"user-data":0`,
		"user data null":             `,"user-data":null`,
		"user data twice":            userData + userData,
	} {
		t.Run(name, func(t *testing.T) { refusedRuntime(t, text(akKey(), rest)) })
	}
}

// TestAttack_P36_EveryByte changes each byte of runtime data: the key is the same, or there is none.
func TestAttack_P36_EveryByte(t *testing.T) {
	raw := []byte(honest())
	want, err := hcl.ParseRuntimeData(raw)
	if err != nil {
		t.Fatal(err)
	}
	from := bytes.Index(raw, []byte(akModulus))
	for i := range raw {
		for _, b := range []byte{raw[i] ^ 1, raw[i] ^ 0x20, ' ', '"', 0} {
			mutant := bytes.Clone(raw)
			mutant[i] = b
			got, err := hcl.ParseRuntimeData(mutant)
			if inside := i >= from && i < from+len(akModulus); err == nil && got.AKSHA256 != want.AKSHA256 && !inside {
				t.Errorf("byte %d became %q: another key", i, b)
			}
		}
	}
}
