package ima_test

import (
	"bytes"
	"crypto"
	"crypto/sha1"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/ima"
)

// boot is a list with a bit of everything that a kernel measures.
func boot() []entry {
	buffer := buffer(".ima", "a certificate")
	elsewhere := file("/etc/passwd", "passwd")
	elsewhere.pcr = 11
	return []entry{
		file(ima.AggregateName, "the PCRs"), file("/usr/bin/init", "init"), signed("/usr/bin/sh", "sh", []byte("\x03\x02signature")),
		violation("/var/log/messages"), buffer, elsewhere, file("/usr/bin/init", "another init"),
	}
}

func TestBoot(t *testing.T) {
	list := boot()
	files, unread, violations := vouched(t, encode(list...), pcr10(crypto.SHA256, list...))
	want := []evidence.IMAFile{
		{Path: ima.AggregateName, Algorithm: "sha256", Digest: contents("the PCRs")},
		{Path: "/usr/bin/init", Algorithm: "sha256", Digest: contents("init")},
		{Path: "/usr/bin/sh", Algorithm: "sha256", Digest: contents("sh"), Signature: []byte("\x03\x02signature")},
		{Path: "/usr/bin/init", Algorithm: "sha256", Digest: contents("another init")},
	}
	if diff := cmp.Diff(want, files); diff != "" || unread != 0 || violations != 1 {
		t.Errorf("unread %d, violations %d, %s", unread, violations, diff)
	}
}

// TestEntries reads what is in each entry, and where it is.
func TestEntries(t *testing.T) {
	entries, offset := boot(), 0
	raw := encode(entries...)
	for i, got := range parse(t, raw).Entries {
		want := entries[i]
		if got.Offset != offset || got.PCR != int(want.pcr) || got.Template != want.template || !bytes.Equal(got.Data, want.data()) || got.Violation() != want.violation {
			t.Errorf("entry %d: %+v", i, got)
		}
		if digest := sha1.Sum(want.data()); !want.violation && !bytes.Equal(got.TemplateDigest, digest[:]) {
			t.Errorf("entry %d: template digest %x", i, got.TemplateDigest)
		}
		offset += len(want.append(nil))
	}
	if offset != len(raw) {
		t.Errorf("%d bytes of %d were read", offset, len(raw))
	}
}

// TestFields reads the fields of every template.
func TestFields(t *testing.T) {
	const path = "/usr/bin/true"
	digest := contents("true")
	dng, name := digestField("sha256", digest), nameField(path)
	plain := evidence.IMAFile{Path: path, Algorithm: "sha256", Digest: digest}
	withSignature := plain
	withSignature.Signature = []byte("\x03signature")
	verity := plain
	verity.Algorithm = "verity:sha256"
	veritySigned := verity
	veritySigned.Signature = []byte("\x06signature")
	type row struct {
		template string
		fields   [][]byte
		want     evidence.IMAFile
	}
	rows := []row{
		{"ima-ng", [][]byte{dng, name}, plain},
		{"d-ng|n-ng", [][]byte{dng, name}, plain},
		{"ima-sig", [][]byte{dng, name, nil}, plain},
		{"ima-sig", [][]byte{dng, name, []byte("\x03signature")}, withSignature},
		{"ima-sig", [][]byte{dng, name, []byte("\x05signature of EVM")}, plain},
		{"d-ng|n-ng|sig", [][]byte{dng, name, []byte("\x03signature")}, withSignature},
		{"ima-ngv2", [][]byte{digestField("ima:sha256", digest), name}, plain},
		{"ima-ngv2", [][]byte{digestField("verity:sha256", digest), name}, verity},
		{"ima-sigv2", [][]byte{digestField("verity:sha256", digest), name, []byte("\x06signature")}, veritySigned},
		{"ima-modsig", [][]byte{dng, name, nil, dng, []byte("PKCS#7")}, plain},
		{"ima-modsig", [][]byte{dng, name, []byte("\x03signature"), nil, nil}, withSignature},
		{"evm-sig", [][]byte{dng, name, []byte("\x05x"), []byte("security.ima\x00"), []byte("\x01\x00\x00\x00"), []byte("x"), make([]byte, 4), make([]byte, 4), make([]byte, 2)}, plain},
		{"ima-cgpath", [][]byte{dng, name, nil}, plain},
		{"unknown", [][]byte{dng, name, []byte("something"), []byte("else")}, plain},
		{"unknown", [][]byte{dng, name, []byte("\x03signature")}, withSignature},
		{"ima-buf", [][]byte{dng, name, nil}, plain},
		{"a-buffer-and-more", [][]byte{dng, name, []byte("true"), nil}, plain},
		{"ima-buf", [][]byte{dng, name, []byte("something else than the digest is of")}, plain},
	}
	for _, algorithm := range []string{"sha1", "sha224", "sha384", "sha512", "md5", "sm3", "sm3-256", "sha3-256", "streebog512", "rmd160", "wp512"} {
		size := map[string]int{"md5": 16, "sha1": 20, "sha224": 28, "sha384": 48, "rmd160": 20, "sha512": 64, "streebog512": 64, "wp512": 64}[algorithm]
		if size == 0 {
			size = 32
		}
		long := bytes.Repeat([]byte{7}, size)
		rows = append(rows, row{"ima-ng", [][]byte{digestField(algorithm, long), name}, evidence.IMAFile{Path: path, Algorithm: algorithm, Digest: long}})
	}
	for _, r := range rows {
		e := entry{pcr: ima.PCR, template: r.template, fields: r.fields}
		files, unread, violations := vouched(t, encode(e), pcr10(crypto.SHA256, e))
		if diff := cmp.Diff([]evidence.IMAFile{r.want}, files); diff != "" || unread != 0 || violations != 0 {
			t.Errorf("%s of %q: unread %d, violations %d, %s", r.template, r.fields, unread, violations, diff)
		}
	}
}

