package store_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
	"github.com/quotary/quotary/tee/endorsements/store"
)

// filled is a store on a directory that holds the baseline, a key's certificate
// and a document.
func filled(t *testing.T, s *service, dir string, change ...func(*store.Config)) (h *harness, contents [][]byte) {
	t.Helper()
	key := s.keyOf("A/01", epoch)
	document := s.document("00806f050000", 3, epoch.Add(-day), epoch.Add(29*day))
	s.offer(keyName("A/01"), key.Raw)
	s.offer(docName("00806f050000"), document)
	h = open(t, s, append(change, func(c *store.Config) { c.Dir = dir })...)
	h.fetched(issuerA, keyName("A/01"), crl, docName("00806f050000"))
	synctest.Wait() // until all is written
	return h, [][]byte{s.issuer("A", epoch.AddDate(-1, 0, 0)).Raw, key.Raw, s.list5().Raw, document}
}

// What was fetched is there after a restart, with its dates, and is renewed when
// it would have been.
func TestRestart(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		dir := filepath.Join(t.TempDir(), "made", "for it")
		h, contents := filled(t, s, dir)
		time.Sleep(time.Hour)
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		before := h.Status()
		time.Sleep(10 * time.Hour)
		s.requests()
		h = open(t, s, func(c *store.Config) { c.Dir = dir })
		h.serves(contents...)
		h.fetched(issuerA, keyName("A/01"), crl, docName("00806f050000"))
		for i, status := range h.Status() {
			was := before[i]
			if status.Name.Type != "key" && (!status.Fetched.Equal(was.Fetched) || !status.Checked.Equal(was.Checked)) || status.Sequence != was.Sequence || status.State != was.State {
				t.Errorf("%+v\nwas %+v", status, was)
			}
			if status.Name == crl && status.Next.Sub(was.Next).Abs() > time.Minute {
				t.Errorf("next look at %v, not %v", status.Next, was.Next)
			}
		}
		stop := h.run()
		time.Sleep(11 * time.Hour)
		if n := s.requests(); n != 2 { // the list and the document
			t.Errorf("%d requests", n)
		}
		stop()
		if events := h.heard(); len(events) != 0 {
			t.Errorf("told of %v", events)
		}
		if d := h.Directory(); d.Path != dir || d.Err != nil || len(d.Unusable) != 0 {
			t.Errorf("%+v", d)
		}
	})
}

// The directory is what endorsements.Load reads.
func TestDirectoryIsReadable(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		dir := t.TempDir()
		h, _ := filled(t, s, dir)
		h.Close()
		e, _, err := endorsements.Load(dir)
		if err != nil || e.Len() != 4 {
			t.Errorf("%d entries, %v", e.Len(), err)
		}
		for _, name := range filesIn(t, dir) {
			if !fileForm.MatchString(name) {
				t.Errorf("a file %q", name)
			}
		}
	})
}

// Only what is in force, or kept for what it revoked, has a file.
func TestDirectoryForgetsWhatWasReplaced(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		dir := t.TempDir()
		h, _ := filled(t, s, dir, func(c *store.Config) { c.MaxEntries = 4 })
		next := s.list(6, epoch, epoch.AddDate(1, 0, 0), 1000, 7)
		h.Import(heap(next))
		if fileOf(t, dir, s.list5().Raw) != "" || fileOf(t, dir, next.Raw) == "" {
			t.Error("the old list has a file, or the new one none")
		}
		other := s.keyOf("A/02", epoch)
		h.Import(heap(other))
		if n := len(filesIn(t, dir)); n != 4+2 || fileOf(t, dir, other.Raw) == "" {
			t.Errorf("%d files", n)
		}
	})
}

