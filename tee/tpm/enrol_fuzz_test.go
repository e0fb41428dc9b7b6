package tpm

import (
	"bytes"
	"crypto/rand"
	"slices"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

// enrolments returns enrolments of simulated machines, one for each type of
// endorsement key, with certificates as files and as NV indices have them.
func enrolments(f *testing.F) (all []evidence.Enrolment) {
	f.Helper()
	w := simulated(f)
	for _, typ := range []simulator.EKType{simulator.EKRSA2048, simulator.EKP256, simulator.EKRSA3072, simulator.EKP384} {
		request, err := w.newMachine(f, simulator.MachineOptions{Name: "fuzzed", EK: typ}).Enrolment()
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, request)
		stored := request
		stored.EKCertificates = [][]byte{simulator.NVCertificate(request.EKCertificates[0], 1600, 0xff), request.EKCertificates[1]}
		all = append(all, stored)
	}
	return all
}

func FuzzEKCertificate(f *testing.F) {
	for _, request := range enrolments(f) {
		f.Add(request.EKCertificates[0])
	}
	for _, raw := range realSeeds(f, "ek_cert_0x01c00002.der", "ek_cert_0x01c00016.der") {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		cert, err := parseEKCertificate(raw)
		if err != nil {
			if evidence.CodeOf(err) != evidence.CodeTPMEKFormat {
				t.Errorf("%v", err)
			}
			return
		}
		if cert.key == nil || !bytes.Contains(raw, cert.Raw) {
			t.Error("a certificate without key, or of other bytes")
		}
		if again, err := parseEKCertificate(cert.Raw); err != nil || again.around != "" || again.identity != cert.identity {
			t.Errorf("without what is around it: %v", err)
		}
		if judgeEKKey(cert.key) == nil && len(ekTemplatesOf(cert.key)[0].area(cert.key)) < 100 {
			t.Error("an area without its key")
		}
	})
}

// FuzzEnrolment looks for panics, and for anything good that its seed's keys are not part of.
func FuzzEnrolment(f *testing.F) {
	w := simulated(f)
	n := newEnroller(f, w.underRoot())
	all := enrolments(f)
	var keys [][]byte // of the endorsement keys that the vendor certified
	for _, request := range all {
		f.Add(request.EKCertificates[0], request.EKCertificates[1], request.EKPublic, request.AKPublic)
		out := n.Judge(request, nil, tee.Params{Now: simulatedNow})
		if !out.Good() {
			f.Fatalf("%v", out.Checks)
		}
		keys = append(keys, out.Claims.EKSHA256)
	}
	if evidencetest.Present() {
		for _, raw := range realSeeds(f, "ak_pub.tpmt") {
			f.Add([]byte{}, []byte{}, all[0].EKPublic, raw)
		}
	}
	f.Fuzz(func(t *testing.T, leaf, intermediate, ek, ak []byte) {
		request := evidence.Enrolment{EKPublic: ek, AKPublic: ak}
		for _, der := range [][]byte{leaf, intermediate} {
			if len(der) > 0 {
				request.EKCertificates = append(request.EKCertificates, der)
			}
		}
		out := n.Judge(request, nil, tee.Params{Now: simulatedNow})
		if len(out.Checks) == 0 {
			t.Error("no check was made")
		}
		for _, check := range out.Checks {
			if check.Code.IsZero() || check.Code.Description() == "" {
				t.Errorf("%v has no registered code", check)
			}
		}
		credential, err := n.Challenge(rand.Reader, out, []byte("secret"))
		if out.Good() != (err == nil) {
			t.Errorf("good %v, but %v", out.Good(), err)
		}
		if !out.Good() {
			return
		}
		if !slices.ContainsFunc(keys, func(key []byte) bool { return bytes.Equal(key, out.Claims.EKSHA256) }) || len(credential.Blob) < 40 {
			t.Errorf("good with key %s", out.Claims.EKSHA256)
		}
	})
}
