package tdx

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"strings"
	"testing"

	sevtrust "github.com/google/go-sev-guest/verify/trust"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
)

// TestAttack_U02_PinnedRoot holds the embedded root to Intel's, by the hash of its DER.
func TestAttack_U02_PinnedRoot(t *testing.T) {
	const want = "44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3"
	a, err := intelAnchor()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(a.cert.Raw)
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("SHA-256 %s, want %s", got, want)
	}
	if a.claim.SHA256.String() != want || !strings.HasPrefix(a.claim.Name, "CN=Intel SGX Root CA,") {
		t.Errorf("claim %+v", a.claim)
	}
}

// TestNew says which anchors are taken, left out and refused.
func TestNew(t *testing.T) {
	vendor := simulated.NewVendor(simulated.Options{Seed: "test"})
	configured := vendor.Anchor()
	configured.Origin = evidence.OriginConfigured
	own := func(template *x509.Certificate) tee.Anchor {
		return tee.Anchor{DER: vendor.Issue(template, simulated.Issuer{Key: vendor.Root.Key}, &vendor.Root.Key.PublicKey).Raw, Origin: evidence.OriginSimulated}
	}
	noCA := vendor.LeafTemplate(simulated.NameRoot)
	notSelfSigned := vendor.Issue(vendor.CATemplate(simulated.NameRoot, 1), vendor.Platform, &vendor.Root.Key.PublicKey)
	pinned, _ := intelAnchor()
	for name, c := range map[string]struct {
		anchor  tee.Anchor
		anchors int // 0: refused
	}{
		"simulated":        {vendor.Anchor(), 2},
		"configured":       {configured, 0},
		"Intel's":          {tee.Anchor{DER: pinned.cert.Raw, Origin: evidence.OriginSimulated}, 1},
		"another's":        {tee.Anchor{DER: sevRoot(t), Origin: evidence.OriginSimulated}, 1},
		"a PCK CA":         {tee.Anchor{DER: vendor.Platform.Certificate.Raw, Origin: evidence.OriginSimulated}, 1},
		"no CA":            {own(noCA), 0},
		"not self-signed":  {tee.Anchor{DER: notSelfSigned.Raw, Origin: evidence.OriginSimulated}, 0},
		"not even a thing": {tee.Anchor{DER: []byte("x"), Origin: evidence.OriginSimulated}, 1},
	} {
		v, err := New(c.anchor, c.anchor)
		switch {
		case c.anchors == 0 && evidence.CodeOf(err) != evidence.CodeTDXTrustAnchorUnsuited:
			t.Errorf("%s: %v", name, err)
		case c.anchors > 0 && (err != nil || len(v.anchors) != c.anchors):
			t.Errorf("%s: %v, or another number of anchors", name, err)
		}
	}
}

// sevRoot returns a root of another technology.
func sevRoot(t *testing.T) []byte {
	t.Helper()
	var last []byte
	for block, rest := pem.Decode(sevtrust.AskArkMilanVcekBytes); block != nil; block, rest = pem.Decode(rest) {
		last = block.Bytes
	}
	return last
}

// TestTestRoot: a test hierarchy that has Intel's very names is a further anchor
// and marked so; it gains nothing for Intel's hierarchy, nor the other way round.
func TestTestRoot(t *testing.T) {
	item := evidencetest.Find(t, "v4-intel-qvl-sample-testpki")
	data, err := os.ReadFile(item.Path("sampleData/trustedRootCaCert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		t.Fatal("no PEM")
	}
	v := newVerifier(t, tee.Anchor{DER: block.Bytes, Origin: evidence.OriginSimulated})
	if len(v.anchors) != 2 || string(v.anchors[0].signing) != string(v.anchors[1].signing) {
		t.Fatal("not taken, or not of the same names")
	}
	out := v.Verify(&evidence.TDX{Quote: item.Read(t, "quote.bin")}, nil, tee.Params{Now: clock})
	refusedWith(t, out, evidence.CodeTDXChainFormat) // the quote carries no certificates

	chain := item.Read(t, "sampleData/pckSignChain.pem")
	leaf := item.Read(t, "sampleData/pckCert.pem")
	whole := append(append([]byte{}, leaf...), chain...)
	if _, checks := newVerifier(t).chain(orderedChain(t, whole)); checks.Failed()[0].Code != evidence.CodeTDXTrustAnchor {
		t.Errorf("without the anchor: %v", checks)
	}
	if found, checks := v.chain(orderedChain(t, whole)); found == nil || found.anchor.origin != evidence.OriginSimulated {
		t.Errorf("with the anchor: %v", checks.Failed())
	}
}

// orderedChain puts PEM certificates into the order of a quote.
func orderedChain(t *testing.T, data []byte) []byte {
	t.Helper()
	byName := map[string]*x509.Certificate{}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		byName[cert.Subject.CommonName] = cert
	}
	return simulated.EncodeChain(byName[cnPCK], byName[cnProcessor], byName[cnRoot])
}