// TestUnread has entries that lead to PCR 10, but name no file in a way that is known.
func TestUnread(t *testing.T) {
	dng, name := digestField("sha256", contents("x")), nameField("/x")
	for what, fields := range map[string][][]byte{
		"no fields":                       {},
		"one field":                       {dng},
		"an unknown algorithm":            {digestField("ascon-hash256", make([]byte, 32)), name},
		"no algorithm":                    {digestField("", make([]byte, 20)), name},
		"an algorithm in capitals":        {digestField("SHA256", make([]byte, 32)), name},
		"an algorithm with a space":       {digestField("sha256 ", make([]byte, 32)), name},
		"an unknown type":                 {digestField("elf:sha256", make([]byte, 32)), name},
		"two types":                       {digestField("ima:verity:sha256", make([]byte, 32)), name},
		"two types, the other way round":  {digestField("verity:ima:sha256", make([]byte, 32)), name},
		"a type alone":                    {digestField("ima:", make([]byte, 32)), name},
		"a digest of another size":        {digestField("sha256", make([]byte, 20)), name},
		"an empty digest":                 {digestField("sha256", nil), name},
		"a digest and more":               {append(bytes.Clone(dng), 0), name},
		"a digest alone":                  {contents("x"), name},
		"a digest of SHA-1 alone":         {make([]byte, 20), name},
		"no null behind the algorithm":    {append([]byte("sha256:"), bytes.Repeat([]byte{7}, 32)...), name},
		"a typed digest of another size":  {digestField("ima:sha256", make([]byte, 31)), name},
		"a digest before which is a name": {name, dng},
		"two digests":                     {dng, digestField("sha256", contents("y")), name},
		"an empty name":                   {dng, nameField("")},
		"no name":                         {dng, nil},
		"a name without a null":           {dng, []byte("/x")},
		"two names in one":                {dng, []byte("/x\x00/y\x00")},
		"a name with two nulls":           {dng, []byte("/x\x00\x00")},
		"a name of more than PATH_MAX":    {dng, nameField(strings.Repeat("x", 4096))},
	} {
		e, after := entry{pcr: ima.PCR, template: "ima-ng", fields: fields}, file("/after", "after")
		files, unread, violations := vouched(t, encode(e, after), pcr10(crypto.SHA256, e, after))
		if len(files) != 1 || files[0].Path != "/after" || unread != 1 || violations != 0 {
			t.Errorf("%s: %v, unread %d, violations %d", what, files, unread, violations)
		}
	}
}

