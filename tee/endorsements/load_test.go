package endorsements

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
)

func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, data, 0o644))
	return path
}

func tarOf(t *testing.T, headers []tar.Header, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(content))
		}
		h.Mode = 0o644
		must(t, w.WriteHeader(&h))
		if h.Typeflag == tar.TypeReg {
			_, err := w.Write(content)
			must(t, err)
		}
	}
	must(t, w.Close())
	return b.Bytes()
}

func gzipOf(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	must(t, err)
	must(t, w.Close())
	return b.Bytes()
}

func zipOf(t *testing.T, name string, mode os.FileMode, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: name, Method: zip.Deflate}
	h.SetMode(mode)
	f, err := w.CreateHeader(h)
	must(t, err)
	_, err = f.Write(content)
	must(t, err)
	must(t, w.Close())
	return b.Bytes()
}

func regular(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name} }

func TestLoadDirectory(t *testing.T) {
	pki := newPKI(t)
	dir := t.TempDir()
	write(t, dir, "a.txt", pki.leaf) // names mean nothing
	write(t, dir, "deep/er/b", []byte(certPEM(pki.root)))
	write(t, dir, "c.der", []byte(tcbInfo))
	write(t, dir, "README", []byte("these are endorsements"))
	write(t, dir, "d.bin", zipOf(t, "x/crl", 0o644, pki.crl))
	must(t, os.Symlink("/etc", filepath.Join(dir, "link")))

	e, report, err := Load(dir)
	must(t, err)
	if e.Len() != 4 || len(report.Recognised) != 4 || len(report.Unrecognised) != 2 {
		t.Errorf("%d entries; report %+v", e.Len(), report)
	}
	for _, want := range []string{"README", "link"} {
		if !strings.Contains(report.Unrecognised[0].Name+report.Unrecognised[1].Name, want) {
			t.Errorf("%s is not reported: %+v", want, report.Unrecognised)
		}
	}
}

func TestLoadArchives(t *testing.T) {
	pki := newPKI(t)
	plain := tarOf(t, []tar.Header{{Typeflag: tar.TypeDir, Name: "set/"}, regular("set/vcek"), regular("./ark")}, pki.root)
	for name, data := range map[string][]byte{
		"tar": plain, "tar.gz": gzipOf(t, plain), "zip": zipOf(t, "set/vcek", 0o644, pki.root),
	} {
		e, report, err := Load(write(t, t.TempDir(), "bundle", data))
		must(t, err)
		if e.Len() != 1 || !strings.Contains(report.Recognised[0].Name, "bundle: set/vcek") {
			t.Errorf("%s: %d entries, %+v", name, e.Len(), report)
		}
	}
}

func TestLoadRefusesHostileArchives(t *testing.T) {
	pki := newPKI(t)
	good := regular("good")
	link := func(typ byte) tar.Header { return tar.Header{Typeflag: typ, Name: "link", Linkname: "/etc/passwd"} }
	for name, test := range map[string]struct {
		data []byte
		why  string
	}{
		"symbolic link":      {tarOf(t, []tar.Header{good, link(tar.TypeSymlink)}, pki.root), "link or special"},
		"hard link":          {tarOf(t, []tar.Header{good, link(tar.TypeLink)}, pki.root), "link or special"},
		"device":             {tarOf(t, []tar.Header{good, {Typeflag: tar.TypeChar, Name: "null"}}, pki.root), "link or special"},
		"traversal":          {tarOf(t, []tar.Header{good, regular("a/../../b")}, pki.root), "outside of itself"},
		"absolute":           {tarOf(t, []tar.Header{good, regular("/b")}, pki.root), "outside of itself"},
		"truncated":          {tarOf(t, []tar.Header{good, regular("b")}, pki.root)[:1536], "EOF"},
		"zip link":           {zipOf(t, "link", 0o777|os.ModeSymlink, []byte("/etc/passwd")), "link or special"},
		"zip traversal":      {zipOf(t, "../b", 0o644, pki.root), "outside of itself"},
		"gzip bomb":          {gzipOf(t, tarOf(t, []tar.Header{good}, make([]byte, MaxFile))), "times its size"},
		"zip bomb":           {zipOf(t, "b", 0o644, make([]byte, MaxFile)), "times its size"},
		"member too large":   {tarOf(t, []tar.Header{regular("b")}, make([]byte, MaxFile+1)), "larger than"},
		"archive in archive": {tarOf(t, []tar.Header{regular("b.tar")}, tarOf(t, []tar.Header{good}, pki.root)), "in a form that is known"},
		"cut zip":            {zipOf(t, "b", 0o644, pki.root)[:100], "zip"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "archive", test.data)
			_, report, err := Load(dir)
			if evidence.CodeOf(err) != evidence.CodeEndorsementsNone {
				t.Fatalf("got %v, %+v", err, report)
			}
			if note := report.Unrecognised[0].Note; !strings.Contains(note, test.why) {
				t.Errorf("got reason %q, want one with %q", note, test.why)
			}
		})
	}
}

