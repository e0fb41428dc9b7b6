package server_test

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
)

const (
	badRequest    = http.StatusBadRequest
	unprocessable = http.StatusUnprocessableEntity
)

func TestAttack_B01_ChallengeUsedTwice(t *testing.T) {
	a := start(t, servertest.Options{})
	body := newMachine(t).body(t, a.challenge(evidence.PurposeCertificate))
	var got server.AttestationResponse
	a.post("/v1/attestations", body).into(&got)
	a.post("/v1/attestations", body).refused(http.StatusConflict, evidence.CodeChallengeSpent)
	a.ledger(2, 1) // the refusal is recorded
}

func TestAttack_B02_ChallengesDiffer(t *testing.T) {
	a := start(t, servertest.Options{})
	seen := map[string]bool{}
	for range 100 {
		c := a.challenge(evidence.PurposeCertificate)
		nonce, err := base64.RawURLEncoding.DecodeString(c.Nonce)
		if err != nil || len(nonce) != 32 || seen[c.Nonce] || seen[c.Challenge] {
			t.Fatalf("nonce %q, challenge %q: repeated or malformed", c.Nonce, c.Challenge)
		}
		seen[c.Nonce], seen[c.Challenge] = true, true
	}
}

func TestAttack_B03_ChallengeUsedByManyAtOnce(t *testing.T) {
	a := start(t, servertest.Options{})
	body, err := json.Marshal(newMachine(t).body(t, a.challenge(evidence.PurposeCertificate)))
	if err != nil {
		t.Fatal(err)
	}
	const callers = 200
	statuses := make(chan int, callers)
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for { // shed requests come again: they did not reach the challenge
				answer := a.post("/v1/attestations", string(body))
				if answer.status != http.StatusServiceUnavailable {
					statuses <- answer.status
					return
				}
			}
		})
	}
	all.Wait()
	close(statuses)
	count := map[int]int{}
	for status := range statuses {
		count[status]++
	}
	if count[http.StatusOK] != 1 || count[http.StatusConflict] != callers-1 {
		t.Errorf("statuses %v", count)
	}
	a.ledger(callers, 1)
}

func TestAttack_B04_ChallengeOfAnotherService(t *testing.T) {
	a, b := start(t, servertest.Options{}), start(t, servertest.Options{})
	body := newMachine(t).body(t, a.challenge(evidence.PurposeCertificate))
	b.post("/v1/attestations", body).refused(badRequest, evidence.CodeChallengeMalformed)
	b.ledger(1, 0)
}

// A restarted service has another sealing key, so no challenge can be spent
// before and again after.
func TestAttack_B05_ChallengeFromBeforeARestart(t *testing.T) {
	before := start(t, servertest.Options{})
	body := newMachine(t).body(t, before.challenge(evidence.PurposeCertificate))
	before.post("/v1/attestations", body)
	after := start(t, servertest.Options{})
	after.post("/v1/attestations", body).refused(badRequest, evidence.CodeChallengeMalformed)
}

