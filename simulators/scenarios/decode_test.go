package scenarios_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/scenarios"
)

const whole = `name: whole
title: everything that a scenario can say
about: for people
seed: mine
service: {fetch: true, faults: [amd-kds/dead]}
machines:
  - {name: web, technology: sev-snp}
  - {name: builder, technology: tpm, tpm: {enrolled: true}}
policy:
  machines: [web]
  documents:
    - {name: builder.yaml, text: "any_of: [${requirement builder}]"}
steps:
  - {attest: web, expect: accepted, workload: web, spiffe_id: "spiffe://sim.test/web"}
  - {relay: web, expect: refused, codes: [binding.report-data]}
  - {enrol: builder, expect: accepted}
  - {grant: {machines: [builder]}, expect: accepted}
  - extend: {machine: builder, register: pcr8, data: something}
  - reboot: builder
  - {inject: snp-debug, on: [web]}
  - {inject: pck-revoked, on: [web]}
  - clear: snp-debug
  - travel: 36h
  - refresh: true
  - restart: true
`

func TestParse(t *testing.T) {
	s, err := scenarios.Parse("whole.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "whole" || s.Seed != "mine" || len(s.Machines) != 2 || len(s.Steps) != 12 || !s.Service.Fetch {
		t.Errorf("%+v", s)
	}
}

// What could never be run is an error that says where.
func TestParseRefuses(t *testing.T) {
	for _, test := range []struct{ old, new, where string }{
		{"name: whole", "nmae: whole", "1:1"},
		{"name: whole\n", "", "1:1"},
		{"name: web, technology: sev-snp", "name: web", "7:5"},
		{"name: builder, technology: tpm", "name: web, technology: tpm", "8:12"},
		{"name: builder, technology: tpm", "name: builder, technology: [tpm]", "8:33"},
		{"amd-kds/dead", "amd-kds/tired", "5:33"},
		{"amd-kds/dead", "pck-revoked", "5:33"},
		{"  machines: [web]", "  machines: [wbe]", "10:14"},
		{"requirement builder", "requirement gone", "12:34"},
		{"name: builder.yaml, ", "", "12:7"},
		{"attest: web", "attest: wbe", "14:14"},
		{"attest: web", "attest: web, reboot: web", "14:5"},
		{"attest: web, expect", "expect", "14:5"},
		{"expect: accepted, workload: web", "workload: web", "14:5"},
		{"expect: accepted, workload: web", "expect: ok, workload: web", "14:27"},
		{"expect: refused, codes: [binding.report-data]", "expect: refused", "15:26"},
		{"expect: refused, codes: [binding.report-data]", "expect: accepted, codes: [binding.report-data]", "15:26"},
		{"[binding.report-data]", "[binding.nothing]", "15:43"},
		{"enrol: builder, expect: accepted", "enrol: builder, expect: accepted, workload: web", "16:30"},
		{"grant: {machines: [builder]}", "grant: {machines: []}", "17:13"},
		{"grant: {machines: [builder]}", "grant: {machines: [gone]}", "17:25"},
		{"machine: builder, register", "machine: gone, register", "18:13"},
		{"reboot: builder", "{reboot: builder, expect: accepted}", "19:31"},
		{"reboot: builder", "{reboot: builder, on: [web]}", "19:27"},
		{"inject: snp-debug", "inject: snp-bug", "20:14"},
		{"inject: snp-debug, on: [web]", "inject: snp-debug, on: [gone]", "20:30"},
		{"travel: 36h", "travel: tomorrow", "23:13"},
		{"travel: 36h", "travel: 9999999d", "23:13"},
		{"travel: 36h", "travel: 0s", "23:13"},
		{"refresh: true", "refresh: false", "24:5"},
		{"steps:", "steps: []\nsteps:", "14:1"},
	} {
		if !strings.Contains(whole, test.old) {
			t.Fatalf("%q is not in the scenario", test.old)
		}
		_, err := scenarios.Parse("f", []byte(strings.Replace(whole, test.old, test.new, 1)))
		if evidence.CodeOf(err) != evidence.CodeConfigMalformed || !strings.Contains(err.Error(), "f:"+test.where+":") {
			t.Errorf("%q: %v, want one at f:%s", test.new, err, test.where)
		}
	}
	for _, source := range []string{"", "a: &a [*a]", "\xff", "name: x\ntitle: y\n", strings.Repeat("#", 2<<20)} {
		if _, err := scenarios.Parse("f", []byte(source)); evidence.CodeOf(err) != evidence.CodeConfigMalformed {
			t.Errorf("%.20q: %v", source, err)
		}
	}
}

// Each scenario's file has its name, so that it is found by either.
func TestLibraryNames(t *testing.T) {
	all, err := scenarios.Library()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("library/*.yaml")
	if err != nil || len(files) != len(all) {
		t.Fatalf("%d files, %d scenarios, %v", len(files), len(all), err)
	}
	for _, s := range all {
		if !slices.Contains(files, filepath.Join("library", s.Name+".yaml")) {
			t.Errorf("%s stands in a file of another name", s.Name)
		}
	}
}

// FuzzParse begins with the scenarios that come along.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("library/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(whole))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := scenarios.Parse("f", data)
		if err != nil && evidence.CodeOf(err) != evidence.CodeConfigMalformed {
			t.Errorf("an error without its code: %v", err)
		}
		if err == nil && (len(s.Steps) == 0 || len(s.Machines) == 0) {
			t.Errorf("a scenario in which nothing can happen: %+v", s)
		}
	})
}
