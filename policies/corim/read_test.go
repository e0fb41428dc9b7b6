package corim_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies/corim"
)

func fromHex(t testing.TB, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func tag(number uint64, content any) cbor.Tag { return cbor.Tag{Number: number, Content: content} }

type tuple = []any

// manifest wraps triples in a CoRIM; change may bend its map and that of its tag.
func manifest(t testing.TB, profile any, change func(corim, comid object), triples ...any) []byte {
	t.Helper()
	comid := object{1: object{0: "guest"}, 4: object{0: triples}}
	top := object{0: "x", 3: profile, 4: object{1: tag(1, 1811000000)}}
	if change != nil {
		change(top, comid)
	}
	if top[1] == nil {
		top[1] = tuple{tag(506, marshal(t, comid))}
	}
	if top[3] == nil {
		delete(top, 3)
	}
	return marshal(t, tag(501, top))
}

var (
	amdProfile   = tag(32, "tag:amd.com,2025:snp-corim-profile")
	intelProfile = tag(111, []byte("\x60\x86\x48\x01\x86\xf8\x4d\x01\x10\x01"))
	byChip       = object{0: object{0: tag(111, []byte("\x2b\x06\x01\x04\x01\x9c\x78\x03\x01"))}}
	tdxModule    = object{0: object{0: tag(111, []byte("\x60\x86\x48\x01\x86\xf8\x4d\x01\x02\x03\x04\x03")), 1: "Intel Corporation", 2: "TDX SEAM"}}
	td           = object{0: object{1: "Intel Corporation", 2: "TDX TD"}}
	digest11     = tuple{7, []byte(strings.Repeat("\x11", 48))}
	digest12     = tuple{7, []byte(strings.Repeat("\x12", 48))}
)

func snp(measurements ...any) tuple {
	return tuple{byChip, append(tuple{object{0: 641, 1: object{2: tuple{digest11}}}}, measurements...)}
}

func element(key uint64, key2 int64, v any) object { return object{0: key, 1: object{key2: v}} }

// exact is the requirement of an exact version: a rule.
func exact(what, rule string) string {
	return fmt.Sprintf("require {name: exact-%s, rule: %q, message: \"the supplier names this version and no other\"}", what, rule)
}

// What reference values cannot hold is refused by its name, and told apart when
// the values are taken all the same.
func TestBeyondReferenceValues(t *testing.T) {
	for name, c := range map[string]struct {
		triple   any
		says     string // the refusal
		required string // "key value" in a workload; empty: left out
	}{
		"least guest SVN":    {snp(element(1, 1, tag(553, 3))), "sev_snp.minimum_guest_svn 3", "minimum_guest_svn 3"},
		"exact guest SVN":    {snp(element(1, 1, tag(552, 3))), "sev_snp.require {name: exact-guest-svn", exact("guest-svn", "sev_snp.guest_svn == 3")},
		"exact SVN, no tag":  {snp(element(1, 1, 3)), "sev_snp.require", exact("guest-svn", "sev_snp.guest_svn == 3")},
		"huge SVN":           {snp(element(1, 1, uint64(1<<32))), "no report has", ""},
		"SVN of another tag": {snp(element(1, 1, tag(554, 3))), "exact (tag 552 or none)", ""},
		"a text as SVN":      {snp(element(1, 1, "3")), "expected a security version", ""},
		"exact launch TCB":   {snp(element(3968, 1, uint64(0xdb18000000000004))), "sev_snp.require", exact("launch-tcb", "!has(sev_snp.launch_tcb.fmc) && sev_snp.launch_tcb.bootloader == 4 && sev_snp.launch_tcb.tee == 0 && sev_snp.launch_tcb.snp == 24 && sev_snp.launch_tcb.microcode == 219")},
		"exact Turin TCB":    {snp(element(647, 1, tag(552, uint64(0x4a00000004010102)))), "sev_snp.require", exact("reported-tcb", "sev_snp.reported_tcb.fmc == 2 && sev_snp.reported_tcb.bootloader == 1 && sev_snp.reported_tcb.tee == 1 && sev_snp.reported_tcb.snp == 4 && sev_snp.reported_tcb.microcode == 74")},
		"Milan TCB":          {snp(element(647, 1, tag(553, uint64(0xdb18000000000004)))), "minimum_tcb", "minimum_tcb {bootloader: 4, tee: 0, snp: 24, microcode: 219}"},
		"Turin TCB":          {snp(element(3329, 1, tag(553, uint64(0x4a00000004010101)))), "minimum_tcb", "minimum_tcb {fmc: 1, bootloader: 1, tee: 1, snp: 4, microcode: 74}"},
		"no product's TCB":   {snp(element(3968, 1, tag(553, 4))), "of no product line", ""},
		"launch TCB":         {snp(element(3968, 1, tag(553, uint64(0xdb18000000000004)))), "minimum_launch_tcb", "minimum_launch_tcb {bootloader: 4, tee: 0, snp: 24, microcode: 219}"},
		"VMPL":               {snp(element(5, 15, 0)), "sev_snp.vmpl 0", "vmpl 0"},
		"host data":          {snp(element(642, 4, tag(560, make([]byte, 32)))), "sev_snp.host_data", "host_data [\"" + strings.Repeat("00", 32) + "\"]"},
		"family ID":          {snp(element(3, 4, tag(560, make([]byte, 16)))), "sev_snp.family_id", "family_id [\"" + strings.Repeat("00", 16) + "\"]"},
		"ID key":             {snp(element(643, 2, tuple{digest12})), "sev_snp.id_key_digests", "id_key_digests [\"" + strings.Repeat("12", 48) + "\"]"},
		"chip ID":            {snp(element(3328, 4, tag(560, make([]byte, 64)))), "CHIP_ID", ""},
		"masked policy":      {snp(object{0: 2, 1: object{4: tag(560, make([]byte, 8)), 5: make([]byte, 8)}}), "POLICY", ""},
		"debug":              {snp(object{1: object{3: object{3: true}}}), "is-debug true", ""},
		"an instance":        {tuple{object{0: byChip[0], 1: tag(560, make([]byte, 64))}, snp()[1]}, "one machine", ""},
		"a group":            {tuple{object{0: byChip[0], 2: tag(560, []byte{1})}, snp()[1]}, "a group", ""},
		"a product":          {tuple{object{0: object{0: tag(111, []byte("\x2b\x06\x01\x04\x01\x9c\x78\x03\x01")), 2: "Milan"}}, snp()[1]}, "model \"Milan\"", ""},
		"keys that vouch":    {tuple{byChip, tuple{object{0: 641, 1: object{2: tuple{digest11}}, 2: tuple{tag(554, "x")}}}}, "certain keys", ""},
		"module's signer":    {tuple{tdxModule, tuple{object{1: object{-83: digest11, -84: tuple{digest12}}}}}, "tdx.mrsigner_seam", "mrsigner_seam [\"" + strings.Repeat("12", 48) + "\"]"},
		"module's version":   {tuple{tdxModule, tuple{object{1: object{-83: digest11, -73: tag(60010, tuple{2, 6})}}}}, "isvsvn", ""},
		"evaluation":         {tuple{tdxModule, tuple{object{1: object{-83: digest11, -86: tag(60010, tuple{2, 17})}}}}, "tdx.minimum_evaluation_data_number 17", "minimum_evaluation_data_number 17"},
		"exact evaluation":   {tuple{tdxModule, tuple{object{1: object{-83: digest11, -86: 17}}}}, "tdx.require", exact("tcb-evaluation", "tdx.tcb.evaluation_data_number == 17")},
		"huge evaluation":    {tuple{tdxModule, tuple{object{1: object{-83: digest11, -86: uint64(1 << 32)}}}}, "no collateral", ""},
		"another evaluation": {tuple{tdxModule, tuple{object{1: object{-83: digest11, -86: tag(60010, tuple{4, 17})}}}}, "not a least one", ""},
		"an element":         {tuple{td, tuple{object{1: object{-83: digest11}}, object{0: 70, 1: object{11: "x"}}}}, "not understood", ""},
	} {
		data := manifest(t, nil, nil, c.triple)
		if _, err := corim.Import(data, corim.ImportOptions{Now: now}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		got, err := corim.Import(data, corim.ImportOptions{Now: now, Partial: true})
		switch {
		case err != nil:
			t.Errorf("%s, partially: %v", name, err)
		case c.required == "" && (len(got.LeftOut) != 1 || len(got.Requirements) != 0):
			t.Errorf("%s, partially: %+v", name, got)
		case c.required != "" && (len(got.Requirements) != 1 || got.Requirements[0].Key+" "+got.Requirements[0].Value != c.required || got.LeftOut != nil):
			t.Errorf("%s, partially: %+v", name, got)
		}
		if err == nil && !strings.Contains(string(got.YAML), strings.Repeat("11", 48)) {
			t.Errorf("%s, partially:\n%s", name, got.YAML)
		}
	}
}

// What is not understood is refused in any case.
func TestNotUnderstood(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"a key of the CoRIM":    {manifest(t, nil, func(c, _ object) { c[2] = tuple{} }, snp()), "corim: key 2"},
		"endorsements":          {manifest(t, nil, func(_, m object) { m[4].(object)[1] = tuple{} }, snp()), "triples: key 1 is not understood"},
		"linked tags":           {manifest(t, nil, func(_, m object) { m[3] = tuple{} }, snp()), "key 3"},
		"another tag":           {manifest(t, nil, func(c, _ object) { c[1] = tuple{tag(505, []byte{})} }, snp()), "expected tag 506, not 505"},
		"another profile":       {manifest(t, tag(32, "tag:example.org,2026:x"), nil, snp()), "profile is none"},
		"two profiles":          {manifest(t, tuple{amdProfile, amdProfile}, nil, snp()), "array of 1"},
		"AMD's in Intel's":      {manifest(t, intelProfile, nil, snp()), "not of the CoRIM's profile"},
		"Intel's in AMD's":      {manifest(t, amdProfile, nil, tuple{td, tuple{object{1: object{-83: digest11}}}}), "not of the CoRIM's profile"},
		"another class":         {manifest(t, nil, nil, tuple{object{0: object{1: "ACME"}}, tuple{object{1: object{2: tuple{digest11}}}}}), "none that is known"},
		"a class's layer":       {manifest(t, nil, nil, tuple{object{0: object{0: tag(111, []byte("x")), 3: 1}}, snp()[1]}), "key 3"},
		"an element":            {manifest(t, nil, nil, snp(element(700, 4, tag(560, []byte{1})))), "element 700"},
		"an element twice":      {manifest(t, nil, nil, snp(element(641, 2, tuple{digest12}))), "twice"},
		"two digests":           {manifest(t, nil, nil, tuple{byChip, tuple{element(641, 2, tuple{digest11, digest12})}}), "2 digests at once"},
		"SHA-256":               {manifest(t, nil, nil, tuple{byChip, tuple{element(641, 2, tuple{tuple{1, make([]byte, 32)}})}}), "not of SHA-384"},
		"a short digest":        {manifest(t, nil, nil, tuple{byChip, tuple{element(641, 2, tuple{tuple{7, make([]byte, 32)}})}}), "48 bytes"},
		"no measurement":        {manifest(t, nil, nil, tuple{byChip, tuple{element(5, 15, 0)}}), "vmpl"},
		"no register":           {manifest(t, nil, nil, tuple{td, tuple{object{1: object{14: object{}}}}}), "no value of a register"},
		"RTMR4":                 {manifest(t, nil, nil, tuple{td, tuple{object{1: object{14: object{4: tuple{digest11}}}}}}), "key 4"},
		"not a member":          {manifest(t, nil, nil, tuple{td, tuple{object{1: object{-83: tag(60020, tuple{7, tuple{digest11}})}}}}), "not one of members"},
		"a register twice":      {manifest(t, nil, nil, tuple{td, tuple{object{1: object{-83: digest11}}, object{0: 83, 1: object{2: tuple{digest11}}}}}), "twice"},
		"a flag of null":        {manifest(t, nil, nil, snp(object{1: object{3: object{3: nil}}})), "true or false"},
		"another flag":          {manifest(t, nil, nil, snp(object{1: object{3: object{1: true}}})), "key 1"},
		"a text key":            {marshal(t, tag(501, map[string]any{"id": 1})), "not understood"},
		"a fraction of seconds": {manifest(t, nil, func(c, _ object) { c[4] = object{1: tag(1, 1811000000.5)} }, snp()), "whole seconds"},
		"an ID that hides":      {manifest(t, nil, func(c, _ object) { c[0] = "a\u202eb" }, snp()), "prints"},
		"all ones":              {manifest(t, nil, nil, tuple{byChip, tuple{element(641, 2, tuple{tuple{7, []byte(strings.Repeat("\xff", 48))}})}}), "all ones"},
		"trailing bytes":        {append(manifest(t, nil, nil, snp()), 0), "no strict CBOR"},
		"an indefinite length":  {fromHex(t, "d901f5bfff"), "no strict CBOR"},
		"a key twice":           {fromHex(t, "d901f5a200610000616200"), ""},
		"nothing":               {nil, "no strict CBOR"},
		"another":               {fromHex(t, "d901f700"), "neither"},
		"a name that is none":   {manifest(t, nil, func(_, m object) { m[1] = object{0: "Guest 1"} }, snp()), "not of the form of names"},
	} {
		if got, err := corim.Import(c.data, corim.ImportOptions{Now: now}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v\n%s", name, err, got.YAML)
		}
	}
}

// Forms that the drafts and their examples have side by side.
func TestForms(t *testing.T) {
	for name, data := range map[string][]byte{
		"a list of profiles":    manifest(t, tuple{amdProfile}, nil, snp()),
		"an earlier profile":    manifest(t, tag(32, "tag:amd.com,2024:snp-corim-profile"), nil, snp()),
		"an OID with its tag":   manifest(t, nil, nil, tuple{object{0: object{0: tag(111, []byte("\x06\x09\x2b\x06\x01\x04\x01\x9c\x78\x03\x01"))}}, snp()[1]}),
		"the value as instance": manifest(t, nil, nil, tuple{object{0: byChip[0], 1: tag(560, digest11[1])}, snp()[1]}),
		"flags of every guest":  manifest(t, nil, nil, snp(object{1: object{3: object{3: false, 4: true, 5: true, 9: true}}})),
		"a set of one":          manifest(t, nil, nil, tuple{td, tuple{object{1: object{-83: tag(60020, tuple{6, tuple{digest11}})}}}}),
		"a digest alone":        manifest(t, intelProfile, nil, tuple{td, tuple{object{1: object{-83: digest11}}}}),
		"an extension as a key": manifest(t, nil, nil, tuple{td, tuple{object{0: 83, 1: object{2: tuple{digest11}}}}}),
		"IDs that are UUIDs":    manifest(t, nil, func(c, m object) { c[0], m[1] = tag(37, make([]byte, 16)), object{0: make([]byte, 16), 1: 2} }, snp()),
		"languages and entities": manifest(t, nil, func(c, m object) {
			m[0] = "en-GB"
			m[2] = tuple{object{0: "A", 1: tag(32, "https://a.example"), 2: tuple{0, 1}}}
			c[5] = tuple{object{0: "B", 2: tuple{1}}}
		}, snp()),
		"reports signed by a VLEK":  manifest(t, nil, nil, tuple{object{0: object{0: tag(111, []byte("\x2b\x06\x01\x04\x01\x9c\x78\x03\x02"))}}, snp()[1]}),
		"the same value repeatedly": manifest(t, nil, nil, snp(), snp()),
	} {
		got, err := corim.Import(data, corim.ImportOptions{Now: now})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if strings.Count(string(got.YAML), strings.Repeat("11", 48)) != 1 {
			t.Errorf("%s:\n%s", name, got.YAML)
		}
	}
}

// Registers that stand in one triple belong together, and so do not mix.
func TestReleasesDoNotMix(t *testing.T) {
	release := func(b string) tuple {
		d := tuple{tuple{7, []byte(strings.Repeat(b, 48))}}
		return tuple{td, tuple{object{1: object{-83: d, 14: object{1: d}}}}}
	}
	got, err := corim.Import(manifest(t, nil, nil, release("1"), release("2")), corim.ImportOptions{Now: now, Name: "td"})
	if err != nil {
		t.Fatal(err)
	}
	set := load(t, got.YAML)
	if infos := set.References(); len(infos) != 2 || infos[0].Name != "td-1" || infos[1].Values["mrtd"] != 1 || infos[1].Values["rtmr1"] != 1 {
		t.Errorf("%+v", infos)
	}
}

// Examples that others published, in numbers: the data of tests of a CoRIM library
// under the Apache License 2.0 (github.com/veraison/corim).
func TestPublicExamples(t *testing.T) {
	const (
		// A TDX module's values for certain keys to vouch for; a CoMID alone.
		module = "a301a100503f06af63a93c11e4979700505690773f0281a30065494e54454c01d8207168747470733a2f2f696e74656c2e636f6d02810004a1008182a100a300d86f4c6086480186f84d01020304030171496e74656c20436f72706f726174696f6e0268544458205345414d81a201a63851820102385442abcd3848d9ea6a8202063852d9ea7482068182015820a314fc2dc663ae7a6b6bc6787594057396e6b3f569cd50fd5ddb4d1bbafd2b6a3853d9ea7482068282015820a314fc2dc663ae7a6b6bc6787594057396e6b3f569cd50fd5ddb4d1bbafd2b6a82085840a314fc2dc663ae7a6b6bc6787594057396e6b3f569cd50fd5ddb4d1bbafd2b6aa314fc2dc663ae7a6b6bc6787594057396e6b3f569cd50fd5ddb4d1bbafd2b6a3855d9ea6a82020b0281d9022a6178"
		// A signed CoRIM of a device that no profile here is about.
		signed = "d2845860a4012603746170706c69636174696f6e2f72696d2b63626f72044131085841a201a201c11a6954678000c11a61ce480000a201d8207168747470733a2f2f61636d652e6578616d706c65007441434d45204c7464207369676e696e67206b6579a059015ad901f5a20181d901fa59013fa40065656e2d474201a1005043bbe37f2e614b33aed353cff1428b160281a3006941434d45204c74642e01d8207168747470733a2f2f61636d652e6578616d706c65028300010204a1008182a100a3026a526f616452756e6e657200d90230582061636d652d696d706c656d656e746174696f6e2d69642d303030303030303031016441434d4583a201a102818201582087428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c700d8255031fb5abf023e4992aa4e95f9c1503bfaa200d8255031fb5abf023e4992aa4e95f9c1503bfa01a10281820158200263829989b6fd954f72baaf2fc64bc2e2f01d692d4de72986ea808f6e99813fa201a1028182015820a3a5e715f0cc574a73c3f9bebb6bc24f32ffd5b67b387244c2c909da779a147800d8255031fb5abf023e4992aa4e95f9c1503bfa006d7465737420636f72696d2069645840eb8a0c16f93cbf8a32b075c049a4f8aa33b6210ed7b6a1cefa73bf1ba65066ba8bec0a93e26b62001764151c20e3beaf9e41c603511403499556914f1e3c41cd"
	)
	wrapped := marshal(t, tag(501, object{0: "module", 1: tuple{tag(506, fromHex(t, module))}, 3: intelProfile, 4: object{1: tag(1, 1811000000)}}))
	if _, err := corim.Import(wrapped, corim.ImportOptions{Now: now, Name: "module"}); evidence.CodeOf(err) != evidence.CodeCoRIMUnsupported || !strings.Contains(err.Error(), "certain keys") {
		t.Error(err)
	}
	// MRSEAM has 48 bytes, and the example 32.
	if _, err := corim.Import(wrapped, corim.ImportOptions{Now: now, Name: "module", Partial: true}); err == nil || !strings.Contains(err.Error(), "not of SHA-384") {
		t.Error(err)
	}
	if _, err := corim.Import(fromHex(t, signed), corim.ImportOptions{Now: now}); evidence.CodeOf(err) != evidence.CodeCoRIMSignature {
		t.Error(err)
	}
	// The tag within has a text that ends before its own characters do.
	payload := fromHex(t, signed[strings.Index(signed, "d901f5"):len(signed)-132])
	if _, err := corim.Import(payload, corim.ImportOptions{Now: now, NotAfter: now.AddDate(1, 0, 0), Name: "x"}); evidence.CodeOf(err) != evidence.CodeCoRIMMalformed || !strings.Contains(err.Error(), "corim.tags[0]") {
		t.Error(err)
	}
}

func FuzzImport(f *testing.F) {
	for _, text := range []string{snpText, tdxText, anyText, modText} {
		f.Add(export(f, text, corim.ExportOptions{}))
	}
	f.Add(manifest(f, nil, nil, snp(element(647, 1, tag(553, uint64(0xdb18000000000004))), object{1: object{3: object{3: true}}})))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, partial := range []bool{false, true} {
			o := corim.ImportOptions{Now: now, Name: "f", NotAfter: now.AddDate(1, 0, 0), Partial: partial}
			got, err := corim.Import(data, o)
			if err != nil {
				if evidence.CodeOf(err) == (evidence.Code{}) {
					t.Fatalf("no code: %v", err)
				}
				continue
			}
			load(t, got.YAML)
		}
	})
}
