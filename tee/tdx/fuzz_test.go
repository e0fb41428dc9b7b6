package tdx

import (
	"bytes"
	"encoding/asn1"
	"reflect"
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
		if err != nil {
			if evidence.CodeOf(err) != evidence.CodeTDXPCKExtensions {
				t.Fatalf("%v", err)
			}
			return
		}
		if want := standardPlatform(t, der); !reflect.DeepEqual(p, want) {
			t.Fatalf("%+v, want %+v", p, want)
		}
	})
}

// standardPlatform reads an SGX extension that is complete with the standard library.
func standardPlatform(t *testing.T, der []byte) *platform {
	t.Helper()
	type entry struct {
		ID    asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	read := func(raw []byte, into any) {
		if rest, err := asn1.Unmarshal(raw, into); err != nil || len(rest) > 0 {
			t.Fatalf("what the standard library does not read was taken: %v", err)
		}
	}
	p, seen := &platform{}, map[string]bool{}
	var outer, inner []entry
	read(der, &outer)
	for _, e := range outer {
		switch last := e.ID[len(e.ID)-1]; last {
		case arcPPID:
			read(e.Value.FullBytes, &p.ppid)
		case arcPCEID:
			read(e.Value.FullBytes, &p.pceID)
		case arcFMSPC:
			read(e.Value.FullBytes, &p.fmspc)
		case arcTCB:
			read(e.Value.FullBytes, &inner)
		}
	}
	for _, e := range append(outer, inner...) {
		if id := e.ID.String(); seen[id] || !e.ID[:len(oidSGX)].Equal(oidSGX) {
			t.Fatalf("%s is there twice, or is foreign", id)
		} else {
			seen[id] = true
		}
	}
	for _, e := range inner {
		var n int
		switch last := e.ID[len(e.ID)-1]; {
		case last < arcPCESVN:
			read(e.Value.FullBytes, &n)
			p.components[last-1] = uint8(n)
		case last == arcPCESVN:
			read(e.Value.FullBytes, &n)
			p.pceSVN = uint16(n)
		}
	}
	if len(inner) != arcCPUSVN {
		t.Fatalf("%d entries", len(inner))
	}
	return p
}