// TestPassedOver has entries that are about no file, or that PCR 10 does not vouch for.
func TestPassedOver(t *testing.T) {
	hashed := buffer("selinux-policy-hash", string(contents("a policy")))
	elsewhere := file("/etc/passwd", "passwd")
	elsewhere.pcr = 11
	for what, e := range map[string]entry{
		"a key": buffer(".ima", "a certificate"), "a command line": buffer("kexec-cmdline", "root=/dev/sda"),
		"a buffer's digest": hashed, "another register": elsewhere,
	} {
		after := file("/after", "after")
		files, unread, violations := vouched(t, encode(e, after), pcr10(crypto.SHA256, e, after))
		if len(files) != 1 || files[0].Path != "/after" || unread+violations != 0 {
			t.Errorf("%s: %v, unread %d, violations %d", what, files, unread, violations)
		}
		if list := parse(t, encode(after, e, e)); list.Others(2) != 1 || list.Others(4) != 2 || list.Others(-1) != 0 {
			t.Errorf("%s: %d others", what, list.Others(2))
		}
	}
}

// original is an entry of the first template.
func original(digest []byte, name string, pcr uint32) (raw, measured []byte) {
	measured = append(slices.Clone(digest), name...)
	measured = append(measured, make([]byte, 256-len(name))...)
	sum := sha1.Sum(measured)
	raw = binary.LittleEndian.AppendUint32(nil, pcr)
	raw = append(raw, sum[:]...)
	raw = append(raw, "\x03\x00\x00\x00ima"...)
	raw = append(raw, digest...)
	raw = binary.LittleEndian.AppendUint32(raw, uint32(len(name)))
	return append(raw, name...), measured
}

// TestOriginalTemplate reads entries of the template "ima", which has no length of its
// data, and is measured with the name filled up to 256 bytes.
func TestOriginalTemplate(t *testing.T) {
	digest := make([]byte, 20)
	digest[0] = 7
	for _, name := range []string{"/bin/sh", strings.Repeat("x", 255)} {
		raw, measured := original(digest, name, ima.PCR)
		after := file("/after", "after")
		h := crypto.SHA256.New()
		h.Write(measured)
		sum := h.Sum(nil)
		h.Reset()
		h.Write(make([]byte, 32))
		h.Write(sum)
		register := after.extend(h.Sum(nil), crypto.SHA256)
		files, unread, violations := vouched(t, after.append(raw), register)
		want := []evidence.IMAFile{
			{Path: name, Algorithm: "sha1", Digest: digest},
			{Path: "/after", Algorithm: "sha256", Digest: contents("after")},
		}
		if diff := cmp.Diff(want, files); diff != "" || unread+violations != 0 {
			t.Errorf("unread %d, violations %d, %s", unread, violations, diff)
		}
		for cut := 1; cut < len(raw); cut++ {
			refused(t, raw[:cut])
		}
	}
	tooLong, _ := original(digest, strings.Repeat("x", 256), ima.PCR)
	refused(t, tooLong)
	withNull, _ := original(digest, "/bin/sh\x00x", ima.PCR)
	refused(t, withNull)
}

// TestIncremental replays a list in two parts: what PCR 10 held after the first is
// where the second begins.
func TestIncremental(t *testing.T) {
	for _, bank := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		list := boot()
		whole, middle := pcr10(bank, list...), pcr10(bank, list[:3]...)
		for from, start := range map[int][]byte{0: nil, 3: middle} {
			rest := parse(t, encode(list[from:]...))
			covered, ok := rest.Replay(start, bank).Find(whole)
			if !ok || covered != len(rest.Entries) {
				t.Errorf("%v from entry %d: %d entries lead to PCR 10, %v", bank, from, covered, ok)
			}
		}
		if covered, ok := parse(t, encode(list...)).Replay(nil, bank).Find(middle); !ok || covered != 3 {
			t.Errorf("%v: %d entries lead to the value after three, %v", bank, covered, ok)
		}
		if covered, ok := parse(t, nil).Replay(whole, bank).Find(whole); !ok || covered != 0 {
			t.Errorf("%v: without new entries %d, %v", bank, covered, ok)
		}
	}
}