// TestAttack_S34_ForgedFiles: nothing in the directory is trusted, and nothing that
// is wrong with it keeps the store from opening. Wrong files are left alone.
func TestAttack_S34_ForgedFiles(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		dir := t.TempDir()
		h, contents := filled(t, s, dir)
		h.Close()
		stranger := newStranger(t)
		good, err := os.ReadFile(fileOf(t, dir, contents[1]))
		if err != nil {
			t.Fatal(err)
		}
		flipped := bytes.Clone(contents[3])
		flipped[30] ^= 1
		wrong := map[string][]byte{
			"forged.der":     stranger.list(99, epoch, epoch.AddDate(9, 0, 0)).Raw,
			"forged-key.pem": pemOf(stranger.issuer("A", epoch), stranger.keyOf("A/03", epoch)),
			"future.der":     s.list(50, epoch.Add(day), epoch.AddDate(9, 0, 0)).Raw,
			"older.der":      s.list(2, epoch.Add(-5*day), epoch.AddDate(9, 0, 0)).Raw,
			"empty":          nil, "text": []byte("hello"), "large": make([]byte, endorsements.MaxFile+1),
			"truncated.pem": good[:len(good)/2], "flipped.json": flipped,
			"archive.tgz": {0x1f, 0x8b, 8},
		}
		for name, content := range wrong {
			write(t, dir, name, content)
		}
		if err := errors.Join(os.Mkdir(filepath.Join(dir, "directory"), 0o755), os.Symlink("/etc/passwd", filepath.Join(dir, "link")),
			syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644)); err != nil {
			t.Fatal(err)
		}
		write(t, dir, filepath.Base(fileOf(t, dir, contents[2])), []byte("corrupt")) // the list's own file
		h = open(t, s, func(c *store.Config) { c.Dir = dir })
		h.serves(contents[0], contents[1], contents[3])
		unusable := map[string]string{}
		for _, u := range h.Directory().Unusable {
			unusable[u.Name] = u.Note
		}
		for name := range wrong {
			if unusable[name] == "" {
				t.Errorf("%s is not reported", name)
			}
		}
		if len(unusable) != len(wrong)+4 {
			t.Errorf("reported: %v", unusable)
		}
		h.fetched(crl)
		h.serves(contents...)
		h.Close()
		for name, content := range wrong {
			if left, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(left, content) {
				t.Errorf("%s was touched: %v", name, err)
			}
		}
		h = open(t, s, func(c *store.Config) { c.Dir = dir })
		h.serves(contents...) // the list's file was written anew
	})
}

func write(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// A state file that cannot be used has no say and is set aside; what is held is a
// floor by itself.
func TestCorruptState(t *testing.T) {
	for name, content := range map[string]string{
		"empty": "", "not JSON": "{", "another version": `{"version":2,"names":[]}`, "unknown member": `{"version":1,"names":[],"x":1}`,
		"twice": `{"version":1,"version":1,"names":[]}`, "negative": `{"version":1,"names":[{"type":"crl","id":"root","sequence":-1}]}`,
		"deep": strings.Repeat("[", 10_000), "null": `{"version":1,"names":null}`,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				dir := t.TempDir()
				h, contents := filled(t, s, dir)
				h.Close()
				write(t, dir, "state.json", []byte(content))
				h = open(t, s, func(c *store.Config) { c.Dir = dir })
				h.serves(contents...)
				if d := h.Directory(); len(d.Unusable) != 1 || d.Unusable[0].Name != "state.json" {
					t.Errorf("%+v", d)
				}
				if report, _ := h.Import(heap(s.list(4, epoch.Add(-9*day), epoch.AddDate(1, 0, 0), 1000))); len(report.Refused) != 1 {
					t.Errorf("%+v", report)
				}
				stop := h.run()
				time.Sleep(25 * time.Hour)
				stop()
				if d := h.Directory(); d.Err != nil || len(d.Unusable) != 0 {
					t.Errorf("%+v", d)
				}
				aside, err := os.ReadFile(filepath.Join(dir, "state.json.unusable"))
				if err != nil || string(aside) != content {
					t.Errorf("not set aside: %q, %v", aside, err)
				}
				if now, _ := os.ReadFile(filepath.Join(dir, "state.json")); !json.Valid(now) || !bytes.Contains(now, []byte(`"sequence": 5`)) {
					t.Errorf("state %s", now)
				}
			})
		})
	}
}

