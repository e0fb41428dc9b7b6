package machines_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/machines"
)

// complete is a description with every key.
const complete = `name: vault
technology: sev-snp+tpm
product: Genoa
vlek: example-cloud
firmware: edk2-202605
kernel: {file: vmlinuz}
initrd:
  file: initrd.img
command_line: console=ttyS0 root=/dev/vda
vcpus: 4
vcpu_type: EPYC-Genoa-v2
tpm: {backend: in-process, key: rsa, ek: rsa-3072, bank: sha256, enrolled: true}
ima:
  - {path: /usr/bin/app, content: "1"}
  - path: /usr/bin/other
pinned: true
faults: [stale-nonce]
`

func parsed() machines.Spec {
	return machines.Spec{
		Name: "vault", Technology: machines.SEVSNPTPM, Product: "Genoa", VLEK: "example-cloud",
		Firmware: machines.Artefact{Name: "edk2-202605"}, Kernel: machines.Artefact{File: "vmlinuz"}, Initrd: machines.Artefact{File: "initrd.img"},
		CommandLine: "console=ttyS0 root=/dev/vda", VCPUs: 4, VCPUType: "EPYC-Genoa-v2",
		TPM:    machines.TPMSpec{Backend: machines.InProcess, Key: "rsa", EK: "rsa-3072", Bank: "sha256", Enrolled: true},
		IMA:    []machines.File{{Path: "/usr/bin/app", Content: "1"}, {Path: "/usr/bin/other"}},
		Pinned: true,
		Faults: []string{"stale-nonce"},
	}
}

// TestParse reads a description in YAML, and again in the JSON that it is written as.
func TestParse(t *testing.T) {
	got, err := machines.Parse([]byte(complete))
	if diff := cmp.Diff(parsed(), got); err != nil || diff != "" {
		t.Fatalf("%v\n%s", err, diff)
	}
	encoded, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var again machines.Spec
	if err := json.Unmarshal(encoded, &again); err != nil {
		t.Fatalf("%v: %s", err, encoded)
	}
	if diff := cmp.Diff(got, again); diff != "" {
		t.Error(diff)
	}
}

// TestParseRefuses says where in the text the fault is.
func TestParseRefuses(t *testing.T) {
	const head = "name: a\ntechnology: tpm\n"
	for name, c := range map[string]struct{ text, where, words string }{
		"nothing":              {"", "", "no description"},
		"a comment":            {"# nothing\n", "", "no description"},
		"two documents":        {head + "---\n" + head, "", "more than one"},
		"no YAML":              {"name: [a", "", "not valid YAML"},
		"no UTF-8":             {"name: \xff", "", "UTF-8"},
		"too much":             {head + strings.Repeat("#", 1<<20), "", "at most"},
		"a list":               {"- a", "line 1, column 1", "a machine is a mapping"},
		"an unknown key":       {head + "memory: 4", "line 3, column 1", `"memory"`},
		"a key twice":          {head + "name: b", "line 3, column 1", "twice"},
		"no technology":        {"name: a", "line 1, column 1", "technology"},
		"a number as name":     {"name: 1\ntechnology: tpm", "line 1, column 7", "text"},
		"an empty text":        {head + `command_line: ""`, "line 3, column 15", "text"},
		"a null":               {head + "kernel:", "line 3, column 8", "text"},
		"an anchor":            {"name: &a b\ntechnology: tpm", "line 1, column 7", "anchors"},
		"an alias":             {"name: &a b\ntechnology: *a", "line 1, column 7", "anchors"},
		"a merge key":          {head + "<<: {vcpus: 1}", "line 3, column 1", `"<<"`},
		"a tag":                {"name: !!str a\ntechnology: tpm", "line 1, column 7", "tags"},
		"processors as text":   {head + `vcpus: "2"`, "line 3, column 8", "number"},
		"no processors":        {head + "vcpus: 0", "line 3, column 8", "number"},
		"a fraction":           {head + "vcpus: 1.5", "line 3, column 8", "number"},
		"hex":                  {head + "vcpus: 0x2", "line 3, column 8", "number"},
		"an empty list":        {head + "faults: []", "line 3, column 9", "list"},
		"a fault alone":        {head + "faults: stale-nonce", "line 3, column 9", "list"},
		"too many faults":      {head + "faults: [" + strings.Repeat("a,", 17) + "]", "line 3, column 9", "at most"},
		"a file without path":  {head + "ima: [{content: a}]", "line 3, column 7", "path"},
		"an artefact of both":  {head + "kernel: {file: a, name: b}", "line 3, column 19", `"name"`},
		"an artefact of none":  {head + "kernel: {}", "line 3, column 9", "file"},
		"a TPM as text":        {head + "tpm: swtpm", "line 3, column 6", "mapping"},
		"enrolled as text":     {head + "tpm: {enrolled: yes}", "line 3, column 17", "true or false"},
		"JSON with a bad name": {`{"name": "a", "technology": "tpm", "Name": "b"}`, "line 1, column 36", `"Name"`},
	} {
		_, err := machines.Parse([]byte(c.text))
		var e *evidence.Error
		if !errors.As(err, &e) || e.Code != evidence.CodeConfigMalformed || e.Field != c.where || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLoad reads the files that a description names, and no others.
func TestLoad(t *testing.T) {
	s := parsed()
	loaded, err := s.Load(func(name string) ([]byte, error) { return []byte("content of " + name), nil })
	if err != nil || string(loaded.Kernel.Data) != "content of vmlinuz" || string(loaded.Initrd.Data) != "content of initrd.img" || loaded.Firmware.Data != nil {
		t.Errorf("%+v, %v", loaded, err)
	}
	if s.Kernel.Data != nil {
		t.Error("the description itself was changed")
	}
	if _, err := s.Load(func(string) ([]byte, error) { return nil, fs.ErrNotExist }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without files: %v", err)
	}
}

// FuzzParse: whatever a description says, it can be written as JSON and says the same then.
func FuzzParse(f *testing.F) {
	f.Add([]byte(complete))
	f.Add([]byte(`{"name": "a", "technology": "azure-tdx", "ima": [{"path": "/a"}]}`))
	f.Add([]byte("name: &a b\ntechnology: *a\n? [x]\n: y"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := machines.Parse(data)
		if err != nil {
			if evidence.CodeOf(err) != evidence.CodeConfigMalformed {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		encoded, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := machines.Parse(encoded)
		if diff := cmp.Diff(s, again); err != nil || diff != "" {
			t.Fatalf("%v\n%s\n%s", err, encoded, diff)
		}
	})
}
