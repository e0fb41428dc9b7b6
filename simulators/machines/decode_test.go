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
firmware: {name: edk2-202605}
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
	got, err := machines.Parse("vault.yaml", []byte(complete))
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
	for name, c := range map[string]struct{ text, where string }{
		"nothing":              {"", "f"},
		"no technology":        {"name: a", "f"},
		"two documents":        {head + "---\n" + head, "f"},
		"no YAML":              {"name: [a", "f"},
		"no UTF-8":             {"name: \xff", "f"},
		"too much":             {head + strings.Repeat("#", 1<<20), "f"},
		"a list":               {"- a", "f:1:1"},
		"an unknown key":       {head + "memory: 4", "f:3:1"},
		"a key twice":          {head + "name: b", "f:3:1"},
		"a number as name":     {"name: 1\ntechnology: tpm", "f:1:7"},
		"an empty text":        {head + `command_line: ""`, "f:3:15"},
		"an alias":             {"name: &a b\ntechnology: *a", "f:2:13"},
		"a merge key":          {head + "<<: {vcpus: 1}", "f:3:1"},
		"processors as text":   {head + `vcpus: "2"`, "f:3:8"},
		"a fault alone":        {head + "faults: stale-nonce", "f:3:9"},
		"an artefact as text":  {head + "kernel: linux", "f:3:9"},
		"bytes in the text":    {head + `kernel: {"-": [1]}`, "f:3:10"},
		"enrolled as text":     {head + `tpm: {enrolled: "yes"}`, "f:3:17"},
		"JSON with a bad name": {`{"name": "a", "technology": "tpm", "Name": "b"}`, "f:1:36"},
	} {
		_, err := machines.Parse("f", []byte(c.text))
		var e *evidence.Error
		if !errors.As(err, &e) || e.Code != evidence.CodeConfigMalformed || e.Field != c.where {
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
		s, err := machines.Parse("f", data)
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
		again, err := machines.Parse("f", encoded)
		if diff := cmp.Diff(s, again); err != nil || diff != "" {
			t.Fatalf("%v\n%s\n%s", err, encoded, diff)
		}
	})
}