// While the disk is full, or cannot be written, the store works from memory, says
// so, and writes when it can.
func TestFullDisk(t *testing.T) {
	for _, operation := range []string{"lock", "write", "sync", "remove"} {
		t.Run(operation, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				dir := t.TempDir()
				h, contents := filled(t, s, dir)
				time.Sleep(time.Second)
				h.fail(syscall.ENOSPC, operation)
				next := s.list(6, epoch, epoch.AddDate(1, 0, 0), 1000, 7)
				s.offer(crl, next.Raw)
				if report, err := h.Import(heap(next)); err != nil || len(report.Added) != 1 {
					t.Fatalf("%+v, %v", report, err)
				}
				contents[2] = next.Raw
				h.serves(contents...)
				d := h.Directory()
				if evidence.CodeOf(d.Err) != evidence.CodeEndorsementStore || !errors.Is(d.Err, syscall.ENOSPC) || h.Counters().DirectoryFailures != 1 {
					t.Errorf("%+v", d)
				}
				if fileOf(t, dir, s.list5().Raw) == "" {
					t.Error("the old one was removed before the new one was there")
				}
				h.Import(heap(s.keyOf("A/05", epoch)))
				if n := count(h.heard(), evidence.CodeEndorsementStore); n != 1 {
					t.Errorf("told %d times", n)
				}
				h.fail(nil)
				stop := h.run()
				time.Sleep(time.Second)
				stop()
				if d := h.Directory(); d.Err != nil || fileOf(t, dir, next.Raw) == "" || fileOf(t, dir, s.list5().Raw) != "" {
					t.Errorf("not written when it was possible: %+v", d)
				}
			})
		})
	}
}

func count(events []store.Event, code evidence.Code) (n int) {
	for _, e := range events {
		if evidence.CodeOf(e.Err) == code {
			n++
		}
	}
	return n
}

// A store whose last write failed says so when it is closed; one that cannot be
// read is not opened.
func TestDirectoryErrors(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		h, _ := filled(t, s, t.TempDir())
		h.fail(syscall.EROFS, "lock")
		h.Import(heap(s.keyOf("A/05", epoch)))
		if err := h.Close(); !errors.Is(err, syscall.EROFS) {
			t.Error(err)
		}
		file := filepath.Join(t.TempDir(), "file")
		write(t, filepath.Dir(file), "file", nil)
		for _, dir := range []string{file, filepath.Join(file, "below")} {
			if _, err := store.Open(store.Config{Dir: dir}); evidence.CodeOf(err) != evidence.CodeEndorsementStore {
				t.Errorf("%s: %v", dir, err)
			}
		}
	})
}

// Two processes on one directory take over each other's, and neither loses or
// rolls back what the other has.
func TestTwoStoresOnOneDirectory(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		dir := t.TempDir()
		one, contents := filled(t, s, dir)
		two := open(t, s, func(c *store.Config) { c.Dir = dir })
		two.serves(contents...)

		lists := []*harness{two, one, two, two, one}
		for n, h := range lists {
			contents[2] = s.list(int64(10+n), epoch, epoch.AddDate(1, 0, 0), 1000).Raw
			h.Import(heap(contents[2]))
		}
		for _, h := range []*harness{one, two} {
			if err := h.Reload(); err != nil {
				t.Fatal(err)
			}
			h.serves(contents...)
		}
		two.Import(heap(s.list(12, epoch, epoch.AddDate(1, 0, 0), 1000))) // which one had before it was superseded
		one.fail(syscall.EIO, "write")
		contents[2] = s.list(20, epoch, epoch.AddDate(1, 0, 0), 1000).Raw
		two.Import(heap(contents[2]))
		one.Import(heap(s.list(19, epoch, epoch.AddDate(1, 0, 0), 1000))) // and cannot write it
		one.Reload()
		one.serves(contents...)
		one.fail(nil)
		one.Close()
		two.Close()
		again := open(t, s, func(c *store.Config) { c.Dir = dir })
		again.serves(contents...)
		if n := len(filesIn(t, dir)); n != 4+2 {
			t.Errorf("files %v", filesIn(t, dir))
		}
	})
}