func TestAttack_B06_ChallengeIsNotProlonged(t *testing.T) {
	clock := &clock{now: time.Now()}
	a := start(t, servertest.Options{Now: clock.Now})
	body := newMachine(t).body(t, a.challenge(evidence.PurposeCertificate))
	for range 13 {
		clock.advance(10 * time.Second)
		a.challenge(evidence.PurposeCertificate) // whatever else is asked meanwhile
	}
	a.post("/v1/attestations", body).refused(http.StatusGone, evidence.CodeChallengeExpired)
	a.ledger(1, 0)
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// otherAudience seals challenges with the service's own key for another audience.
type otherAudience struct{ server.Challenger }

func (c otherAudience) Issue(purpose evidence.Purpose, _ string, now time.Time) (evidence.Challenge, string) {
	return c.Challenger.Issue(purpose, "other.org", now)
}

func TestAttack_B04_ChallengeOfAnotherAudience(t *testing.T) {
	a := start(t, servertest.Options{Config: func(c *server.Config) { c.Challenger = otherAudience{c.Challenger} }})
	a.post("/v1/attestations", newMachine(t).body(t, a.challenge(evidence.PurposeCertificate))).
		refused(unprocessable, evidence.CodeChallengeAudience)
	a.ledger(1, 0)
}

func TestAttack_B07_NonceCannotBeChosen(t *testing.T) {
	a := start(t, servertest.Options{})
	for _, body := range []string{
		`{"purpose":"certificate","nonce":"AAAA"}`, `{"purpose":"certificate","audience":"other.org"}`,
		`{"purpose":"certificate","challenge":"AAAA"}`, `{"purpose":"certificate","expires_at":"2099-01-01T00:00:00Z"}`,
	} {
		a.post("/v1/challenges", body).refused(badRequest, evidence.CodeRequestMalformed)
	}
	for _, body := range []string{`{}`, `{"purpose":""}`, `{"purpose":"Certificate"}`, `{"purpose":"admin"}`, `{"purpose":null}`, `{"purpose":["certificate"]}`} {
		a.post("/v1/challenges", body).refused(badRequest, evidence.CodeRequestMalformed)
	}
}

// Evidence binds the key: another's challenge with one's own key, or one's own
// evidence with another's key, is refused.
func TestAttack_B08_ChallengeAndKeyOfDifferentMachines(t *testing.T) {
	a := start(t, servertest.Options{})
	honest, thief := newMachine(t), newMachine(t)
	body := honest.body(t, a.challenge(evidence.PurposeCertificate))
	body["csr"] = csr(t, thief.key, x509.CertificateRequest{})
	p := a.post("/v1/attestations", body).refused(unprocessable, evidence.CodeNotAccepted)
	if check, ok := p.Checks.Get(evidence.CodeBinding); !ok || check.Status != evidence.Fail || p.AttestationID == "" || p.Verdict != "rejected" {
		t.Errorf("problem %+v", p)
	}
	a.ledger(1, 0)

	body = honest.body(t, a.challenge(evidence.PurposeCertificate))
	body["challenge"] = a.challenge(evidence.PurposeCertificate).Challenge
	a.post("/v1/attestations", body).refused(unprocessable, evidence.CodeNotAccepted)
	body = honest.body(t, a.challenge(evidence.PurposeToken))
	body["challenge"] = a.challenge(evidence.PurposeCertificate).Challenge
	a.post("/v1/attestations", body).refused(unprocessable, evidence.CodeNotAccepted)
}

func TestAttack_B24_ManyCertificatesOnOneChallenge(t *testing.T) {
	a := start(t, servertest.Options{})
	m := newMachine(t)
	body := m.body(t, a.challenge(evidence.PurposeCertificate))
	var got server.AttestationResponse
	a.post("/v1/attestations", body).into(&got)
	for range 20 {
		body["csr"] = csr(t, m.key, x509.CertificateRequest{}) // each is a new signature
		a.post("/v1/attestations", body).refused(http.StatusConflict, evidence.CodeChallengeSpent)
	}
	a.ledger(21, 1)
}

// A failed attempt spends the challenge as well.
func TestAttack_B24_NoSecondTryOnOneChallenge(t *testing.T) {
	a := start(t, servertest.Options{})
	m := newMachine(t)
	body := m.body(t, a.challenge(evidence.PurposeCertificate))
	good := body["csr"]
	body["csr"] = csr(t, newMachine(t).key, x509.CertificateRequest{})
	a.post("/v1/attestations", body).refused(unprocessable, evidence.CodeNotAccepted)
	body["csr"] = good
	a.post("/v1/attestations", body).refused(http.StatusConflict, evidence.CodeChallengeSpent)
}

// Whatever else is wrong with a request, its challenge was presented.
func TestAttack_B24_RequestsThatCannotBeDecodedSpendTheirChallenge(t *testing.T) {
	a := start(t, servertest.Options{})
	m := newMachine(t)
	for member, bad := range map[string]any{
		"evidence": map[string]any{}, "csr": "no PEM", "public_key": 7, "token": []string{"saml"}, "audience": "",
	} {
		body := m.body(t, a.challenge(evidence.PurposeCertificate))
		good := maps.Clone(body)
		body[member] = bad
		if p := a.post("/v1/attestations", body).problem(); p.Status >= 500 || p.Field != member {
			t.Errorf("%s: %+v", member, p)
		}
		a.post("/v1/attestations", good).refused(http.StatusConflict, evidence.CodeChallengeSpent)
	}
	a.ledger(10, 0)
}

func TestAttack_A01_RequestsThatAskForNames(t *testing.T) {
	a := start(t, servertest.Options{})
	m := newMachine(t)
	uri, _ := url.Parse("spiffe://example.org/admin")
	for name, template := range map[string]x509.CertificateRequest{
		"subject":    {Subject: pkix.Name{CommonName: "admin"}},
		"DNS name":   {DNSNames: []string{"admin.example.org"}},
		"SPIFFE ID":  {URIs: []*url.URL{uri}},
		"address":    {IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}},
		"e-mail":     {EmailAddresses: []string{"admin@example.org"}},
		"CA":         {ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: []byte{0x30, 3, 1, 1, 0xff}}}},
		"odd things": {ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Value: []byte{5, 0}}}},
	} {
		t.Run(name, func(t *testing.T) {
			body := m.body(t, a.challenge(evidence.PurposeCertificate))
			body["csr"] = csr(t, m.key, template)
			a.post("/v1/attestations", body).refused(unprocessable, evidence.CodeRequestedNames)
		})
	}
	a.ledger(7, 0)
}

