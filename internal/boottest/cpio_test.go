package boottest_test

import (
	"bytes"
	"testing"

	"github.com/quotary/quotary/internal/boottest"
)

// The archive of a folder and a file, byte by byte.
func TestArchive(t *testing.T) {
	const want = "070701" + "00000001" + "000041ed" + "00000000" + "00000000" + "00000002" + "00000000" + "00000000" +
		"00000000" + "00000000" + "00000000" + "00000000" + "00000004" + "00000000" + "dev\x00\x00\x00" +
		"070701" + "00000002" + "000021b6" + "00000000" + "00000000" + "00000001" + "00000000" + "00000000" +
		"00000000" + "00000000" + "00000005" + "00000001" + "0000000c" + "00000000" + "dev/console\x00\x00\x00" +
		"070701" + "00000003" + "000081ed" + "00000000" + "00000000" + "00000001" + "00000000" + "00000005" +
		"00000000" + "00000000" + "00000000" + "00000000" + "00000005" + "00000000" + "init\x00\x00" + "hello\x00\x00\x00" +
		"070701" + "00000004" + "00000000" + "00000000" + "00000000" + "00000001" + "00000000" + "00000000" +
		"00000000" + "00000000" + "00000000" + "00000000" + "0000000b" + "00000000" + "TRAILER!!!\x00\x00\x00\x00"
	got := boottest.Archive(
		boottest.File{Name: "dev", Mode: boottest.Directory | 0o755},
		boottest.File{Name: "dev/console", Mode: boottest.Character | 0o666, Major: 5, Minor: 1},
		boottest.File{Name: "init", Mode: boottest.Regular | 0o755, Data: []byte("hello")},
	)
	if !bytes.Equal(got, []byte(want)) {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}