// Many writers at once, over a real clock: all is there in the end.
func TestStoresAtOnce(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	from := time.Now().Add(-day)
	issuer := w.issuer("A", epoch.AddDate(-1, 0, 0))
	var all sync.WaitGroup
	for n := range 4 {
		s, err := store.Open(store.Config{Dir: dir, Offline: true, Vendors: []store.Vendor{{Name: "v", BaseURL: "https://kds.example", Endorser: endorser{root: w.root}}}})
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer s.Close()
			for round := range 10 {
				s.Import(heap(issuer, w.list(int64(10*round+n), from, from.AddDate(1, 0, 0)), w.keyOf("A/"+string(rune('a'+n))+string(rune('a'+round)), epoch)))
				if err := s.Reload(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	s, err := store.Open(store.Config{Dir: dir, Vendors: []store.Vendor{{Name: "v", BaseURL: "https://kds.example", Endorser: endorser{root: w.root}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	e := s.Endorsements()
	if lists := e.RevocationLists(); len(e.Certificates()) != 41 || len(lists) != 1 || lists[0].Number.Int64() != 93 {
		t.Errorf("%d certificates, lists %v", len(e.Certificates()), lists)
	}
	if n := len(filesIn(t, dir)); n != 42+2 {
		t.Errorf("%d files", n)
	}
}

// A write waits for another process's for a while, and is made up for if that
// takes longer.
func TestLockedDirectory(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		dir := t.TempDir()
		h, _ := filled(t, s, dir)
		lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		key := s.keyOf("A/05", epoch)
		h.Import(heap(key))
		if waited := time.Since(began); waited < time.Second || waited > 3*time.Second || evidence.CodeOf(h.Directory().Err) != evidence.CodeEndorsementStore {
			t.Errorf("waited %v, %v", waited, h.Directory().Err)
		}
		lock.Close()
		if err := h.Close(); err != nil || fileOf(t, dir, key.Raw) == "" {
			t.Errorf("not written in the end: %v", err)
		}
	})
}

// A clock of 1970 at the start admits nothing. Nothing is lost: what is there is
// taken in when the clock is right.
func TestAttack_B19_StartWithAWrongClock(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		dir := t.TempDir()
		h, contents := filled(t, s, dir)
		h.Close()
		c := &clock{}
		c.jump(-30 * 366 * day)
		h = open(t, s, func(config *store.Config) { config.Dir, config.Now = dir, c.now })
		h.serves()
		h.Close()
		h = open(t, s, func(config *store.Config) { config.Dir = dir })
		h.serves(contents...)
	})
}

// Files that an operator puts there are as good as any.
func TestFilesOfTheOperator(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		dir := t.TempDir()
		h := open(t, s, func(c *store.Config) { c.Dir, c.Offline = dir, true })
		issuer, key := s.issuer("A", epoch.AddDate(-1, 0, 0)), s.keyOf("A/01", epoch)
		write(t, dir, "all.der", slices.Concat(key.Raw, issuer.Raw, s.list5().Raw))
		stop := h.run()
		time.Sleep(2 * time.Minute)
		stop()
		h.serves(issuer.Raw, key.Raw, s.list5().Raw)
		h.fetched(issuerA, keyName("A/01"), crl)
		var names []tee.EndorsementName
		for _, e := range h.heard() {
			names = append(names, e.Name)
		}
		if len(names) != 3 {
			t.Errorf("told of %v", names)
		}
		os.Remove(filepath.Join(dir, "all.der"))
		h.Close()
		h = open(t, s, func(c *store.Config) { c.Dir, c.Offline = dir, true })
		h.serves(issuer.Raw, key.Raw, s.list5().Raw)
	})
}

// A directory with more than the store may hold, or with something that the code of
// a technology does not bear, does not keep the store from opening.
func TestAttack_D08_CrowdedDirectory(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		dir := t.TempDir()
		for n := range 40 {
			write(t, dir, fmt.Sprintf("%02d", n), s.keyOf(fmt.Sprintf("A/%02d", n), epoch).Raw)
		}
		write(t, dir, "00-issuer", pemOf(s.issuer("A", epoch.AddDate(-1, 0, 0))))
		h := open(t, s, func(c *store.Config) { c.Dir, c.Offline, c.MaxEntries = dir, true, 10 })
		if c, d := h.Counters(), h.Directory(); c.Entries != 10 || len(d.Unusable) == 0 || d.Unusable[0].Name != "." {
			t.Errorf("%+v, %+v", c, d)
		}
		h.Close()
		h = open(t, s, func(c *store.Config) {
			c.Dir, c.Offline, c.Vendors[0].Endorser = dir, true, endorser{panics: true}
		})
		if h.serves(); len(h.Directory().Unusable) == 0 {
			t.Error("nothing is reported")
		}
	})
}
