package attacks

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestProof builds the service without checks and tries every case on it again:
// see TestProofs. What it builds is a copy of a few files in which a named check can
// be taken away; no such switch stands in the product. Go's build cache keeps it.
//
// Who adds rows may look at one series alone: QUOTARY_PROOF=S go test -v -run TestProof
func TestProof(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the service a second time")
	}
	pattern := "^TestProofs$"
	if only := os.Getenv("QUOTARY_PROOF"); only != "" {
		pattern += "/^" + only + "$"
	}
	command := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", "-vet=off", "-tags=proof",
		"-overlay="+overlay(t), "-run="+pattern, ".")
	output, err := command.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, output)
	} else if testing.Verbose() {
		t.Logf("%s", output)
	}
}

// overlay writes the files with switches, and the list of them that the go command takes.
func overlay(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	replace := map[string]string{}
	for name, edits := range switches {
		path, err := filepath.Abs(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		replace[path] = filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(replace[path], rewritten(t, path, edits), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	encoded, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, encoded, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// edit is a change of a source file, of a text that stands there exactly once.
type edit struct{ old, new string }

// switches are the places where a check can be taken away. Most checks go through
// the first two files; the others stand where a failure ends an examination.
var switches = map[string][]edit{
	"evidence/check.go": {
		{`import "fmt"`, "import (\n\"fmt\"\n\"slices\"\n\"sync/atomic\"\n)\n" +
			"var disabled atomic.Pointer[[]Code]\n" +
			"func Disable(codes ...Code) { disabled.Store(&codes) }\n" +
			"func Disabled(code Code) bool { list := disabled.Load(); return list != nil && slices.Contains(*list, code) }\n"},
		{"	status := Fail\n	if ok {", "	ok = ok || Disabled(code)\n	status := Fail\n	if ok {"},
		{"	*c = append(*c, Check{Code: code, Status: status,", "	if status == Fail && Disabled(code) { status = Pass }\n	*c = append(*c, Check{Code: code, Status: status,"},
	},
	"policies/report.go": {
		{"	status := evidence.Pass\n", "	ok = ok || evidence.Disabled(code)\n	status := evidence.Pass\n"},
		{"	r.pending++\n", "	if evidence.Disabled(code) { return }\n	r.pending++\n"},
	},
	"policies/evaluate.go": {
		{"no evidence of this kind\", func() string { return \"present, but the workload does not mention it\" })\n		r.failed += missingKind",
			"no evidence of this kind\", func() string { return \"present, but the workload does not mention it\" })\n		if !evidence.Disabled(evidence.CodePolicyBundle) { r.failed += missingKind }"},
	},
	"tee/sevsnp/kds.go": {
		{"import (", "import (\n\"github.com/quotary/quotary/evidence\""},
		{"	case cert.SignatureAlgorithm != x509.SHA384WithRSAPSS:", "	case evidence.Disabled(evidence.CodeSNPCertificateProfile):\n	case cert.SignatureAlgorithm != x509.SHA384WithRSAPSS:"},
		{"	if len(k.cert.Extensions) > maxExtensions {", "	if len(k.cert.Extensions) > maxExtensions && !evidence.Disabled(evidence.CodeSNPCertificateProfile) {"},
		{"		if ext.Critical && !known && !isEvaluated(ext.Id) {", "		if ext.Critical && !known && !isEvaluated(ext.Id) && !evidence.Disabled(evidence.CodeSNPCertificateProfile) {"},
		{"	if isVCEK == isVLEK {", "	if isVCEK == isVLEK && !(isVCEK && evidence.Disabled(evidence.CodeSNPCertificateProfile)) {"},
	},
	"tee/sevsnp/chain.go": {
		{"	if err := isAuthority(cert); err != nil {", "	if err := isAuthority(cert); err != nil && !evidence.Disabled(evidence.CodeSNPChain) {"},
		{"	switch {\n	case by.cert.Subject", "	switch {\n	case evidence.Disabled(evidence.CodeSNPChain):\n	case by.cert.Subject"},
		{"child.Signature); err != nil {", "child.Signature); err != nil && !evidence.Disabled(evidence.CodeSNPChain) {"},
	},
	"tee/tpm/chain.go": { // takes the certificates for a chain as they are
		{"	signed := v.signed(between)\n", "	if evidence.Disabled(evidence.CodeTPMAKChain) {\n" +
			"		root := v.anchors[0]\n" +
			"		return &chain{leaf: leaf, issuers: append(slices.Clone(between), root.cert), anchor: root, notBefore: root.cert.NotBefore, notAfter: root.cert.NotAfter}, nil\n" +
			"	}\n	signed := v.signed(between)\n"},
	},
	"tee/tpm/trust.go": {
		{"	if len(leaf.UnhandledCriticalExtensions) > 0 {", "	if evidence.Disabled(evidence.CodeTPMAKExtensions) { leaf.UnhandledCriticalExtensions = nil }\n	if len(leaf.UnhandledCriticalExtensions) > 0 {"},
	},
}

func rewritten(t *testing.T, path string, edits []edit) []byte {
	t.Helper()
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(source)
	for _, e := range edits {
		if strings.Count(text, e.old) != 1 {
			t.Fatalf("%s does not have %q once: adapt the edits of this file", path, e.old)
		}
		text = strings.Replace(text, e.old, e.new, 1)
	}
	return []byte(text)
}
