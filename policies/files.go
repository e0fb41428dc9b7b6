package policies

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// File is a file of policy documents. Name stands in messages only.
type File struct {
	Name string
	Data []byte
}

// ReadFiles reads policy files. A path is a file, or a directory whose *.yaml,
// *.yml, *.dsse.json and *.cose files are read, without hidden ones (.NAME), which are of
// other programs, and those of directories below.
// The files come sorted by name, and are text: a COSE_Sign1 message in CBOR comes as PEM. It fails on the first file that cannot be read and on
// more than [MaxFiles] files or [MaxTotalSize] bytes.
func ReadFiles(paths ...string) ([]File, error) {
	var names []string
	for _, path := range paths {
		found, err := policyFiles(path)
		if err != nil {
			return nil, err
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > MaxFiles {
		return nil, evidence.Errorf(evidence.CodePolicyTooLarge, names[MaxFiles], "a policy has at most %d files, found %d", MaxFiles, len(names))
	}
	files := make([]File, len(names))
	total := 0
	for i, name := range names {
		data, err := readBounded(name)
		if err != nil {
			return nil, err
		}
		if total += len(data); total > MaxTotalSize {
			return nil, evidence.Errorf(evidence.CodePolicyTooLarge, name, "the files of a policy have at most %d bytes together", MaxTotalSize)
		}
		files[i] = File{Name: name, Data: armoured(data)}
	}
	return files, nil
}

// policyFiles returns path, or the policy files in it if it is a directory.
func policyFiles(path string) ([]string, error) {
	path = filepath.Clean(path)
	info, err := os.Stat(path)
	if err != nil {
		return nil, evidence.Errorf(evidence.CodePolicyUnreadable, path, "cannot read the policy: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, evidence.Errorf(evidence.CodePolicyUnreadable, path, "cannot read the policy: %w", err)
	}
	var names []string
	for _, entry := range entries {
		name := filepath.Join(path, entry.Name())
		if _, ok := FileStem(name); !ok || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		// Follow symbolic links: mounted configuration is often made of them.
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			continue
		}
		names = append(names, name)
	}
	return names, nil
}

// FileStem returns the name of a policy file without its suffix: .yaml, .yml, and
// for signed files .dsse.json and .cose. ok is false for other files, which
// [ReadFiles] passes over in directories.
func FileStem(name string) (stem string, ok bool) {
	for _, suffix := range []string{".yaml", ".yml", ".dsse.json", ".cose"} {
		if stem, ok = strings.CutSuffix(name, suffix); ok {
			return stem, true
		}
	}
	return "", false
}

func readBounded(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, evidence.Errorf(evidence.CodePolicyUnreadable, name, "cannot read the policy: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, MaxFileSize+1))
	if err != nil {
		return nil, evidence.Errorf(evidence.CodePolicyUnreadable, name, "cannot read the policy: %w", err)
	}
	if len(data) > MaxFileSize {
		return nil, evidence.Errorf(evidence.CodePolicyTooLarge, name, "a policy file has at most %d bytes", MaxFileSize)
	}
	return data, nil
}
