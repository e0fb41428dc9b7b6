// Package evidencetest gives tests the collection of real evidence: items from
// public hardware with their endorsements and the verdict that each must get.
// The collection is not part of this repository. Tests that use it skip, and
// say so, where it is absent.
//
// It is looked for in $QUOTARY_EVIDENCE, and else in ../shared/evidence beside
// the repository. Start at [Items].
package evidencetest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// EnvDir is the environment variable that names the collection's folder.
const EnvDir = "QUOTARY_EVIDENCE"

// manifestName is the file that makes a folder the collection.
const manifestName = "manifest.json"

// Item is one piece of evidence of the collection.
type Item struct {
	// Kind is the collection's word for what it is: "snp", "tdx", "tpm",
	// "azure-hcl", "sgx", "nvidia", "nitro", "eventlog", "ccel", "ima",
	// "collateral-amd" or "collateral-intel".
	Kind     string           `json:"kind"`
	Name     string           `json:"name"`
	What     string           `json:"what"`
	Folder   string           `json:"dir"`      // relative to the collection
	Files    map[string]int64 `json:"files"`    // name, relative to Folder, to size in bytes
	Conclude string           `json:"conclude"` // the verdict in words
	Notes    string           `json:"notes"`
	Fields   json.RawMessage  `json:"fields"`   // what the evidence says of itself; absent for some
	Observed json.RawMessage  `json:"observed"` // what independent checks found; absent for some
	Cases    []Case           `json:"cases"`    // empty where no machine can judge it

	root string
}

// Case is one verdict on an [Item]: at this time, with these endorsements.
type Case struct {
	At           time.Time    `json:"at"` // zero where time does not matter
	Endorsements Endorsements `json:"endorsements"`
	// Genuine is nil where it cannot be decided (an endorsement is missing), or
	// where it was not judged as a whole (composite evidence).
	Genuine *bool  `json:"genuine"`
	Why     string `json:"why"`

	// TDX and SGX only: what Intel's algorithm gives. "no matching level" is the
	// collection's platform status where TCBStatus is "NotSupported".
	TCBStatus            string   `json:"tcb_status"`
	PlatformStatus       string   `json:"platform_status"`
	ModuleStatus         string   `json:"module_status"`
	QEStatus             string   `json:"qe_status"`
	Advisories           []string `json:"advisories"`
	EvaluationDataNumber *uint32  `json:"evaluation_data_number"`
}

// Endorsements names what a case is judged with: a list of files, or one folder.
type Endorsements []string

// UnmarshalJSON reads a list of names or a single one.
func (e *Endorsements) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err == nil {
		*e = Endorsements{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(e))
}

// Dir returns the collection's folder. It skips the test if there is none.
func Dir(tb testing.TB) string {
	tb.Helper()
	dir, err := find()
	if err != nil {
		tb.Skipf("the collection of real evidence is not here (%v); set %s to its folder", err, EnvDir)
	}
	return dir
}

// Present reports whether the collection is here, for fuzz targets, which do
// without its seeds where it is not.
func Present() bool {
	_, err := find()
	return err == nil
}

// find returns the collection's folder, or an error that says where it was sought.
func find() (string, error) {
	if dir := os.Getenv(EnvDir); dir != "" {
		return dir, isCollection(dir)
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(filepath.Dir(root), "shared", "evidence")
	return dir, isCollection(dir)
}

func isCollection(dir string) error {
	_, err := os.Stat(filepath.Join(dir, manifestName))
	return err
}

// moduleRoot walks up from the working directory, which for a test is its
// package's folder, to the folder that holds go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod above the working directory")
		}
		dir = parent
	}
}

// Items returns the whole collection, of the named kinds only if there are any,
// in the manifest's order. It skips the test if the collection is absent.
func Items(tb testing.TB, kinds ...string) []Item {
	tb.Helper()
	root := Dir(tb)
	data, err := os.ReadFile(filepath.Join(root, manifestName))
	if err != nil {
		tb.Fatal(err)
	}
	var items []Item
	if err := json.Unmarshal(data, &items); err != nil {
		tb.Fatalf("%s: %v", manifestName, err)
	}
	for i := range items {
		items[i].root = root
	}
	if len(kinds) == 0 {
		return items
	}
	return slices.DeleteFunc(items, func(i Item) bool { return !slices.Contains(kinds, i.Kind) })
}

// Find returns the item with this name. It skips the test if the collection is
// absent and fails it if the item is.
func Find(tb testing.TB, name string) Item {
	tb.Helper()
	for _, item := range Items(tb) {
		if item.Name == name {
			return item
		}
	}
	tb.Fatalf("the collection has no item %q", name)
	return Item{}
}

// Dir returns the item's folder.
func (i Item) Dir() string { return filepath.Join(i.root, filepath.FromSlash(i.Folder)) }

// Path returns the path of one of the item's files.
func (i Item) Path(name string) string { return filepath.Join(i.Dir(), filepath.FromSlash(name)) }

// Has reports whether the manifest lists a file of this name.
func (i Item) Has(name string) bool {
	_, ok := i.Files[name]
	return ok
}

// Read returns the contents of one of the item's files.
func (i Item) Read(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(i.Path(name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// EndorsementFiles returns the paths of the case's endorsements, folders
// expanded, sorted. It is empty where the case has none.
func (i Item) EndorsementFiles(tb testing.TB, c Case) []string {
	tb.Helper()
	var files []string
	for _, name := range c.Endorsements {
		files = append(files, i.expand(tb, name)...)
	}
	slices.Sort(files)
	return files
}

// expand returns the files that name stands for: itself, or the files of the
// folder of that name. A recorded set of collateral may go by its bare date.
func (i Item) expand(tb testing.TB, name string) []string {
	tb.Helper()
	path := i.Path(name)
	info, err := os.Stat(path)
	if os.IsNotExist(err) {
		path = i.Path("collateral-" + strings.TrimSuffix(name, "/"))
		info, err = os.Stat(path)
	}
	if err != nil {
		tb.Fatal(err)
	}
	if !info.IsDir() {
		return []string{path}
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		tb.Fatal(err)
	}
	var files []string
	for _, entry := range entries {
		if entry.Type().IsRegular() {
			files = append(files, filepath.Join(path, entry.Name()))
		}
	}
	return files
}