// TestWrongSizes finds nothing for values that are of another bank, or none.
func TestWrongSizes(t *testing.T) {
	list := parse(t, encode(boot()...))
	for what, r := range map[string]*ima.Replay{
		"a short start":    list.Replay(make([]byte, 20), crypto.SHA256),
		"an empty start":   list.Replay([]byte{}, crypto.SHA256),
		"no bank":          list.Replay(nil, 0),
		"an unknown bank":  list.Replay(nil, crypto.BLAKE2b_256),
		"another register": list.Replay(nil, crypto.SHA256),
	} {
		for _, register := range [][]byte{nil, {}, make([]byte, 20), make([]byte, 31), make([]byte, 33), contents("x"), make([]byte, 64)} {
			if covered, ok := r.Find(register); ok {
				t.Errorf("%s: %x after %d entries", what, register, covered)
			}
		}
	}
}

func TestClaimsBounds(t *testing.T) {
	list := parse(t, encode(boot()...))
	if files, unread, violations := list.Claims(-1); files != nil || unread+violations != 0 {
		t.Errorf("of less than no entries: %v", files)
	}
	all, _, _ := list.Claims(len(list.Entries))
	if more, _, _ := list.Claims(len(list.Entries) + 1); !cmp.Equal(all, more) {
		t.Error("more entries than there are")
	}
}

// TestRepeated names a file once for each content and signature.
func TestRepeated(t *testing.T) {
	list := []entry{file("/a", "a"), signed("/a", "a", nil), signed("/a", "a", []byte("\x031")), signed("/a", "a", []byte("\x032")), file("/a", "a"), file("/b", "a"), file("/a", "b")}
	files, _, _ := parse(t, encode(list...)).Claims(len(list))
	var got []string
	for _, f := range files {
		got = append(got, f.Path+" "+f.Digest.String()[:2]+" "+string(f.Signature))
	}
	a, b := evidence.Hex(contents("a")).String()[:2], evidence.Hex(contents("b")).String()[:2]
	want := []string{"/a " + a + " ", "/a " + a + " \x031", "/a " + a + " \x032", "/b " + a + " ", "/a " + b + " "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestBootAggregate follows ima_calc_boot_aggregate_tfm: PCRs 0 to 9, of SHA-1 0 to 7.
func TestBootAggregate(t *testing.T) {
	for bank, last := range map[crypto.Hash]int{crypto.SHA1: 7, crypto.SHA256: 9, crypto.SHA384: 9, crypto.SHA512: 9} {
		pcrs := map[int]evidence.Hex{}
		h := bank.New()
		for n := range 24 {
			pcrs[n] = bytes.Repeat([]byte{byte(n)}, bank.Size())
			if n <= last {
				h.Write(pcrs[n])
			}
		}
		if got, ok := ima.BootAggregate(bank, pcrs); !ok || !bytes.Equal(got, h.Sum(nil)) {
			t.Errorf("%v: %x, %v", bank, got, ok)
		}
		for n := range last + 1 {
			value := pcrs[n]
			for _, wrong := range []evidence.Hex{nil, value[1:]} {
				pcrs[n] = wrong
				if got, ok := ima.BootAggregate(bank, pcrs); ok {
					t.Errorf("%v without PCR %d: %x", bank, n, got)
				}
			}
			pcrs[n] = value
		}
	}
	if _, ok := ima.BootAggregate(0, nil); ok {
		t.Error("the aggregate of no bank")
	}
}

func TestFirstAggregate(t *testing.T) {
	aggregate := file(ima.AggregateName, "PCRs")
	bank, digest, ok := parse(t, encode(aggregate, file("/a", "a"))).FirstAggregate()
	if !ok || bank != crypto.SHA256 || !bytes.Equal(digest, contents("PCRs")) {
		t.Errorf("%v %x %v", bank, digest, ok)
	}
	elsewhere := aggregate
	elsewhere.pcr = 11
	odd := aggregate
	odd.fields = [][]byte{digestField("sm3", make([]byte, 32)), nameField(ima.AggregateName)}
	for what, list := range map[string][]entry{
		"nothing":          nil,
		"a file":           {file("/a", "a"), aggregate},
		"a violation":      {violation(ima.AggregateName)},
		"another register": {elsewhere},
		"no bank":          {odd},
		"a buffer":         {buffer(ima.AggregateName, "PCRs")},
		"a path":           {file("/"+ima.AggregateName, "PCRs")},
	} {
		if _, _, ok := parse(t, encode(list...)).FirstAggregate(); ok {
			t.Errorf("%s is taken for it", what)
		}
	}
}
