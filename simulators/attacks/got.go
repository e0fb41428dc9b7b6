package attacks

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// Got is what an attack got.
type Got struct {
	// Accepted says that there was what the attacker asked for.
	Accepted bool          `json:"accepted"`
	Status   int           `json:"status,omitzero"` // of the answer, HTTP
	Code     evidence.Code `json:"code,omitzero"`   // of the problem
	// Failed are the codes of the checks that failed, each once.
	Failed []evidence.Code `json:"failed,omitempty"`
	// Faults are what else is wrong with the answer.
	Faults []string `json:"faults,omitempty"`
	// Note is what is worth knowing besides.
	Note string `json:"note,omitempty"`
}

// problem is what is read of a problem document.
type problem struct {
	Type   string `json:"type"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Checks []struct {
		Code   string          `json:"code"`
		Status evidence.Status `json:"status"`
	} `json:"checks"`
}

// Got reads an answer. What was sent is the evidence that it must not repeat.
func (a Answer) Got(sent evidence.Bundle) Got {
	g := Got{Status: a.Status, Accepted: a.Status/100 == 2}
	if g.Accepted {
		return g
	}
	var p problem
	if err := json.Unmarshal(a.Body, &p); err != nil {
		g.fault("it is no problem document")
		return g
	}
	if media, _, err := mime.ParseMediaType(a.Header.Get("Content-Type")); err != nil || media != "application/problem+json" || p.Status != a.Status {
		g.fault("it is not marked as the problem that it is")
	}
	g.Code = g.parse(p.Code)
	if !strings.HasSuffix(p.Type, ":"+p.Code) {
		g.fault("its type is not that of its code")
	}
	for _, check := range p.Checks {
		if code := g.parse(check.Code); check.Status == evidence.Fail && !slices.Contains(g.Failed, code) {
			g.Failed = append(g.Failed, code)
		}
	}
	g.holdTight(a, sent)
	return g
}

func (g *Got) fault(text string) { g.Faults = append(g.Faults, text) }

// parse reads a code, which must be one of the registry.
func (g *Got) parse(name string) (code evidence.Code) {
	if err := code.UnmarshalText([]byte(name)); err != nil {
		g.fault("it has a code that is not in the registry")
	}
	return code
}

// holdTight looks for what must not be in a refusal.
func (g *Got) holdTight(a Answer, sent evidence.Bundle) {
	for _, secret := range []string{"BEGIN CERTIFICATE", `"svid"`, `"jwt"`, `"cwt"`, `"ear"`} {
		if bytes.Contains(a.Body, []byte(secret)) {
			g.fault("a refusal has " + secret)
		}
	}
	if a.Status == http.StatusInternalServerError {
		g.fault("the service failed")
	}
	for _, item := range sent {
		for _, part := range partsOf(item) {
			if repeats(a.Body, part) {
				g.fault("it repeats the evidence")
				return
			}
		}
	}
}

// partsOf are the bytes that an item of evidence is made of.
func partsOf(item evidence.Item) [][]byte {
	switch i := item.(type) {
	case *evidence.SNP:
		return append([][]byte{i.Report, i.RuntimeData}, i.Certificates...)
	case *evidence.TDX:
		return [][]byte{i.Quote, i.EventLog, i.RuntimeData}
	case *evidence.TPM:
		return append([][]byte{i.Attest, i.Signature, i.AKPublic, i.EventLog, i.IMALog}, i.AKCertificates...)
	}
	return nil
}

// repeats reports whether an answer has a window of these bytes, as they are, in
// hex, or in one of the ways of base64. Windows without content say nothing.
func repeats(answer, part []byte) bool {
	for w := range slices.Chunk(part, window) {
		if len(w) < window || len(bytes.Trim(w, "\x00\xff")) < window/2 {
			continue
		}
		if bytes.Contains(answer, w) || bytes.Contains(answer, []byte(hex.EncodeToString(w))) {
			return true
		}
		for skip := range 3 { // base64 of the whole may begin at any of three places
			whole := w[skip : skip+(window-2)/3*3]
			for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				if bytes.Contains(answer, []byte(encoding.EncodeToString(whole))) {
					return true
				}
			}
		}
	}
	return false
}
