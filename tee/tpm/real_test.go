package tpm

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
)

// realCase is one quote of the collection: how its parts are found, and what
// must come of it.
type realCase struct {
	item, quote, sig, pcrs, bank string
	// public is the public area that is sent along, ak the key that the operator gives.
	public, ak string
	rawRSA     bool // the signature is without TPMT_SIGNATURE, RSASSA with SHA-256
	genuine    bool
	fails      []evidence.Code
	restricted *bool
	extraData  string
}

var (
	yes, no = true, false

	realCases = []realCase{
		{item: "gce-cos85-nonce9009", quote: "quote_sha1.msg", sig: "quote_sha1.sig", pcrs: "pcrs_sha1.json", bank: "sha1", public: "ak_pub.tpmt", ak: "ak_pub.tpmt", genuine: true, restricted: &yes, extraData: "9009"},
		{item: "gce-cos85-nonce9009", quote: "quote_sha256.msg", sig: "quote_sha256.sig", pcrs: "pcrs_sha256.json", bank: "sha256", public: "ak_pub.tpmt", ak: "ak_pub.tpmt", genuine: true, restricted: &yes, extraData: "9009"},
		{item: "gce-cos85-nonce9009", quote: "quote_sha384.msg", sig: "quote_sha384.sig", pcrs: "pcrs_sha384.json", bank: "sha384", ak: "ak_pub.tpmt", genuine: true, restricted: &yes, extraData: "9009"},
		{item: "gce-cos85-nonce9009", quote: "quote_sha256.msg", sig: "quote_sha256.sig", pcrs: "pcrs_sha256.json", bank: "sha256", public: "ak_pub.tpmt", ak: "ak_pub.pem", genuine: true, extraData: "9009"},
		{item: "gce-cos85-nonce9009", quote: "quote_sha256.msg", sig: "quote_sha256.sig", pcrs: "pcrs_sha256.json", bank: "sha256", public: "ak_pub.tpmt", fails: []evidence.Code{evidence.CodeTPMAKUntrusted}},
		{item: "gce-cos85-nonce9009", quote: "quote_sha256.msg", sig: "quote_sha384.sig", pcrs: "pcrs_sha256.json", bank: "sha256", ak: "ak_pub.pem", fails: []evidence.Code{evidence.CodeTPMSignature}},
		{item: "gce-cos85-nonce9009", quote: "quote_sha256.msg", sig: "quote_sha256.sig", pcrs: "pcrs_sha384.json", bank: "sha384", ak: "ak_pub.pem", fails: []evidence.Code{evidence.CodeTPMPCRValues}},
		{item: "windows-gcp-shielded-sha1", quote: "quote.msg", sig: "quote.sig", pcrs: "pcrs_sha1.json", bank: "sha1", public: "ak_pub.tpmt", ak: "ak_pub.tpmt", restricted: &yes, fails: []evidence.Code{evidence.CodeTPMSignatureHash}},
		{item: "windows-gcp-shielded-sha1", quote: "ak_create_attest.bin", sig: "ak_create_sig.bin", pcrs: "pcrs_sha1.json", bank: "sha1", ak: "ak_pub.tpmt", restricted: &yes, fails: []evidence.Code{evidence.CodeTPMType, evidence.CodeTPMSignatureHash}},
		{item: "keylime-emulator-quote-sha1pcr", quote: "quote.out", sig: "quotesig.out", pcrs: "quotepcr.out", ak: "ak.pub", genuine: true, restricted: &yes, extraData: "db1db298db6d60e6385b7231743e9c3056a18003"},
		{item: "keylime-emulator-quote-sha1pcr", quote: "quote.out", sig: "quotesig.out", pcrs: "quotepcr.out", ak: "akpub.pem", genuine: true, extraData: "db1db298db6d60e6385b7231743e9c3056a18003"},
		{item: "trustee-tpm-evidence", quote: "quote.msg", sig: "quote.sig", pcrs: "pcrs_sha256.json", bank: "sha256", ak: "ak_pub.der", genuine: true,
			extraData: "a04182b506878d4f29b91ee606a71a0d3361ccf1b22db20c98adcaa537bea393ef0e41a18b3569ab678f1497fbc5c12000000000000000000000000000000000"},
		{item: "swtpm-rsa-public", quote: "quote_sha1_0_1_2_3.msg", sig: "quote_sha1_0_1_2_3.sig", pcrs: "quote_sha1_0_1_2_3.pcrs", ak: "ak_pub.tpm2b", genuine: true, restricted: &yes, extraData: rsaNonce},
		{item: "swtpm-rsa-public", quote: "quote_sha256_0_1_2_4_7_8_14.msg", sig: "quote_sha256_0_1_2_4_7_8_14.sig", pcrs: "quote_sha256_0_1_2_4_7_8_14.pcrs", ak: "ak_pub.tpm2b", genuine: true, restricted: &yes, extraData: rsaNonce},
		{item: "swtpm-rsa-public", quote: "quote_sha256_0_1_2_4_7_8_14.msg", sig: "quote_sha256_0_1_2_4_7_8_14.sig", pcrs: "pcrs.yaml", ak: "ak_pub.tpm2b", genuine: true, restricted: &yes, extraData: rsaNonce},
		{item: "swtpm-rsa-public", quote: "quote_sha256_0_1_2_4_7_8_14.msg", sig: "quote_sha256_0_1_2_4_7_8_14.sig", pcrs: "checkquote_sha256_0_1_2_4_7_8_14.txt", ak: "ak_pub.pem", genuine: true, extraData: rsaNonce},
		{item: "swtpm-rsa-public", quote: "quote_sha384_0_7.msg", sig: "quote_sha384_0_7.sig", pcrs: "quote_sha384_0_7.pcrs", public: "ak_pub.tpm2b", ak: "ak_pub.pem", genuine: true, extraData: rsaNonce},
		{item: "swtpm-rsa-public", quote: "forged_quote.msg", sig: "forged_quote.sig", pcrs: "pcrs.yaml", ak: "ak_pub.tpm2b", restricted: &yes, fails: []evidence.Code{evidence.CodeTPMSignature, evidence.CodeTPMPCRDigest}},
		{item: "swtpm-rsa-public", quote: "forged_quote.msg", sig: "forged_quote.sig", pcrs: "pcrs.yaml", public: "unrestricted_pub.tpm2b", ak: "ak_pub.tpm2b", fails: []evidence.Code{evidence.CodeTPMAKUntrusted, evidence.CodeTPMAKAttributes, evidence.CodeTPMSignatureScheme, evidence.CodeTPMPCRDigest}},
		{item: "swtpm-rsa-public", quote: "forged_quote.msg", sig: "forged_quote.sig", pcrs: "pcrs.yaml", ak: "unrestricted_pub.tpm2b", restricted: &no, fails: []evidence.Code{evidence.CodeTPMAKAttributes, evidence.CodeTPMSignatureScheme, evidence.CodeTPMPCRDigest}},
		{item: "swtpm-rsa-public", quote: "forged_quote.msg", sig: "forged_quote.sig", pcrs: "pcrs.yaml", public: "unrestricted_pub.tpm2b", ak: "unrestricted_pub.pem", fails: []evidence.Code{evidence.CodeTPMAKAttributes, evidence.CodeTPMSignatureScheme, evidence.CodeTPMPCRDigest}},
		{item: "swtpm-ecc-public", quote: "quote_sha256_0_1_2_3_4_5_6_7.msg", sig: "quote_sha256_0_1_2_3_4_5_6_7.sig", pcrs: "quote_sha256_0_1_2_3_4_5_6_7.pcrs", ak: "ak_pub.tpm2b", genuine: true, restricted: &yes, extraData: eccNonce},
		{item: "swtpm-ecc-public", quote: "quote_sha512_0_7.msg", sig: "quote_sha512_0_7.sig", pcrs: "quote_sha512_0_7.pcrs", ak: "ak_pub.pem", genuine: true, extraData: eccNonce},
		{item: "swtpm-ecc-public", quote: "forged_quote.msg", sig: "forged_quote.sig", pcrs: "pcrs.yaml", ak: "ak_pub.tpm2b", restricted: &yes, fails: []evidence.Code{evidence.CodeTPMSignature, evidence.CodeTPMPCRDigest}},
		{item: "swtpm-ecc-public", quote: "forged_quote.msg", sig: "forged_quote.sig", pcrs: "pcrs.yaml", ak: "unrestricted_pub.tpm2b", restricted: &no, fails: []evidence.Code{evidence.CodeTPMAKAttributes, evidence.CodeTPMSignatureScheme, evidence.CodeTPMPCRDigest, evidence.CodeTPMQualifiedSigner}},
		{item: "snp-milan-v3-trustee-evidence-v1", quote: "tpm_quote.msg", sig: "tpm_quote.sig", rawRSA: true, pcrs: "pcrs_sha256.json", bank: "sha256", ak: "runtime_data.json", genuine: true, extraData: "6368616c6c656e6765"},
		{item: "tdx-00806f-trustee-evidence-v1", quote: "tpm_quote.msg", sig: "tpm_quote.sig", rawRSA: true, pcrs: "pcrs_sha256.json", bank: "sha256", ak: "runtime_data.json", genuine: true, extraData: "6368616c6c656e6765"},
		{item: "tdx-90c06f-flashbots-1764662251", quote: "tpm_quote.msg", sig: "tpm_quote.sig", rawRSA: true, pcrs: "pcrs_sha256.json", bank: "sha256", ak: "runtime_data.json", genuine: true,
			extraData: strings.Repeat("00", 32)},
	}
)

