package tpm_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/eventlog"
	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/eventlog"
	"github.com/quotary/quotary/tee/tpm"
)

// judge verifies an item under the vendor's root and returns what was claimed.
func judge(t *testing.T, vendor *simulator.Vendor, item *evidence.TPM, earlier *tee.KeyState) tee.Outcome {
	t.Helper()
	verifier, err := tpm.New(tpm.Options{Roots: []tee.Anchor{vendor.Anchor()}})
	if err != nil {
		t.Fatal(err)
	}
	var endorsements tee.Endorsements
	if err := vendor.Endorsements(&endorsements); err != nil {
		t.Fatal(err)
	}
	out := verifier.Verify(item, &endorsements, tee.Params{Now: now, Earlier: func(evidence.Digest) *tee.KeyState { return earlier }})
	if !out.Genuine() {
		t.Errorf("not genuine: %v", out.Checks.Failed())
	}
	return out
}

func quote(t *testing.T, m *simulator.Machine) *evidence.TPM {
	t.Helper()
	item, err := m.Quote([]byte("nonce"))
	if err != nil {
		t.Fatal(err)
	}
	return item
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// boot is a boot of a unified kernel image under secure boot.
func boot(commandLine string) *simulated.Boot {
	return &simulated.Boot{
		SecureBoot: true, PK: simulated.SignatureList(simulated.GUIDX509, []byte("owner")),
		DB:    simulated.SignatureList(simulated.GUIDX509, []byte("distribution")),
		DBX:   simulated.SignatureList(simulated.GUIDSHA256, bytes.Repeat([]byte{1}, 32)),
		Image: []byte("image"), Kernel: []byte("kernel"), CommandLine: commandLine, Initrd: []byte("initrd"),
	}
}

// TestBoot reads the boot out of the machine's evidence.
func TestBoot(t *testing.T) {
	vendor := newVendor(t, "a")
	for _, bank := range []string{simulator.SHA256, simulator.SHA384} {
		m := newMachine(t, vendor, simulator.MachineOptions{Name: "m", Bank: bank, Boot: boot("ro")})
		must(t, m.MeasureEvent(15, eventlog.IPL, []byte("machine-id"), []byte("a label")))
		item := quote(t, m)
		if !bytes.Equal(item.EventLog, m.EventLog()) {
			t.Error("two logs")
		}
		claims := judge(t, vendor, item, nil).Claims.TPM.Boot
		if claims == nil || claims.SecureBoot == nil || !*claims.SecureBoot.Enabled || len(claims.SecureBoot.DBX.Hashes) != 1 {
			t.Fatalf("%s: boot %+v", bank, claims)
		}
		if len(claims.Images) != 2 || claims.UKI == nil || len(claims.UKI.Sections) != 3 || len(claims.Initrd) == 0 || !*claims.ExitedBootServices {
			t.Errorf("%s: images %v, UKI %v", bank, claims.Images, claims.UKI)
		}
		algorithm := map[string]eventlog.Algorithm{simulator.SHA256: eventlog.SHA256, simulator.SHA384: eventlog.SHA384}[bank]
		if want := eventlog.LoadOptionsDigest(algorithm, "ro"); !bytes.Equal(claims.LoadOptions, want) {
			t.Errorf("%s: load options %v", bank, claims.LoadOptions)
		}
		if claims.Registers[15].Status != evidence.RegisterReproduced {
			t.Errorf("%s: PCR 15 is %v", bank, claims.Registers[15])
		}
	}
}

// TestStarts follows PCRs, logs and counters over reboots and suspends.
func TestStarts(t *testing.T) {
	vendor := newVendor(t, "a")
	m := newMachine(t, vendor, simulator.MachineOptions{Name: "m", Boot: boot("ro"), IMA: true})
	fresh := m.PCRs()
	first := judge(t, vendor, quote(t, m), nil)
	must(t, m.Measure(16, []byte("debug")))
	must(t, m.MeasureFile("/bin/a", make([]byte, 32)))
	running := m.PCRs()
	m.Suspend()
	resumed := judge(t, vendor, quote(t, m), first.KeyState)
	if c := resumed.Claims.TPM; c.ResetCount != 1 || c.RestartCount != 1 || c.Clock <= first.Claims.TPM.Clock {
		t.Errorf("after a suspend: reset %d, restart %d", c.ResetCount, c.RestartCount)
	}
	if after := m.PCRs()[simulator.SHA256]; !bytes.Equal(after[10], running[simulator.SHA256][10]) || !bytes.Equal(after[16], fresh[simulator.SHA256][16]) {
		t.Error("a suspend keeps the wrong PCRs")
	}
	must(t, m.Reboot())
	if diff := cmp.Diff(fresh, m.PCRs()); diff != "" {
		t.Errorf("another boot of the same:\n%s", diff)
	}
	again := judge(t, vendor, quote(t, m), resumed.KeyState)
	if c := again.Claims.TPM; c.ResetCount != 2 || c.RestartCount != 0 || c.IMA.Entries != 1 {
		t.Errorf("after a reboot: reset %d, restart %d, %d entries", c.ResetCount, c.RestartCount, c.IMA.Entries)
	}
	must(t, m.Boot(boot("rw")))
	other := judge(t, vendor, quote(t, m), again.KeyState).Claims.TPM
	if bytes.Equal(other.Boot.LoadOptions, again.Claims.TPM.Boot.LoadOptions) || other.ResetCount != 3 {
		t.Error("the other boot looks like the first one")
	}
	must(t, m.Boot(nil))
	if m.EventLog() != nil || len(quote(t, m).EventLog) > 0 {
		t.Error("a log without a boot")
	}
	if err := m.MeasureEvent(15, eventlog.IPL, nil, nil); err == nil {
		t.Error("an event without a log")
	}
}

// TestIMA reads the kernel's list out of the machine's evidence, in parts.
func TestIMA(t *testing.T) {
	vendor := newVendor(t, "a")
	for _, bank := range []string{simulator.SHA256, simulator.SHA384} {
		m := newMachine(t, vendor, simulator.MachineOptions{Name: "m", Bank: bank, Boot: boot("ro"), IMA: true})
		content := sha256.Sum256([]byte("content"))
		must(t, m.MeasureFile("/usr/bin/payments", content[:]))
		must(t, m.Violate("/var/log/messages"))
		first := judge(t, vendor, quote(t, m), nil)
		claims := first.Claims.TPM.IMA
		if claims == nil || claims.Entries != 3 || claims.Violations != 1 || bank == simulator.SHA256 && !*claims.BootAggregate {
			t.Fatalf("%s: list %+v", bank, claims)
		}
		want := []evidence.IMAFile{{Path: "/usr/bin/payments", Algorithm: "sha256", Digest: content[:]}}
		if diff := cmp.Diff(want, claims.Files); diff != "" {
			t.Errorf("files:\n%s", diff)
		}
		must(t, m.SendIMAFrom(m.IMAEntries()))
		must(t, m.MeasureSignedFile("/usr/bin/ledger", content[:], []byte{3, 2, 4}))
		must(t, m.MeasureBuffer("kexec-cmdline", []byte("ro")))
		must(t, m.MeasureEntry("unknown", []byte{1, 2, 3}))
		item := quote(t, m)
		if item.IMAOffset != 3 || !bytes.HasSuffix(m.IMALog(), item.IMALog) || len(item.IMALog) >= len(m.IMALog()) {
			t.Errorf("%s: offset %d, %d bytes", bank, item.IMAOffset, len(item.IMALog))
		}
		claims = judge(t, vendor, item, first.KeyState).Claims.TPM.IMA
		if claims.Offset != 3 || claims.Entries != 6 || claims.Unread != 1 || claims.Others != 1 || len(claims.Files) != 1 || claims.Files[0].Path != "/usr/bin/ledger" {
			t.Errorf("%s: the rest %+v", bank, claims)
		}
	}
	without := newMachine(t, vendor, simulator.MachineOptions{Name: "m"})
	for _, err := range []error{without.MeasureFile("/", nil), without.Violate("/"), without.SendIMAFrom(0)} {
		if err == nil {
			t.Error("a list without IMA")
		}
	}
}

// TestCertification has a workload's key certified.
func TestCertification(t *testing.T) {
	vendor := newVendor(t, "a")
	m := newMachine(t, vendor, simulator.MachineOptions{Name: "m"})
	for _, typ := range []simulator.KeyType{simulator.KeyECC, simulator.KeyRSA} {
		key, err := m.MakeKey(simulator.KeyOptions{Type: typ})
		must(t, err)
		other, err := m.MakeKey(simulator.KeyOptions{Type: typ})
		must(t, err)
		if bytes.Equal(key.Area(), other.Area()) {
			t.Error("one key twice")
		}
		m.UseKey(key)
		item := quote(t, m)
		attest, err := tpm2.Unmarshal[tpm2.TPMSAttest](item.Certification.Attest)
		must(t, err)
		info, err := attest.Attested.Certify()
		must(t, err)
		if !bytes.Equal(info.Name.Buffer, key.Name()) || !bytes.Equal(tpm2.Marshal(attest), item.Certification.Attest) {
			t.Errorf("certified is %x", info.Name.Buffer)
		}
		spki, err := x509.MarshalPKIXPublicKey(key.Public())
		must(t, err)
		sum := sha256.Sum256(spki)
		claims := judge(t, vendor, item, nil).Claims.TPM
		if claims.CertifiedKey == nil || !bytes.Equal(claims.CertifiedKey.SHA256, sum[:]) {
			t.Errorf("claimed is %v", claims.CertifiedKey)
		}
		alone, err := m.Certify(key, []byte("nonce"))
		must(t, err)
		if !bytes.Equal(alone.Public, item.Certification.Public) {
			t.Error("another area")
		}
	}
	m.UseKey(nil)
	if quote(t, m).Certification != nil {
		t.Error("a certification that nobody asked for")
	}
	if _, err := m.MakeKey(simulator.KeyOptions{Type: "none"}); err == nil {
		t.Error("a key of no type")
	}
}

// TestClone parts the ways of a machine and its copy.
func TestClone(t *testing.T) {
	m := newMachine(t, newVendor(t, "a"), simulator.MachineOptions{Name: "m", Boot: boot("ro"), IMA: true})
	c := m.Clone()
	if diff := cmp.Diff(quote(t, m), quote(t, c)); diff != "" {
		t.Errorf("the copy differs:\n%s", diff)
	}
	if m.AttestationKey() != c.AttestationKey() {
		t.Error("another key")
	}
	before := c.PCRs()
	must(t, m.Measure(8, []byte("x")))
	must(t, m.MeasureFile("/bin/a", make([]byte, 32)))
	must(t, m.MeasureEvent(15, eventlog.IPL, []byte("x"), []byte("x")))
	must(t, m.Reboot())
	if diff := cmp.Diff(before, c.PCRs()); diff != "" || c.IMAEntries() != 1 {
		t.Errorf("the copy follows:\n%s", diff)
	}
}

// TestCertificates replaces those of the attestation key.
func TestCertificates(t *testing.T) {
	m := newMachine(t, newVendor(t, "a"), simulator.MachineOptions{Name: "m", WithoutCertificate: true})
	if len(quote(t, m).AKCertificates) > 0 {
		t.Error("certificates before the enrolment")
	}
	issued := [][]byte{{1}, {2}}
	m.UseCertificates(issued)
	issued[0][0] = 9
	if got := quote(t, m).AKCertificates; !slices.EqualFunc(got, [][]byte{{1}, {2}}, bytes.Equal) {
		t.Errorf("got %v", got)
	}
}

// TestOwnerHierarchy shows counters under a disguise that keeps their differences.
func TestOwnerHierarchy(t *testing.T) {
	vendor := newVendor(t, "a")
	m := newMachine(t, vendor, simulator.MachineOptions{Name: "m", Hierarchy: tpm2.TPMRHOwner})
	first := judge(t, vendor, quote(t, m), nil).Claims.TPM
	must(t, m.Reboot())
	m.Suspend()
	second := judge(t, vendor, quote(t, m), nil).Claims.TPM
	if first.ResetCount < 100 || second.ResetCount-first.ResetCount != 1 || second.RestartCount-first.RestartCount != 1 || !bytes.Equal(first.FirmwareVersion, second.FirmwareVersion) {
		t.Errorf("counters %d and %d", first.ResetCount, second.ResetCount)
	}
	plain := judge(t, vendor, quote(t, newMachine(t, vendor, simulator.MachineOptions{Name: "m"})), nil).Claims.TPM
	if bytes.Equal(first.FirmwareVersion, plain.FirmwareVersion) || first.AKHierarchy != "owner" || plain.AKHierarchy != "endorsement" {
		t.Errorf("hierarchies %q and %q", first.AKHierarchy, plain.AKHierarchy)
	}
}
