package tdx

import (
	"bytes"
	"encoding/asn1"
	"testing"

	"github.com/google/go-tdx-guest/testing/testdata"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
)

// FuzzQuote: no input panics, and what parses is what it was parsed from.
func FuzzQuote(f *testing.F) {
	s := newScene(f)
	f.Add(s.machine.Quote(reportData))
	f.Add(newScene(f, func(o *simulated.MachineOptions) { o.Version = 5 }).machine.Quote(reportData))
	f.Add(newScene(f, func(o *simulated.MachineOptions) { o.Version, o.TD15 = 5, true }).machine.Quote(reportData))
	f.Add(sampleQuote(f))
	f.Add(testdata.RawQuote)
	e := &tee.Endorsements{}
	s.collateral.AddTo(e)
	f.Fuzz(func(t *testing.T, raw []byte) {
		q, err := parseQuote(raw)
		if err != nil {
			if evidence.CodeOf(err).IsZero() {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		rest := len(q.signed) + 4 + sigSize + len(q.certified) + q.padding
		if rest != len(raw) || !bytes.HasSuffix(raw[:len(raw)-q.padding], q.chain) {
			t.Fatalf("%d bytes accounted for of %d", rest, len(raw))
		}
		out := s.verifier.Verify(&evidence.TDX{Quote: raw}, e, tee.Params{Now: clock})
		if out.Genuine() && !bytes.Equal(out.ReportData, reportData[:]) {
			t.Fatal("a genuine quote that the machine did not make")
		}
	})
}

// FuzzChain: what parses as a chain is three certificates.
func FuzzChain(f *testing.F) {
	s := newScene(f)
	f.Add(simulated.EncodeChain(s.machine.Certificate(), s.vendor.Platform.Certificate, s.vendor.Root.Certificate))
	f.Fuzz(func(t *testing.T, data []byte) {
		certs, err := parseChain(data)
		if err == nil && (certs.leaf == nil || certs.ca == nil || certs.root == nil) {
			t.Fatal("a certificate is missing")
		}
	})
}

// FuzzCollateral: no document panics, and what is split off as signed is part of
// the document, exactly.
func FuzzCollateral(f *testing.F) {
	s := newScene(f)
	for _, d := range s.collateral.Documents {
		f.Add(d.Raw)
	}
	f.Add(testdata.TcbInfoBody)
	f.Add(testdata.QeIdentityBody)
	f.Add([]byte(`{"tcbInfo":{"a":1,"A":2},"signature":""}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, member := range []string{"tcbInfo", "enclaveIdentity"} {
			body, _, err := splitSigned(raw, member)
			if err != nil {
				continue
			}
			if !bytes.Contains(raw, body) {
				t.Fatal("the signed bytes are not in the document")
			}
			info, err := decodeTCBInfo(body)
			if err == nil && (len(info.fmspc) != 6 || len(info.module.mrSigner) != 48) {
				t.Fatalf("%+v", info)
			}
			id, err := decodeQEIdentity(body)
			if err == nil && len(id.mrSigner) != 32 {
				t.Fatalf("%+v", id)
			}
		}
	})
}

// FuzzPCKExtension: what parses is complete.
func FuzzPCKExtension(f *testing.F) {
	platform := simulated.DefaultMachine().Platform
	der, err := asn1.Marshal(platform.Elements(platform.TCBElements()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	q, err := parseQuote(sampleQuote(f))
	if err != nil {
		f.Fatal(err)
	}
	certs, err := parseChain(q.chain)
	if err != nil {
		f.Fatal(err)
	}
	for _, ext := range certs.leaf.Extensions {
		if ext.Id.Equal(oidSGX) {
			f.Add(ext.Value)
		}
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		p, err := parseSGXExtension(der)
		if err == nil && (len(p.fmspc) != 6 || len(p.pceID) != 2 || len(p.ppid) != 16) {
			t.Fatalf("%+v", p)
		}
		if err != nil && evidence.CodeOf(err) != evidence.CodeTDXPCKExtensions {
			t.Fatalf("%v", err)
		}
	})
}
