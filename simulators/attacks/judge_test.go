package attacks

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quotary/quotary/evidence"
)

func TestJudge(t *testing.T) {
	debug, vmpl := evidence.CodePolicySNPDebug, evidence.CodeSNPVMPL
	rejected := evidence.CodeNotAccepted
	for name, test := range map[string]struct {
		want    []evidence.Code
		got     Got
		err     error
		verdict Verdict
	}{
		"the expected check":                 {codes(debug), Got{Code: rejected, Failed: codes(debug)}, nil, Held},
		"with the conclusion":                {codes(debug), Got{Code: rejected, Failed: codes(evidence.CodePolicyWorkload, debug)}, nil, Held},
		"the expected problem":               {codes(evidence.CodeChallengeSpent), Got{Code: evidence.CodeChallengeSpent}, nil, Held},
		"both of two":                        {codes(debug, vmpl), Got{Code: rejected, Failed: codes(vmpl, debug)}, nil, Held},
		"one of two":                         {codes(debug, vmpl), Got{Code: rejected, Failed: codes(vmpl)}, nil, Other},
		"another check":                      {codes(debug), Got{Code: rejected, Failed: codes(vmpl)}, nil, Other},
		"another check as well":              {codes(debug), Got{Code: rejected, Failed: codes(vmpl, debug)}, nil, Other},
		"another problem":                    {codes(debug), Got{Code: evidence.CodeOverloaded}, nil, Other},
		"refused, but badly":                 {codes(debug), Got{Code: rejected, Failed: codes(debug), Faults: []string{"it repeats the evidence"}}, nil, Other},
		"accepted":                           {codes(debug), Got{Accepted: true}, nil, Accepted},
		"accepted, and badly":                {codes(debug), Got{Accepted: true, Faults: []string{"another key is certified"}}, nil, Accepted},
		"others are served badly":            {nil, Got{Accepted: true, Faults: []string{"another key is certified"}}, nil, Other},
		"others are served":                  {nil, Got{Accepted: true}, nil, Held},
		"others are not served":              {nil, Got{Code: rejected, Failed: codes(debug)}, nil, Other},
		"not tried":                          {codes(debug), Got{}, errors.New("no route"), Failed},
		"not to be tried":                    {codes(debug), Got{}, fmt.Errorf("the control: %w", Skip("no neighbour")), Skipped},
		"not tried, though it looks as held": {codes(debug), Got{Code: rejected, Failed: codes(debug)}, errors.New("reset"), Failed},
	} {
		verdict, reason := judge(Case{Want: test.want}, test.got, test.err)
		if verdict != test.verdict || (reason == "") != (verdict == Held) {
			t.Errorf("%s: %s (%s), want %s", name, verdict, reason, test.verdict)
		}
	}
}

// TestGot shows what an answer is held to besides its code.
func TestGot(t *testing.T) {
	report := bytes.Repeat([]byte("a report, that is. "), 30)
	sent := evidence.Bundle{&evidence.SNP{Report: report}}
	document := func(change func(map[string]any)) string {
		p := map[string]any{
			"type": "tag:x:appraisal.rejected", "status": 422, "code": "appraisal.rejected",
			"checks": []map[string]any{
				{"code": "sev-snp.vmpl", "status": "fail"}, {"code": "sev-snp.vmpl", "status": "fail"}, {"code": "sev-snp.size", "status": "pass"},
			},
		}
		change(p)
		encoded, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		return string(encoded)
	}
	none := func(map[string]any) {}
	detail := func(text string) func(map[string]any) { return func(p map[string]any) { p["detail"] = text } }
	for name, test := range map[string]struct {
		status int
		media  string
		body   string
		faults []string
	}{
		"a good refusal":      {422, "application/problem+json", document(none), nil},
		"other media type":    {422, "application/json", document(none), []string{"it is not marked as the problem that it is"}},
		"other status inside": {403, "application/problem+json", document(none), []string{"it is not marked as the problem that it is"}},
		"no problem":          {422, "application/problem+json", "refused", []string{"it is no problem document"}},
		"unknown code": {422, "application/problem+json", document(func(p map[string]any) { p["code"], p["type"] = "appraisal.weather", "x:appraisal.weather" }),
			[]string{"it has a code that is not in the registry"}},
		"another type": {422, "application/problem+json", document(func(p map[string]any) { p["type"] = "about:blank" }), []string{"its type is not that of its code"}},
		"a certificate": {422, "application/problem+json", document(detail("-----BEGIN CERTIFICATE-----")),
			[]string{"a refusal has BEGIN CERTIFICATE"}},
		"a token":                   {422, "application/problem+json", document(func(p map[string]any) { p["jwt"] = "x" }), []string{`a refusal has "jwt"`}},
		"the evidence in hex":       {422, "application/problem+json", document(detail(hex.EncodeToString(report[7:]))), []string{"it repeats the evidence"}},
		"the evidence in base64":    {422, "application/problem+json", document(detail(base64.StdEncoding.EncodeToString(report[8:]))), []string{"it repeats the evidence"}},
		"the evidence in base64url": {422, "application/problem+json", document(detail(base64.RawURLEncoding.EncodeToString(report[9:]))), []string{"it repeats the evidence"}},
		"64 bytes of it":            {422, "application/problem+json", document(detail(hex.EncodeToString(report[:64]))), nil},
	} {
		got := Answer{test.status, http.Header{"Content-Type": {test.media}}, []byte(test.body)}.Got(sent)
		if got.Accepted || !slices.Equal(got.Faults, test.faults) {
			t.Errorf("%s: %q, want %q", name, got.Faults, test.faults)
		}
		if name == "a good refusal" && (got.Code != evidence.CodeNotAccepted || !slices.Equal(got.Failed, codes(evidence.CodeSNPVMPL))) {
			t.Errorf("%s: %s, %v", name, got.Code, got.Failed)
		}
	}
	if got := (Answer{Status: 200, Body: []byte("{}")}).Got(sent); !got.Accepted || got.Faults != nil {
		t.Errorf("%+v", got)
	}
}