func TestLoadBounds(t *testing.T) {
	pki := newPKI(t)
	t.Run("files", func(t *testing.T) {
		headers := make([]tar.Header, MaxFiles+1)
		for i := range headers {
			headers[i] = regular("x")
		}
		_, _, err := Load(write(t, t.TempDir(), "many.tar", tarOf(t, headers, []byte("x"))))
		if evidence.CodeOf(err) != evidence.CodeEndorsementTooLarge {
			t.Error(err)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		dir := t.TempDir()
		path := write(t, dir, "big", make([]byte, MaxFile-1))
		paths := make([]string, MaxTotal/MaxFile+1)
		for i := range paths {
			paths[i] = path
		}
		if _, _, err := Load(paths...); evidence.CodeOf(err) != evidence.CodeEndorsementTooLarge {
			t.Error(err)
		}
	})
	t.Run("depth", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, strings.Repeat("d/", MaxDirectoryDepth+2)+"f", pki.root)
		if _, _, err := Load(dir); evidence.CodeOf(err) != evidence.CodeEndorsementTooLarge {
			t.Error(err)
		}
	})
	t.Run("one large file is left out", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, "big", make([]byte, MaxFile+1))
		write(t, dir, "root", pki.root)
		e, report, err := Load(dir)
		must(t, err)
		if e.Len() != 1 || len(report.Unrecognised) != 1 {
			t.Errorf("%d entries, %+v", e.Len(), report)
		}
	})
}

func TestLoadErrors(t *testing.T) {
	if _, _, err := Load(filepath.Join(t.TempDir(), "absent")); !os.IsNotExist(unwrap(err)) {
		t.Errorf("an absent path: got %v", err)
	}
	_, _, err := Load(t.TempDir())
	if evidence.CodeOf(err) != evidence.CodeEndorsementsNone || !strings.Contains(err.Error(), "auxiliary") {
		t.Errorf("an empty directory: got %v", err)
	}
}

func unwrap(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok {
		return u.Unwrap()
	}
	return err
}

func TestLoadCertificates(t *testing.T) {
	real, simulated := newPKI(t), testPKI{}.make(t, "SIMULATED TPM root")
	dir := t.TempDir()
	write(t, dir, "roots.pem", []byte(certPEM(real.root)+certPEM(simulated.root)+crlPEM(real.crl)))
	write(t, dir, "again.der", real.root)
	anchors, err := LoadCertificates(dir)
	must(t, err)
	if len(anchors) != 2 || anchors[0].Origin != evidence.OriginSimulated {
		t.Fatalf("got %d anchors, %v", len(anchors), anchors)
	}
	for _, a := range AsConfigured(anchors) {
		want := evidence.OriginConfigured
		if bytes.Equal(a.DER, simulated.root) {
			want = evidence.OriginSimulated
		}
		if a.Origin != want {
			t.Errorf("got %s, want %s", a.Origin, want)
		}
	}
	if anchors[0].Origin != evidence.OriginSimulated {
		t.Error("AsConfigured changed its argument")
	}

	write(t, dir, "leaf", real.leaf)
	if _, err := LoadCertificates(dir); evidence.CodeOf(err) != evidence.CodeTrustAnchorUnsuitable {
		t.Errorf("a leaf as trust anchor: got %v", err)
	}
	if _, err := LoadCertificates(write(t, t.TempDir(), "crl", real.crl)); evidence.CodeOf(err) != evidence.CodeEndorsementsNone {
		t.Errorf("a CRL as trust anchor: got %v", err)
	}
}
