package policies

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// listIMAFiles is the list of digests of files, in workloads and reference values.
const listIMAFiles = "files"

// imaRequirement is what a kernel's measurement list must show. A nil requirement
// asks for no list.
type imaRequirement struct {
	files      *values // digests, by SHA-256, SHA-384 or SHA-512
	keys       imaKeys
	except     []string // beginnings of paths below which any file may be
	violations bool     // files may have been open for writing
	unread     bool     // entries may be of forms that are not known
	aggregate  bool     // the list need not begin with the digest of the boot
	want       string
}

func imaSpec() valueSpec {
	key := "ima." + listIMAFiles
	return valueSpec{key: key, size: pcrBanks["sha256"], sizes: strongerDigests, reference: key, technology: evidence.KindTPM}
}

// readIMA reads ima; a nil node gives nil.
func (l *loader) readIMA(s source, n *yaml.Node, a *alternative) *imaRequirement {
	f := s.mapping(n, "ima")
	if f == nil {
		return nil
	}
	q := &imaRequirement{files: l.readValues(s, f.take(listIMAFiles), imaSpec()), keys: s.readIMAKeys(f.take("keys"))}
	if f.values[listIMAFiles] == nil && f.values["keys"] == nil {
		s.problem(n, evidence.CodePolicyMissingKey, "ima needs files or keys: say which files a machine may have read")
	}
	if q.files == nil { // what is known to be bad is so whoever signed it
		q.files = l.anyValue(imaSpec())
	}
	q.readExceptions(f, a)
	waive := func(key, strict, lax, relaxed string) bool {
		waived := s.word(f.take(key), "ima."+key, []string{strict, lax}) == lax
		if waived {
			a.relax("tpm.ima." + relaxed)
		}
		return waived
	}
	q.violations = waive("violations", "forbid", "allow", "violations")
	q.unread = waive("unread", "forbid", "allow", "unread")
	q.aggregate = waive("boot_aggregate", bitRequired, anyWord, "boot-aggregate.any")
	f.done()
	q.want = q.describe()
	return q
}

// readExceptions reads the folders whose files do not count.
func (q *imaRequirement) readExceptions(f *fields, a *alternative) {
	n := f.take("except_paths")
	q.except = f.texts(n, "ima.except_paths")
	if len(q.except) > maxIMAExceptions {
		f.problem(n, evidence.CodePolicyTooLarge, "ima.except_paths has more than %d entries", maxIMAExceptions)
	}
	for _, prefix := range q.except {
		if !isFolder(prefix) {
			f.problem(n, evidence.CodePolicyValue, "ima.except_paths: %q is no folder such as /var/log/", clip(prefix))
		}
		a.relax("tpm.ima.except." + prefix)
	}
}

// isFolder reports whether prefix is an absolute path with a slash at its end, and
// not all there is.
func isFolder(prefix string) bool {
	return len(prefix) > 2 && strings.HasPrefix(prefix, "/") && strings.HasSuffix(prefix, "/") && isPlainPath(prefix)
}

// isPlainPath reports whether path has no step that leads elsewhere than it seems.
func isPlainPath(path string) bool {
	return !strings.Contains(path, "/../") && !strings.Contains(path, "/./") && !strings.Contains(path, "//") &&
		!strings.HasSuffix(path, "/..") && !strings.HasSuffix(path, "/.")
}

func (q *imaRequirement) describe() string {
	var parts []string
	if q.files != nil && !q.files.any {
		parts = append(parts, q.files.want)
	}
	if n := len(q.keys.byID); n > 0 {
		parts = append(parts, "signed by "+q.keys.want)
	}
	text := "nothing but files that are " + strings.Join(parts, " or ")
	if len(q.except) > 0 {
		text += ", and any below " + join(q.except)
	}
	return text
}

// readIMALists reads the lists of reference values.
func (s source) readIMALists(n *yaml.Node, v *referenceValues) {
	f := s.mapping(n, "ima")
	if f == nil {
		return
	}
	s.readList(f.need(listIMAFiles, "list digests of files"), imaSpec(), v)
	f.done()
}