// sample is a report with a case of each verdict.
func sample() Report {
	debug := codes(evidence.CodePolicySNPDebug)
	return Report{Target: "https://127.0.0.1:8443", TrustDomain: "a.test", Results: []Result{
		{Row: "B01", Title: "replay", Case: "again", Want: codes(evidence.CodeChallengeSpent), Proof: ByService, Got: Got{Status: 409, Code: evidence.CodeChallengeSpent}, Verdict: Held, Took: 1500 * time.Microsecond},
		{Row: "S15", Title: "debugging allowed", Case: "policy bit 19", Want: debug, Got: Got{Accepted: true, Status: 200}, Verdict: Accepted, Reason: "accepted"},
		{Row: "S15", Title: "debugging allowed", Case: "another", Want: debug, Got: Got{Status: 503, Code: evidence.CodeOverloaded}, Verdict: Other, Reason: "refused without policy.sev-snp.debug"},
		{Row: "S34", Title: "forged list", Case: "stays", Proof: ByAcceptance, Verdict: Failed, Reason: `the control is refused: "x" <y>`},
		{Row: "S35", Title: "no list", Case: "none", Want: debug, Verdict: Skipped, Reason: "no neighbour"},
	}}
}

func TestReportText(t *testing.T) {
	var out bytes.Buffer
	if err := sample().Text(&out); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(out.String()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	want := []string{
		"row title expected got verdict",
		"B01 replay: again challenge.spent challenge.spent held",
		"S15 debugging allowed: policy bit 19 policy.sev-snp.debug accepted accepted: accepted",
		"S15 debugging allowed: another policy.sev-snp.debug service.overloaded other: refused without policy.sev-snp.debug",
		`S34 forged list: stays accepted nothing error: the control is refused: "x" <y>`,
		"S35 no list: none policy.sev-snp.debug nothing skipped: no neighbour",
		"",
		"series rows cases held other accepted skipped error proved by: check parser service acceptance",
		"S SEV-SNP 3 4 0 1 1 1 1 3 0 0 1",
		"B binding and freshness 1 1 1 0 0 0 0 0 0 1 0",
		"all 4 5 1 1 1 1 1 3 0 1 1",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
	skipped, failed := Report{Results: sample().Results[4:]}, Report{Results: sample().Results[3:]}
	if sample().Untried() != "" || skipped.Untried() != "no neighbour" || failed.Untried() != sample().Results[3].Reason || (Report{Results: sample().Results[1:4]}).Untried() != "" {
		t.Error("it says that nothing could be tried where something was, or the other way round")
	}
	if sample().Holds() || (Report{}).Holds() || !(Report{Results: sample().Results[:1]}).Holds() {
		t.Error("it holds where it does not, or the other way round")
	}
}

func TestReportJSON(t *testing.T) {
	var out bytes.Buffer
	if err := sample().JSON(&out); err != nil {
		t.Fatal(err)
	}
	var read struct {
		Report
		Totals Totals            `json:"totals"`
		Series map[string]Totals `json:"series"`
		Holds  *bool             `json:"holds"`
	}
	decoder := json.NewDecoder(&out)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&read); err != nil {
		t.Fatal(err)
	}
	if read.Totals != sample().Totals("") || read.Series["S"] != sample().Totals("S") || len(read.Series) != 2 || read.Holds == nil || *read.Holds {
		t.Errorf("%+v", read)
	}
	if diff := cmp.Diff(sample().Results, read.Results, cmp.Comparer(func(x, y evidence.Code) bool { return x == y })); diff != "" {
		t.Error(diff)
	}
}

func TestReportJUnit(t *testing.T) {
	var out bytes.Buffer
	if err := sample().JUnit(&out); err != nil {
		t.Fatal(err)
	}
	var read junitSuites
	if err := xml.Unmarshal(out.Bytes(), &read); err != nil {
		t.Fatal(err)
	}
	if len(read.Suites) != 2 {
		t.Fatalf("%d suites", len(read.Suites))
	}
	s := read.Suites[0]
	if s.Tests != 4 || s.Failures != 2 || s.Errors != 1 || s.Skipped != 1 || len(s.Cases) != 4 {
		t.Errorf("%+v", s)
	}
	if s.Cases[0].Failure == nil || s.Cases[1].Failure == nil || s.Cases[2].Error == nil || s.Cases[3].Skipped == nil {
		t.Error("a case has not ended as it should")
	}
	if got := s.Cases[2].Error.Message; got != `error: the control is refused: "x" <y>` {
		t.Errorf("message %q", got)
	}
	if c := read.Suites[1].Cases[0]; c.Seconds != "0.001" || c.Failure != nil || c.Error != nil || c.Skipped != nil {
		t.Errorf("%+v", c)
	}
}
