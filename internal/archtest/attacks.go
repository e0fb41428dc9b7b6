package archtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Attack is one known attack, an entry of docs/attacks.yaml. It has either tests
// that show it to fail, or a reason why there are none.
type Attack struct {
	ID    string `yaml:"id"`    // S07
	Title string `yaml:"title"` // what the attacker does
	Must  string `yaml:"must"`  // what has to be checked against it
	Where string `yaml:"where"` // what is attacked, one of places

	// Tests are test functions with their folder, and "/case" where one case of a
	// function is meant: "tee/tdx.TestAttack_Quote/T03_Version3".
	Tests         []string `yaml:"tests"`
	NotApplicable string   `yaml:"not_applicable"` // why the product has nothing to attack here
	Missing       string   `yaml:"missing"`        // what is not there yet
}

// Series is a group of attacks, with ids from 01 to Rows.
type Series struct {
	Letter string
	Title  string
	Rows   int
}

// AllSeries lists the series of docs/attacks.yaml.
func AllSeries() []Series {
	return []Series{
		{"S", "SEV-SNP", 51},
		{"T", "TDX", 50},
		{"P", "TPM and event logs", 39},
		{"B", "freshness, binding, relay", 24},
		{"K", "tokens", 24},
		{"A", "certificates and issuance", 28},
		{"D", "API, parsers, resources", 26},
		{"Y", "policy and administration", 20},
		{"H", "storage and operation", 12},
		{"U", "build and supply chain", 8},
	}
}

// places are what attacks are on.
var places = []string{"evidence", "collateral", "log", "binding", "token", "certificate", "api", "resource", "policy", "storage", "build"}

// ReadAttacks decodes a list of attacks strictly: one document, no unknown or
// doubled keys.
func ReadAttacks(source []byte) ([]Attack, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(source))
	decoder.KnownFields(true)
	var rows []Attack
	if err := decoder.Decode(&rows); err != nil {
		return nil, err
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("behind the list: %v, want the end", err)
	}
	return rows, nil
}

// Attacks holds a list of attacks to the tests: each id of series has one
// complete entry, in order; each test named in it is there and carries the id;
// and each test of the tree that carries an id is listed with it, as is each test
// of an attack.
func Attacks(t Tree, series []Series, rows []Attack) []Violation {
	out := complete(series, rows)
	listed := map[string]bool{} // by id and test, and by test alone
	for _, row := range rows {
		for _, test := range row.Tests {
			folder, function, _ := splitTest(test)
			listed[row.ID+" "+folder+"."+function], listed[folder+"."+function] = true, true
			if what := t.faultOf(row.ID, test); what != "" {
				out = append(out, attackFault(row.ID, what))
			}
		}
	}
	known := idsOf(series)
	for _, dir := range t.Dirs() {
		for _, f := range t.tests(dir) {
			test := dir + "." + f.Name.Name
			for _, id := range rowIDs(f.Name.Name) {
				if slices.Contains(known, id) && !listed[id+" "+test] {
					out = append(out, attackFault(id, "does not list "+test))
				}
			}
			if strings.HasPrefix(f.Name.Name, "TestAttack_") && !listed[test] {
				out = append(out, attackFault(test, "is listed with no attack"))
			}
		}
	}
	return out
}

// complete reports ids without entry, entries without id, and what entries lack.
func complete(series []Series, rows []Attack) (out []Violation) {
	var ids []string
	for _, row := range rows {
		ids = append(ids, row.ID)
		if what := row.fault(); what != "" {
			out = append(out, attackFault(row.ID, what))
		}
	}
	known := idsOf(series)
	for _, id := range known {
		if !slices.Contains(ids, id) {
			out = append(out, attackFault(id, "has no entry"))
		}
	}
	if len(out) == 0 && !slices.Equal(ids, known) {
		out = append(out, attackFault("docs/attacks.yaml", "entries are doubled, unknown or not in order"))
	}
	return out
}

// fault says what is wrong with an entry by itself, if anything is.
func (a Attack) fault() string {
	given := 0
	for _, has := range []bool{len(a.Tests) > 0, a.NotApplicable != "", a.Missing != ""} {
		if has {
			given++
		}
	}
	seen := slices.Compact(slices.Sorted(slices.Values(a.Tests)))
	switch {
	case a.Title == "" || strings.HasSuffix(a.Title, "."):
		return "has no title, or one with a full stop"
	case !slices.Contains(places, a.Where):
		return "is on " + a.Where + ", which is none of " + strings.Join(places, ", ")
	case given != 1:
		return "has not exactly one of tests, not_applicable and missing"
	case len(seen) != len(a.Tests):
		return "names a test twice"
	case a.Must == "":
		return "does not say what must be checked"
	}
	for _, sentence := range []string{a.Must, a.NotApplicable, a.Missing} {
		if sentence != "" && (!strings.HasSuffix(sentence, ".") || strings.Contains(sentence, ". ")) {
			return "says something in not exactly one sentence"
		}
	}
	return ""
}

// faultOf says what is wrong with a test that the entry of id names.
func (t Tree) faultOf(id, test string) string {
	folder, function, part := splitTest(test)
	switch {
	case !t.hasTest(folder, function, part):
		return "names " + test + ", which is not there"
	case !slices.Contains(rowIDs(function+"/"+part), id):
		return "names " + test + ", which does not carry the id"
	}
	return ""
}

func attackFault(id, what string) Violation { return Violation{"attacks are tested", id, what} }

// splitTest cuts "folder.TestFunction/case".
func splitTest(test string) (folder, function, part string) {
	folder, rest, _ := strings.Cut(test, ".")
	function, part, _ = strings.Cut(rest, "/")
	return folder, function, part
}

func idsOf(series []Series) (ids []string) {
	for _, s := range series {
		for n := range s.Rows {
			ids = append(ids, fmt.Sprintf("%s%02d", s.Letter, n+1))
		}
	}
	return ids
}

// rowID is the form of an id: S07.
var rowID = regexp.MustCompile(`^[A-Z]\d\d$`)

// rowIDs lists the ids that a test's name carries.
func rowIDs(name string) (ids []string) {
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return r == '_' || r == '/' || r == ' ' }) {
		if rowID.MatchString(word) {
			ids = append(ids, word)
		}
	}
	return ids
}