func TestAttack_A04_KeysThatDoNotFit(t *testing.T) {
	a := start(t, servertest.Options{})
	m, other := newMachine(t), newMachine(t)
	weak, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(csr(t, m.key, x509.CertificateRequest{})))
	forged := bytes.Clone(block.Bytes)
	forged[len(forged)-1] ^= 1
	b64 := base64.StdEncoding.EncodeToString
	for name, tc := range map[string]struct {
		change map[string]any
		status int
		code   evidence.Code
	}{
		"another public key":  {map[string]any{"public_key": b64(spki(t, &other.key.PublicKey))}, unprocessable, evidence.CodeKeyMismatch},
		"no key at all":       {map[string]any{"csr": nil}, badRequest, evidence.CodeKeyMalformed},
		"empty":               {map[string]any{"csr": ""}, badRequest, evidence.CodeKeyMalformed},
		"broken signature":    {map[string]any{"csr": b64(forged)}, badRequest, evidence.CodeKeyMalformed},
		"trailing DER":        {map[string]any{"csr": b64(append(bytes.Clone(block.Bytes), 0))}, badRequest, evidence.CodeKeyMalformed},
		"P-224":               {map[string]any{"csr": csr(t, weak, x509.CertificateRequest{})}, unprocessable, evidence.CodeKeyUnsupported},
		"another PEM label":   {map[string]any{"csr": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: block.Bytes}))}, badRequest, evidence.CodeKeyMalformed},
		"two PEM blocks":      {map[string]any{"csr": csr(t, m.key, x509.CertificateRequest{}) + csr(t, other.key, x509.CertificateRequest{})}, badRequest, evidence.CodeKeyMalformed},
		"junk before PEM":     {map[string]any{"csr": "-----BEGIN JUNK\nAAAA\n" + csr(t, m.key, x509.CertificateRequest{})}, badRequest, evidence.CodeKeyMalformed},
		"base64 with newline": {map[string]any{"csr": b64(block.Bytes)[:60] + "\n" + b64(block.Bytes)[60:]}, badRequest, evidence.CodeKeyMalformed},
		"too long":            {map[string]any{"csr": b64(make([]byte, 5000))}, badRequest, evidence.CodeKeyMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			body := m.body(t, a.challenge(evidence.PurposeCertificate))
			for k, v := range tc.change {
				if body[k] = v; v == nil {
					delete(body, k)
				}
			}
			a.post("/v1/attestations", body).refused(tc.status, tc.code)
		})
	}
	a.ledger(11, 0)
}

func TestAttack_A06_TheServicesOwnKeys(t *testing.T) {
	a := start(t, servertest.Options{})
	own := machine{&ecdsa.PrivateKey{PublicKey: *a.Issuer.Public().(*ecdsa.PublicKey)}, newMachine(t).kinds}
	c := a.challenge(evidence.PurposeCertificate)
	body := map[string]any{
		"challenge": c.Challenge, "evidence": own.evidenceFor(t, c),
		"public_key": base64.StdEncoding.EncodeToString(spki(t, a.Issuer.Public())),
	}
	a.post("/v1/attestations", body).refused(unprocessable, evidence.CodeIssuingKey)
	a.ledger(1, 0)
}

