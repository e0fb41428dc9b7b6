package tdx

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-tdx-guest/testing/testdata"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
)

// bounded demands that f allocates no more than some multiple of the input's size,
// beside what any input costs.
func bounded(t *testing.T, input []byte, times int, f func()) {
	t.Helper()
	const any = 256 << 10
	if got, most := allocated(f), uint64(any+times*len(input)); got > most {
		t.Errorf("%d bytes allocated for an input of %d", got, len(input))
	}
}

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
		var q *quote
		var err error
		bounded(t, raw, 1, func() { q, err = parseQuote(raw) })
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
		bounded(t, raw, 32, func() {
			out := s.verifier.Verify(&evidence.TDX{Quote: raw}, e, tee.Params{Now: clock})
			if out.Genuine() && !bytes.Equal(out.ReportData, reportData[:]) {
				t.Fatal("a genuine quote that the machine did not make")
			}
		})
	})
}

// FuzzChain: what parses as a chain is three certificates.
func FuzzChain(f *testing.F) {
	s := newScene(f)
	f.Add(simulated.EncodeChain(s.machine.Certificate(), s.vendor.Platform.Certificate, s.vendor.Root.Certificate))
	f.Fuzz(func(t *testing.T, data []byte) {
		bounded(t, data, 32, func() {
			certs, err := parseChain(data, s.verifier.anchors...)
			if err == nil && (certs.leaf == nil || certs.ca == nil || certs.root == nil) {
				t.Fatal("a certificate is missing")
			}
		})
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
			bounded(t, raw, 8, func() {
				if body, _, err := splitSigned(raw, member); err == nil && !bytes.Contains(raw, body) {
					t.Fatal("the signed bytes are not in the document")
				}
			})
		}
	})
}

// addBodies adds the signed parts of documents as seeds.
func addBodies(f *testing.F, member string, documents ...[]byte) {
	for _, raw := range documents {
		body, _, err := splitSigned(raw, member)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
}

// FuzzTCBInfo: what is decoded is complete and in order, and any machine can be
// judged by it.
func FuzzTCBInfo(f *testing.F) {
	s := newScene(f)
	addBodies(f, "tcbInfo", s.collateral.Documents[0].Raw, testdata.TcbInfoBody)
	f.Add([]byte(`{"id":"TDX","tcbLevels":[` + strings.Repeat(`{},`, 100) + `{}]}`))
	machine, identity := simulated.DefaultMachine(), &qeIdentity{}
	f.Fuzz(func(t *testing.T, body []byte) {
		bounded(t, body, 64, func() {
			info, err := decodeTCBInfo(body)
			if err != nil {
				return
			}
			if len(info.fmspc) != 6 || len(info.pceID) != 2 || len(info.module.mrSigner) != 48 || !info.nextUpdate.After(info.issued) {
				t.Fatalf("%+v", info)
			}
			for i := range len(info.levels) - 1 {
				if info.levels[i].compare(&info.levels[i+1]) <= 0 {
					t.Fatalf("level %d is not above the next", i)
				}
			}
			for _, launch := range [][16]byte{machine.TEETCBSVN, {}, {255, 255}} {
				found := tcb{info, identity, &platform{components: machine.Components}, launch[:], machine.TEETCBSVN2[:], 0}
				if claims := found.claims(); claims.Status != "NotSupported" && claims.Status != "Revoked" {
					t.Fatalf("without any level of the enclave: %+v", claims)
				}
			}
		})
	})
}

// FuzzQEIdentity: what is decoded is complete and in order.
func FuzzQEIdentity(f *testing.F) {
	s := newScene(f)
	addBodies(f, "enclaveIdentity", s.collateral.Documents[1].Raw, testdata.QeIdentityBody)
	f.Fuzz(func(t *testing.T, body []byte) {
		bounded(t, body, 64, func() {
			id, err := decodeQEIdentity(body)
			if err != nil {
				return
			}
			if len(id.mrSigner) != 32 || len(id.attributes) != 16 || len(id.attributesMask) != 16 || len(id.miscSelect) != 4 || len(id.miscMask) != 4 {
				t.Fatalf("%+v", id)
			}
			for i := range len(id.levels) - 1 {
				if id.levels[i].svn <= id.levels[i+1].svn {
					t.Fatalf("level %d is not above the next", i)
				}
			}
		})
	})
}

// FuzzCRL: what is read of a CRL lists every serial number in it.
func FuzzCRL(f *testing.F) {
	s := newScene(f)
	for _, crl := range s.collateral.CRLs {
		f.Add(crl.Raw)
	}
	f.Add(s.vendor.CRL(s.vendor.Root, big.NewInt(1), big.NewInt(1<<40)).Raw)
	f.Add(testdata.PckCrlBody)
	f.Add(testdata.RootCrlBody)
	f.Fuzz(func(t *testing.T, der []byte) {
		crl, err := x509.ParseRevocationList(der)
		if err != nil {
			return
		}
		bounded(t, der, 32, func() {
			found, reason := readRevocations(crl, "crl")
			if found == nil {
				if reason == "" {
					t.Fatal("refused without a reason")
				}
				return
			}
			for _, entry := range crl.RevokedCertificateEntries {
				if !found.revoked(entry.SerialNumber) {
					t.Fatalf("%v is listed and not revoked", entry.SerialNumber)
				}
			}
		})
		e := &tee.Endorsements{}
		e.AddCRL(crl)
		r := &run{verifier: s.verifier, endorsements: e, now: clock, checks: &evidence.Checks{}, outcome: &tee.Outcome{}}
		_ = r.crl(s.vendor.Platform.Certificate, evidence.CodeTDXPCKCRL, tee.EndorsementName{})
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
