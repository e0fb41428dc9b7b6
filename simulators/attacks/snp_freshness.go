package attacks

import (
	"context"
	"encoding/json"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
)

// snpFreshnessRows lie in what the report carries for others.
func snpFreshnessRows() []Row {
	carried := func(name string, change func(data *[64]byte)) Case {
		return Case{
			Name: name, Subject: snpPlain, Want: codes(evidence.CodeBinding),
			Try: forged(func(_ *Attacker, m *sevsnp.Machine, data [64]byte) (*evidence.SNP, error) {
				change(&data)
				return m.Item(data)
			}),
		}
	}
	return []Row{
		{"S40", "report data in part", []Case{
			carried("the first half, and zeros", func(data *[64]byte) { clear(data[32:]) }),
			carried("the first half, and something else", func(data *[64]byte) { copy(data[32:], "something else, 32 bytes of it...") }),
			carried("the second half, and zeros", func(data *[64]byte) { clear(data[:32]) }),
			carried("all but the last byte", func(data *[64]byte) { data[63]++ }),
			carried("moved by one", func(data *[64]byte) { copy(data[1:], data[:63]); data[0] = 0 }),
			carried("nothing", func(data *[64]byte) { clear(data[:]) }),
		}},
		{"S41", "report data that nobody compares", []Case{
			{
				Name: "no report data is asked for", Subject: snpPlain, Want: codes(evidence.CodeReportDataNeeded),
				Proof: ByService, Why: "the request is incomplete", Try: appraisedFor(nil),
			},
			{
				Name: "empty report data is asked for", Subject: snpPlain, Want: codes(evidence.CodeReportDataNeeded),
				Proof: ByService, Why: "the request is incomplete", Try: appraisedFor(""),
			},
			{
				Name: "the first half of the report data is asked for", Subject: snpPlain, Want: codes(evidence.CodeBinding),
				Try: appraisedFor("4242424242424242424242424242424242424242424242424242424242424242"),
			},
			{
				Name: "no challenge is answered", Subject: snpPlain, Want: codes(evidence.CodeChallengeMalformed),
				Proof: ByService, Why: "the request answers nothing",
				Try: func(ctx context.Context, a *Attacker) (Got, error) {
					return a.Attest(ctx, Attempt{Members: func(members map[string]any) error { delete(members, "challenge"); return nil }})
				},
			},
		}},
	}
}

// appraisedFor has a relying party ask for this report data, of evidence that carries
// 64 bytes 0x42.
func appraisedFor(reportData any) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		var data evidence.Binding
		for i := range data {
			data[i] = 0x42
		}
		bundle, err := a.Machine().Attest(ctx, data)
		if err != nil {
			return Got{}, err
		}
		encoded, err := bundle.MarshalJSON()
		if err != nil {
			return Got{}, err
		}
		members := map[string]any{"evidence": json.RawMessage(encoded)}
		if reportData != nil {
			members["report_data"] = reportData
		}
		answer, err := a.PostMembers(ctx, "/v1/appraisals", members)
		if err != nil {
			return Got{}, err
		}
		return answer.Got(bundle), nil
	}
}