func TestAttack_D03_StrictJSON(t *testing.T) {
	a := start(t, servertest.Options{})
	m := newMachine(t)
	encoded, err := json.Marshal(m.body(t, a.challenge(evidence.PurposeCertificate)))
	if err != nil {
		t.Fatal(err)
	}
	good := string(encoded)
	for name, body := range map[string]string{
		"empty":            "",
		"null":             "null",
		"array":            "[" + good + "]",
		"truncated":        good[:len(good)-2],
		"trailing":         good + "{}",
		"trailing garbage": good + "x",
		"unknown member":   `{"spiffe_id":"spiffe://example.org/admin",` + good[1:],
		"other spelling":   strings.Replace(good, `"challenge"`, `"Challenge"`, 1),
		"Kelvin sign":      "{\"to\u212aen\":[\"jwt\"]," + good[1:],
		"repeated member":  `{"challenge":"x",` + good[1:],
		"escaped repeat":   `{"\u0063hallenge":"x",` + good[1:],
		"number":           strings.Replace(good, `{"challenge":`, `{"audience":1,"challenge":`, 1),
		"null member":      `{"audience":null,` + good[1:],
		"object member":    `{"audience":{},` + good[1:],
		"empty audience":   `{"audience":"",` + good[1:],
		"long audience":    `{"audience":"` + strings.Repeat("a", 256) + `",` + good[1:],
		"format unknown":   `{"token":["saml"],` + good[1:],
		"format twice":     `{"token":["jwt","jwt"],` + good[1:],
		"format null":      `{"token":[null],` + good[1:],
		"format text":      `{"token":"jwt",` + good[1:],
		"byte order mark":  "\ufeff" + good,
		"not UTF-8":        `{"audience":"` + "\xff" + `",` + good[1:],
		"many formats":     `{"token":[` + strings.Repeat(`"",`, 100_000) + `""]}`,
		"long challenge":   `{"challenge":"` + strings.Repeat(`\u0041`, 50_000) + `"}`,
		"comma at the end": good[:len(good)-1] + ",}",
		"no comma":         strings.Replace(good, `",`, `"`, 1),
		"no colon":         strings.Replace(good, `":`, `"`, 1),
		"deep":             `{"evidence":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`,
		"evidence true":    `{"evidence":true,"challenge":"x"}`,
		"evidence number":  `{"evidence":1e999,"challenge":"x"}`,
		"evidence null":    `{"evidence":null,"challenge":"x"}`,
		"evidence padded":  `{"evidence":"AAAA==","challenge":"x"}`,
		"evidence newline": `{"evidence":"AA\nAA","challenge":"x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			p := a.post("/v1/attestations", body).refused(badRequest, evidence.CodeRequestMalformed)
			if name == "unknown member" && p.Field != "spiffe_id" {
				t.Errorf("field %q", p.Field)
			}
		})
	}
	// What could be read of the above spent the challenge.
	a.post("/v1/attestations", good).refused(http.StatusConflict, evidence.CodeChallengeSpent)
}

func TestAttack_D03_EvidenceThatIsNone(t *testing.T) {
	a := start(t, servertest.Options{})
	m := newMachine(t)
	for name, tc := range map[string]struct {
		evidence string
		status   int
		code     evidence.Code
	}{
		"none":            {`{}`, badRequest, evidence.CodeEvidenceEmpty},
		"empty record":    {`["application/vnd.quotary.tdx.quote",""]`, badRequest, evidence.CodeEvidenceEmpty},
		"unknown type":    {`["application/x-unknown","AAAA"]`, unprocessable, evidence.CodeMediaTypeUnknown},
		"two of a kind":   {`{"a":["application/vnd.quotary.tdx.quote","AAAA"],"b":["application/vnd.quotary.tdx.quote","AAAA"]}`, badRequest, evidence.CodeEvidenceDuplicate},
		"repeated label":  {`{"a":["application/vnd.quotary.tdx.quote","AAAA"],"a":["application/vnd.quotary.tdx.quote","AAAA"]}`, badRequest, evidence.CodeEvidenceDuplicate},
		"not base64url":   {`["application/vnd.quotary.tdx.quote","A+/="]`, badRequest, evidence.CodeEvidenceMalformed},
		"text of nothing": {`""`, badRequest, evidence.CodeEvidenceEmpty},
		"some text":       {`"AAAA"`, unprocessable, evidence.CodeKindUnknown},
		"too large":       {`["application/vnd.quotary.tdx.quote","` + strings.Repeat("A", 90_000) + `"]`, http.StatusRequestEntityTooLarge, evidence.CodeEvidenceTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			body := m.body(t, a.challenge(evidence.PurposeCertificate))
			body["evidence"] = json.RawMessage(tc.evidence)
			a.post("/v1/attestations", body).refused(tc.status, tc.code)
		})
	}
	a.ledger(9, 0)
}

func TestAttack_D01_LargeBodies(t *testing.T) {
	a := start(t, servertest.Options{})
	for _, path := range []string{"/v1/challenges", "/v1/attestations", "/v1/appraisals"} {
		a.post(path, strings.Repeat(" ", 1200<<10)).refused(http.StatusRequestEntityTooLarge, evidence.CodeRequestTooLarge)
		req := a.request(http.MethodPost, path, nil)
		req.Body, req.ContentLength = endless{}, -1
		a.do(req).refused(http.StatusRequestEntityTooLarge, evidence.CodeRequestTooLarge)
	}
}

// endless is a body without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
func (endless) Close() error               { return nil }

func TestAttack_D02_CompressedBodies(t *testing.T) {
	a := start(t, servertest.Options{})
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	if _, err := w.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	for _, coding := range []string{"gzip", "GZIP", "deflate", "br", "zstd", "identity, gzip", "x"} {
		req := a.request(http.MethodPost, "/v1/challenges", bomb.Bytes())
		req.Header.Set("Content-Encoding", coding)
		a.do(req).refused(http.StatusUnsupportedMediaType, evidence.CodeContentEncoding)
	}
}

func TestMediaTypes(t *testing.T) {
	a := start(t, servertest.Options{})
	for contentType, good := range map[string]bool{
		"application/json": true, "application/json; charset=utf-8": true, "Application/JSON; Charset=UTF-8": true,
		"": false, "text/plain": false, "application/x-www-form-urlencoded": false, "application/json; charset=latin1": false,
		"application/problem+json": false, "application/json, text/plain": false, "application/json; a=b": false, "*/*": false,
	} {
		req := a.request(http.MethodPost, "/v1/challenges", []byte(`{"purpose":"token"}`))
		req.Header.Set("Content-Type", contentType)
		if contentType == "" {
			req.Header.Del("Content-Type")
		}
		if answer := a.do(req); !good {
			answer.refused(http.StatusUnsupportedMediaType, evidence.CodeRequestMediaType)
		} else if answer.status != http.StatusOK {
			t.Errorf("%q: %s", contentType, answer.body)
		}
	}
}

func TestAppraisalNeedsReportData(t *testing.T) {
	a := start(t, servertest.Options{})
	record := `["application/vnd.quotary.tdx.quote","AAAA"]`
	for data, code := range map[string]evidence.Code{
		`""`: evidence.CodeReportDataNeeded, `"0"`: evidence.CodeHexMalformed, `"zz"`: evidence.CodeHexMalformed, `null`: evidence.CodeRequestMalformed,
		`"` + strings.Repeat("00", 65) + `"`: evidence.CodeRequestMalformed, `["00"]`: evidence.CodeRequestMalformed,
	} {
		a.post("/v1/appraisals", `{"evidence":`+record+`,"report_data":`+data+`}`).refused(badRequest, code)
	}
	a.post("/v1/appraisals", `{"evidence":`+record+`}`).refused(badRequest, evidence.CodeReportDataNeeded)
	a.post("/v1/appraisals", `{"evidence":`+record+`,"report_data":"00","csr":"x"}`).refused(badRequest, evidence.CodeRequestMalformed)
	a.ledger(8, 0)
}

func TestUndecidedSaysWhatIsMissing(t *testing.T) {
	missing := []tee.EndorsementName{{Type: "vcek", ID: "Milan 00"}}
	a := start(t, servertest.Options{Judge: func(item evidence.Item) tee.Outcome {
		o := teetest.Genuine(teetest.Claims(item.Kind()), teetest.ReportData(item))
		o.Missing = missing
		return o
	}})
	answer := a.post("/v1/attestations", newMachine(t).body(t, a.challenge(evidence.PurposeCertificate)))
	p := answer.refused(http.StatusServiceUnavailable, evidence.CodeEndorsementsMissing)
	if p.Verdict != "undecided" || len(p.Missing) != 1 || p.Missing[0] != missing[0] || answer.header.Get("Retry-After") == "" {
		t.Errorf("problem %+v, headers %v", p, answer.header)
	}
	a.ledger(1, 0)
}

func TestRejectionListsEveryCheck(t *testing.T) {
	a := start(t, servertest.Options{Judge: func(item evidence.Item) tee.Outcome {
		o := teetest.Genuine(teetest.Claims(item.Kind()), teetest.ReportData(item))
		o.Checks.Fail(evidence.CodeEvidenceMalformed, "something", "something else")
		return o
	}})
	p := a.post("/v1/attestations", newMachine(t).body(t, a.challenge(evidence.PurposeCertificate))).refused(unprocessable, evidence.CodeNotAccepted)
	if len(p.Checks) < 3 || !strings.Contains(p.Detail, "evidence.malformed") || strings.Contains(fmt.Sprint(p.Checks), "BEGIN") {
		t.Errorf("problem %+v", p)
	}
}
