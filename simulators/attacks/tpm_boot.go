package attacks

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
	simulated "github.com/quotary/quotary/simulators/eventlog"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee/eventlog"
)

// The subjects that boot, and send the log of it.
const (
	tpmLogged = "tpm-logged" // need not send any log
	tpmBooted = "tpm-booted" // asks for what was booted
	tpmFiles  = "tpm-files"  // asks for the files that the kernel measured
)

// The registers of a boot.
const (
	pcrFirmware   = 0
	pcrLoader     = 4
	pcrSecureBoot = 7
	pcrKernel     = 9
	pcrUnused     = 12
)

// theBoot is how the subject of that name boots: a signed unified kernel image.
func theBoot(name string) *simulated.Boot {
	return &simulated.Boot{
		Firmware: []byte(name + "/firmware"), SecureBoot: true,
		PK: signatures(name + "/PK"), KEK: signatures(name + "/KEK"), DB: signatures(name + "/db"), DBX: signatures(name + "/dbx"),
		Image: []byte(name + "/image"), Kernel: []byte(name + "/kernel"), CommandLine: "console=ttyS0 ro", Initrd: []byte(name + "/initrd"),
	}
}

// signatures is a list with one certificate.
func signatures(certificate string) []byte {
	return simulated.SignatureList(simulated.GUIDX509, []byte(certificate))
}

// bootSubjects are the machines that boot.
func bootSubjects(w *simulators.World) ([]Subject, error) {
	var all []Subject
	for _, x := range []struct {
		name  string
		ima   bool
		files int
		pins  []int
		lines func(boot *simulated.Boot, pins string) []string
	}{
		{tpmLogged, true, 2, []int{0, 1, 2, 3, 4, 5, 6, 7}, func(_ *simulated.Boot, pins string) []string { return []string{pcrsOf(pins)} }},
		{tpmBooted, false, 0, []int{0, 1, 2, 3, 6}, bootLines},
		{tpmFiles, true, 3, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, fileLines},
	} {
		boot := theBoot(x.name)
		h, err := newHost(w, x.name, tpm.MachineOptions{Boot: boot, IMA: x.ima}, func(m *tpm.Machine) error { return measureFiles(m, x.files) })
		if err != nil {
			return nil, err
		}
		if x.name == tpmFiles {
			x.pins = slices.DeleteFunc(x.pins, func(n int) bool { return n == 8 }) // which nothing extends
		}
		lines := append([]string{"ak: {sources: [certificate]}"}, x.lines(boot, h.pins(tpm.SHA256, x.pins...))...)
		all = append(all, Subject{Name: x.name, Machine: h, Requires: h.workload(lines...)})
	}
	return all, nil
}

func pcrsOf(pins string) string { return "pcrs: {sha256: {" + pins + "}}" }

// bootLines leave what was booted to the log.
func bootLines(b *simulated.Boot, pins string) []string {
	options := append(simulated.UTF16(b.CommandLine), 0, 0)
	return []string{
		pcrsOf(pins + ", 4: boot, 8: boot, 9: boot, 12: boot"),
		fmt.Sprintf("boot: {secure_boot: {db: [%s]}, images: [%s, %s], maximum_boot_attempts: 1, exited_boot_services: required, load_options: [%s], initrds: [%s]}",
			sum(b.DB[44:]), sum(b.Image), sum(b.Kernel), sum(options), sum(b.Initrd)),
	}
}

// sum is a SHA-256 as policies have it.
func sum(content []byte) string {
	digest := sha256.Sum256(content)
	return hexed(digest[:])
}

// fileLines list the files that were measured.
func fileLines(_ *simulated.Boot, pins string) []string {
	var digests []string
	for n := range 3 {
		digest := fileDigest(filePath(n + 1))
		digests = append(digests, hexed(digest))
	}
	return []string{pcrsOf(pins + ", 8: any"), "ima: {files: [" + strings.Join(digests, ", ") + "]}"}
}

func filePath(n int) string { return fmt.Sprintf("/usr/bin/%d", n) }

// fileDigest is that of what is in the file of this path.
func fileDigest(path string) []byte {
	digest := sha256.Sum256([]byte("content of " + path))
	return digest[:]
}

// measureFiles has the kernel measure that many files.
func measureFiles(m *tpm.Machine, files int) error {
	for n := range files {
		path := filePath(n + 1)
		if err := m.MeasureFile(path, fileDigest(path)); err != nil {
			return err
		}
	}
	return nil
}

// telling attests with the honest quote beside another event log.
func telling(edit func(log *simulated.Builder)) try {
	return tellingRaw(func(log *simulated.Builder) []byte {
		edit(log)
		return log.Encode()
	})
}

// tellingRaw attests with the honest quote beside something else than an event log.
func tellingRaw(write func(log *simulated.Builder) []byte) try {
	return attested(func(_ *Attacker, h host, data []byte) (*evidence.TPM, error) {
		item, err := h.Quote(data)
		if err == nil {
			item.EventLog = write(h.Log())
		}
		return item, err
	})
}

// booting attests as a machine whose boot was another one: its log tells of it, and its
// registers hold what the log leads to.
func booting(edit func(log *simulated.Builder), lies ...func(log *simulated.Builder)) try {
	return attested(func(_ *Attacker, h host, data []byte) (*evidence.TPM, error) {
		log := h.Log()
		edit(log)
		values := h.PCRs()[tpm.SHA256]
		for n, value := range log.Values(eventlog.SHA256) {
			values[n] = value
		}
		quoted, digest := map[int]evidence.Hex{}, sha256.New()
		for n := range 16 {
			quoted[n] = values[n]
			digest.Write(values[n])
		}
		item, err := restate(h.Machine, data, selected(func(i *tpm2.TPMSQuoteInfo) { i.PCRDigest.Buffer = digest.Sum(nil) }))
		if err != nil {
			return nil, err
		}
		for _, lie := range lies {
			lie(log)
		}
		item.PCRs, item.EventLog = evidence.PCRs{tpm.SHA256: quoted}, log.Encode()
		return item, nil
	})
}

// at is where a log has its first event of that register and type, or -1.
func at(log *simulated.Builder, register int, typ eventlog.EventType) int {
	return slices.IndexFunc(log.Entries, func(e simulated.Entry) bool { return e.Register == register && e.Type == typ })
}

// remeasure gives an event other digests and other data.
func remeasure(log *simulated.Builder, n int, measured, data []byte) {
	again := simulated.New(log.Registers, log.Banks...)
	again.Add(log.Entries[n].Register, log.Entries[n].Type, measured, data)
	log.Entries[n] = again.Entries[0]
}

// insertEvent adds an event before another one.
func insertEvent(log *simulated.Builder, n, register int, typ eventlog.EventType, measured, data []byte) {
	more := simulated.New(log.Registers, log.Banks...)
	more.Add(register, typ, measured, data)
	log.Entries = slices.Insert(log.Entries, n, more.Entries[0])
}

// withoutEvents leaves events out.
func withoutEvents(gone func(e simulated.Entry) bool) func(*simulated.Builder) {
	return func(log *simulated.Builder) { log.Entries = slices.DeleteFunc(log.Entries, gone) }
}
