package attacks

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// bodyRows send bodies that cost much, or that two readers would read differently.
func bodyRows() []Row {
	const undecoded = "the request is refused before it is decoded"
	const decoded = "the request cannot be decoded"
	// body sends an attestation whose JSON change has the last word on.
	body := func(name string, want evidence.Code, why string, change func(body []byte) []byte) Case {
		return Case{Name: name, Subject: snpPlain, Want: codes(want), Proof: ByService, Why: why, Try: rewrittenBody(nil, change)}
	}
	return []Row{
		{"D01", "endless, slow and large bodies", []Case{
			body("four megabytes of white space", evidence.CodeRequestTooLarge, undecoded, func(b []byte) []byte {
				return append(bytes.Repeat([]byte(" "), 4<<20), b...)
			}),
		}},
		{"D02", "compressed bodies", []Case{{
			Name: "gzip", Subject: snpPlain, Want: codes(evidence.CodeContentEncoding), Proof: ByService, Why: undecoded,
			Try: rewrittenBody(http.Header{"Content-Encoding": {"gzip"}}, zipped),
		}}},
		{"D03", "deep, wide and strange JSON", []Case{
			body("a hundred thousand arrays", evidence.CodeRequestMalformed, decoded, func([]byte) []byte {
				return []byte(`{"challenge":` + strings.Repeat("[", 1e5) + strings.Repeat("]", 1e5) + "}")
			}),
			body("fifty thousand members", evidence.CodeRequestMalformed, decoded, func(b []byte) []byte {
				var wide bytes.Buffer
				wide.WriteByte('{')
				for i := range 50_000 {
					fmt.Fprintf(&wide, `"m%d":0,`, i)
				}
				return append(wide.Bytes(), b[1:]...)
			}),
			body("a member twice", evidence.CodeRequestMalformed, decoded, func(b []byte) []byte {
				return append([]byte(`{"challenge":"x",`), b[1:]...)
			}),
			body("a member in another case", evidence.CodeRequestMalformed, decoded, func(b []byte) []byte {
				return bytes.Replace(b, []byte(`"challenge"`), []byte(`"Challenge"`), 1)
			}),
			body("half of a surrogate", evidence.CodeRequestMalformed, decoded, func(b []byte) []byte {
				return bytes.Replace(b, []byte(`{`), []byte(`{"audience":"\ud800",`), 1)
			}),
			body("a second object", evidence.CodeRequestMalformed, decoded, func(b []byte) []byte { return append(b, b...) }),
			body("an endless number", evidence.CodeRequestMalformed, decoded, func(b []byte) []byte {
				return append([]byte(`{"token":1`+strings.Repeat("0", 10_000)+","), b[1:]...)
			}),
		}},
		{"D04", "certificates that cost much to read", []Case{{
			Name: "hundreds beside a report", Subject: snpPlain, Want: codes(evidence.CodeRequestMalformed), Proof: ByService, Why: decoded,
			Try: withCertificates(400),
		}}},
		{"D22", "one piece of evidence in many encodings", []Case{
			body("base64 with a line break", evidence.CodeKeyMalformed, decoded, func(b []byte) []byte {
				return bytes.Replace(b, []byte(`"public_key":"MFkw`), []byte(`"public_key":"MFkw\n`), 1)
			}),
			body("base64 with a space", evidence.CodeKeyMalformed, decoded, func(b []byte) []byte {
				return bytes.Replace(b, []byte(`"public_key":"MFkw`), []byte(`"public_key":"MFkw `), 1)
			}),
		}},
		{"D26", "compressed answers", []Case{{
			Name: "asked for", Subject: snpPlain, Proof: ByAcceptance, Why: "nothing is refused", Try: compressedAnswer,
		}}},
	}
}

// rewrittenBody attests honestly, with the body as change makes it.
func rewrittenBody(header http.Header, change func([]byte) []byte) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		c, err := a.Challenge(ctx, evidence.PurposeCertificate)
		if err != nil {
			return Got{}, err
		}
		members, bundle, err := a.answer(ctx, Attempt{}, c)
		if err != nil {
			return Got{}, err
		}
		body, err := json.Marshal(members)
		if err != nil {
			return Got{}, err
		}
		sent := http.Header{"Content-Type": {"application/json"}}
		for name, values := range header {
			sent[name] = values
		}
		answer, err := a.Do(ctx, http.MethodPost, attestations, sent, bytes.NewReader(change(body)))
		return answer.Got(bundle), err
	}
}

func zipped(body []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(body) // a buffer does not fail
	_ = w.Close()
	return out.Bytes()
}

// withCertificates sends this many certificates beside the evidence.
func withCertificates(n int) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		m, err := a.snpMachine()
		if err != nil {
			return Got{}, err
		}
		return a.Attest(ctx, Attempt{Endorsements: slices.Repeat([][]byte{m.Certificate.Raw}, n)})
	}
}

// compressedAnswer finds fault with an answer that was compressed: what is in it
// beside secrets would show by its length.
func compressedAnswer(ctx context.Context, a *Attacker) (Got, error) {
	got := Got{Accepted: true}
	for _, path := range []string{"/v1/bundle", "/.well-known/jwks.json"} {
		answer, err := a.Do(ctx, http.MethodGet, path, http.Header{"Accept-Encoding": {"gzip, deflate, br"}}, http.NoBody)
		if err != nil {
			return Got{}, err
		}
		if answer.Status != http.StatusOK {
			got.fault(fmt.Sprintf("%s is answered with status %d", path, answer.Status))
		}
		if encoding := answer.Header.Get("Content-Encoding"); encoding != "" {
			got.fault(path + " was compressed by " + encoding)
		}
	}
	return got, nil
}

// garbage is evidence of a kind that cannot be decoded, as the API takes it.
func garbage(n int) string { return base64.RawURLEncoding.EncodeToString(make([]byte, n)) }