const (
	rsaNonce = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	eccNonce = "ffeeddccbbaa99887766554433221100"
)

// load reads the case's parts and makes a verifier that trusts its key.
func (c realCase) load(t *testing.T) (*evidence.TPM, *Verifier) {
	t.Helper()
	item := evidencetest.Find(t, c.item)
	pcrs, err := evidence.ParsePCRs(item.Read(t, c.pcrs), c.bank)
	if err != nil {
		t.Fatal(err)
	}
	quote := &evidence.TPM{Attest: item.Read(t, c.quote), Signature: item.Read(t, c.sig), PCRs: pcrs}
	if c.rawRSA {
		quote.Signature = wrapRSASSA(quote.Signature)
	}
	if c.public != "" {
		if quote.AKPublic, err = evidence.UnwrapTPMPublic(item.Read(t, c.public)); err != nil {
			t.Fatal(err)
		}
	}
	var options Options
	if c.ak != "" {
		options.Keys = []TrustedKey{readKey(t, item, c.ak)}
	}
	return quote, newVerifier(t, options)
}

func newVerifier(t testing.TB, o Options) *Verifier {
	t.Helper()
	v, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func readKey(t *testing.T, item evidencetest.Item, name string) TrustedKey {
	t.Helper()
	data := item.Read(t, name)
	if name == "runtime_data.json" {
		return TrustedKey{Public: hclKey(t, data)}
	}
	key, err := ParseTrustedKey(data)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// hclKey reads the attestation key of an Azure VM from its runtime data.
func hclKey(t *testing.T, data []byte) *rsa.PublicKey {
	t.Helper()
	var runtime struct{ Keys []struct{ Kid, N string } }
	if err := json.Unmarshal(data, &runtime); err != nil {
		t.Fatal(err)
	}
	for _, key := range runtime.Keys {
		if key.Kid == "HCLAkPub" {
			n, err := base64.RawURLEncoding.DecodeString(key.N)
			if err != nil {
				t.Fatal(err)
			}
			return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}
		}
	}
	t.Fatal("no HCLAkPub")
	return nil
}

// wrapRSASSA makes a TPMT_SIGNATURE of a bare RSASSA signature with SHA-256.
func wrapRSASSA(raw []byte) []byte {
	header := []byte{0x00, 0x14, 0x00, 0x0b}
	return append(binary.BigEndian.AppendUint16(header, uint16(len(raw))), raw...)
}

// TestRealQuotes holds every quote of the collection to its verdict.
func TestRealQuotes(t *testing.T) {
	covered := map[string]bool{}
	for _, c := range realCases {
		t.Run(c.item+"/"+c.quote+" under "+c.ak, func(t *testing.T) {
			quote, v := c.load(t)
			covered[c.item] = true
			out := v.Verify(quote, nil, tee.Params{Now: time.Unix(0, 0)})
			if out.Genuine() != c.genuine {
				t.Errorf("genuine %v, want %v:\n%v", out.Genuine(), c.genuine, out.Checks)
			}
			wantFailed(t, out, c.fails...)
			claims := out.Claims.TPM
			if got := claims.AKRestricted; (got == nil) != (c.restricted == nil) || got != nil && *got != *c.restricted {
				t.Errorf("restricted %v, want %v", got, c.restricted)
			}
			if c.genuine && evidence.Hex(out.ReportData).String() != c.extraData {
				t.Errorf("report data %x, want %s", out.ReportData, c.extraData)
			}
			if c.genuine {
				teetest.Reviewed(t, v, out.Claims, nil, tee.Params{Now: time.Unix(0, 0)})
			}
			if (len(claims.PCRs) > 0) != (out.Genuine() || c.covered()) {
				t.Errorf("claims hold %d PCRs", len(claims.PCRs))
			}
		})
	}
	for _, item := range evidencetest.Items(t, "tpm") {
		if !covered[item.Name] && item.Name != "gce-ak-cert-chain-openpcc" { // in TestRealCertificates
			t.Errorf("item %s is in no case", item.Name)
		}
	}
}

// covered reports whether the digest holds although something else does not.
func (c realCase) covered() bool {
	for _, code := range c.fails {
		if code == evidence.CodeTPMPCRValues || code == evidence.CodeTPMType {
			return false
		}
	}
	return !strings.HasPrefix(c.quote, "forged")
}

// wantFailed holds the failed checks to exactly these codes, and what else is
// not a pass to an explanation.
func wantFailed(t *testing.T, out tee.Outcome, codes ...evidence.Code) {
	t.Helper()
	failed := map[evidence.Code]bool{}
	for _, check := range out.Checks.Failed() {
		failed[check.Code] = true
	}
	for _, code := range codes {
		if !failed[code] {
			t.Errorf("%s did not fail:\n%v", code, out.Checks)
		}
		delete(failed, code)
	}
	for code := range failed {
		check, _ := out.Checks.Get(code)
		t.Errorf("failed besides: %v", check)
	}
	for _, check := range out.Checks {
		if check.Status != evidence.Pass && check.Got == "" {
			t.Errorf("no reason in %v", check)
		}
	}
}

// pemCertificate returns the DER in a PEM file, with the padding that is in it.
func pemCertificate(t *testing.T, item evidencetest.Item, name string) []byte {
	t.Helper()
	block, _ := pem.Decode(item.Read(t, name))
	if block == nil || block.Type != "CERTIFICATE" {
		t.Fatalf("%s is no PEM certificate", name)
	}
	return bytes.Clone(block.Bytes)
}
