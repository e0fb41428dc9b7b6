package hcl_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/hcl"
)

// number is an odd number of 2048 bits.
func number(n int64) *big.Int {
	top := new(big.Int).Lsh(big.NewInt(1), 2047)
	return top.Add(top, big.NewInt(n))
}

func modulus(n int64) string { return base64.RawURLEncoding.EncodeToString(number(n).Bytes()) }

func fingerprint(t *testing.T, n *big.Int) evidence.Digest {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n, E: 65537})
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(der)
}

// TestReport reads reports of both technologies and all versions.
func TestReport(t *testing.T) {
	for _, version := range []uint32{1, 2} {
		for _, dataVersion := range []uint32{1, 2} {
			for _, padding := range []int{0, 1, 1000} {
				r := snp(honest())
				r.version, r.dataVersion, r.padding = version, dataVersion, padding
				want := &hcl.Report{Version: int(version), Kind: evidence.KindSEVSNP, HardwareReport: r.hardware, RuntimeData: []byte(honest())}
				if diff := cmp.Diff(want, parseReport(t, r.encode())); diff != "" {
					t.Error(diff)
				}
				r = tdx(honest())
				r.version, r.dataVersion, r.padding = version, dataVersion, padding
				want.Kind, want.HardwareReport = evidence.KindTDX, r.hardware[:1024]
				if diff := cmp.Diff(want, parseReport(t, r.encode())); diff != "" {
					t.Error(diff)
				}
			}
		}
	}
}

// TestRuntimeData reads what a paravisor says.
func TestRuntimeData(t *testing.T) {
	got, err := hcl.ParseRuntimeData([]byte(honest()))
	if err != nil {
		t.Fatal(err)
	}
	yes, no := true, false
	ak, ek := fingerprint(t, number(1)), fingerprint(t, number(3))
	want := evidence.ParavisorClaims{
		VMID: "3b09dd36-2237-4532-a5a6-c4624be05dd6", SecureBoot: &yes, TPMEnabled: &yes, TPMPersisted: &no, Console: &yes,
		AKSHA256: ak[:], EKSHA256: ek[:], UserData: append(make([]byte, 63), 1),
	}
	if diff := cmp.Diff(want, got.Claims); diff != "" || got.AKSHA256 != ak {
		t.Errorf("%x %s", got.AKSHA256, diff)
	}
	if public, ok := got.AK.(*rsa.PublicKey); !ok || public.N.Cmp(number(1)) != 0 || public.E != 65537 {
		t.Errorf("got %v", got.AK)
	}
}

// TestLess reads runtime data that says less, or more, than today's.
func TestLess(t *testing.T) {
	for name, raw := range map[string]string{
		"a key alone":              text(akKey(), ""),
		"white space":              " " + strings.ReplaceAll(text(akKey(), ""), ":", " : ") + "\n",
		"an empty configuration":   text(akKey(), `,"vm-configuration":{}`),
		"empty user data":          text(akKey(), `,"user-data":""`),
		"another key before":       text(`{"kid":"HCLTransferKey"},`+akKey(), ""),
		"a key of another type":    text(akKey()+`,{"kid":"Other","kty":"EC","crv":"P-256"}`, ""),
		"members of the key":       text(key("HCLAkPub", akModulus, `,"alg":"none","use":"enc","d":"AQAB"`), ""),
		"members of configuration": text(akKey(), `,"vm-configuration":{"current-time":1678652405,"tpm-version":"1.38","x":[1,{"y":null}]}`),
		"members of all":           text(akKey(), `,"hardware":1e400,"x":-0.5`),
	} {
		got, err := hcl.ParseRuntimeData([]byte(raw))
		if err != nil || got.AKSHA256 != fingerprint(t, number(1)) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := evidence.ParavisorClaims{AKSHA256: got.AKSHA256[:]}
		if diff := cmp.Diff(want, got.Claims); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestKeySizes accepts keys of 2048 to 4096 bits.
func TestKeySizes(t *testing.T) {
	for bits, ok := range map[uint]bool{1024: false, 2047: false, 2048: true, 3072: true, 4096: true, 4097: false, 16384: false} {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		n.Add(n, big.NewInt(1))
		raw := text(key("HCLAkPub", base64.RawURLEncoding.EncodeToString(n.Bytes()), ""), "")
		if _, err := hcl.ParseRuntimeData([]byte(raw)); (err == nil) != ok {
			t.Errorf("%d bits: %v", bits, err)
		}
		if !ok {
			refusedRuntime(t, raw)
		}
	}
}

// TestBytesAreThose returns the very bytes that were given: they are what
// REPORT_DATA is compared with.
func TestBytesAreThose(t *testing.T) {
	raw := snp(" " + honest() + "\n").encode()
	got := parseReport(t, raw)
	if !bytes.Equal(got.RuntimeData, raw[1236:1236+len(got.RuntimeData)]) || &got.RuntimeData[0] != &raw[1236] || len(got.RuntimeData) != len(honest())+2 {
		t.Error("the runtime data are others")
	}
}
