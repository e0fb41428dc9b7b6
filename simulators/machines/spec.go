package machines

import (
	"errors"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tpm"
)

// Technology is what a machine proves itself with.
type Technology string

// The technologies.
const (
	SEVSNP    Technology = "sev-snp"
	TDX       Technology = "tdx"
	TPM       Technology = "tpm"
	SEVSNPTPM Technology = "sev-snp+tpm"   // the report covers the TPM's attestation key
	TDXTPM    Technology = "tdx+tpm"       // likewise
	AzureSNP  Technology = "azure-sev-snp" // a paravisor holds the virtual TPM
	AzureTDX  Technology = "azure-tdx"     // likewise
)

// String returns the technology's name.
func (t Technology) String() string { return string(t) }

// Technologies lists them all.
func Technologies() []Technology {
	return []Technology{SEVSNP, TDX, TPM, SEVSNPTPM, TDXTPM, AzureSNP, AzureTDX}
}

func (t Technology) hasSNP() bool  { return t == SEVSNP || t == SEVSNPTPM || t == AzureSNP }
func (t Technology) hasTDX() bool  { return t == TDX || t == TDXTPM || t == AzureTDX }
func (t Technology) hasTPM() bool  { return t != SEVSNP && t != TDX }
func (t Technology) isAzure() bool { return t == AzureSNP || t == AzureTDX }

// Backend is what runs a machine's TPM.
type Backend string

// The backends.
const (
	InProcess Backend = "in-process" // simulators/tpm
	SWTPM     Backend = "swtpm"      // the program of that name
)

// Spec describes a machine. Only name and technology must be given.
type Spec struct {
	// Name tells machines apart: another name is another chip with other keys, another
	// default kernel, and another identity. Lower-case letters, digits and hyphens, at most 63.
	Name       string     `yaml:"name" json:"name"`
	Technology Technology `yaml:"technology" json:"technology"`

	// Product is the processors' line of SEV-SNP: Milan, Genoa or Turin; empty is the world's.
	Product string `yaml:"product" json:"product,omitempty"`
	// VLEK names the cloud provider whose VLEK signs reports in place of the chip's VCEK.
	VLEK string `yaml:"vlek" json:"vlek,omitempty"`

	Firmware    Artefact `yaml:"firmware" json:"firmware,omitzero"`
	Kernel      Artefact `yaml:"kernel" json:"kernel,omitzero"`
	Initrd      Artefact `yaml:"initrd" json:"initrd,omitzero"`
	CommandLine string   `yaml:"command_line" json:"command_line,omitempty"`
	// VCPUs is the number of virtual processors, 1 if it is zero; VCPUType is their type as
	// QEMU has it, that of the product if it is empty. Both are in what SEV-SNP measures.
	VCPUs    int    `yaml:"vcpus" json:"vcpus,omitempty"`
	VCPUType string `yaml:"vcpu_type" json:"vcpu_type,omitempty"`

	TPM TPMSpec `yaml:"tpm" json:"tpm,omitzero"`
	// IMA are files that the kernel measures when it has started; it measures none at all if there
	// are none. Only machines with a TPM have them.
	IMA []File `yaml:"ima" json:"ima,omitempty"`

	// Pinned has the requirement ask for this very machine: the chip of SEV-SNP, the platform of
	// TDX, the attestation key of a TPM that runs in-process.
	Pinned bool `yaml:"pinned" json:"pinned,omitempty"`

	// Faults are what is wrong with the machine: names of [Faults].
	Faults []string `yaml:"faults" json:"faults,omitempty"`
}

// TPMSpec describes a machine's TPM.
type TPMSpec struct {
	Backend Backend     `yaml:"backend" json:"backend,omitempty"` // empty is InProcess
	Key     tpm.KeyType `yaml:"key" json:"key,omitempty"`         // of the attestation key; empty is ecc, and rsa behind a paravisor
	EK      tpm.EKType  `yaml:"ek" json:"ek,omitempty"`           // empty is p-256, and rsa-2048 behind a paravisor
	Bank    string      `yaml:"bank" json:"bank,omitempty"`       // that quotes cover: sha256, also if empty, or sha384
	// Enrolled leaves the attestation key without a certificate until a service enrols it
	// ([Machine.EnrolmentRequest]); the requirement then asks for an enrolled key.
	Enrolled bool `yaml:"enrolled" json:"enrolled,omitempty"`
}

// Artefact is a piece of software: a name that bytes are made from, or bytes.
type Artefact struct {
	Name string `yaml:"name" json:"name,omitempty"`
	File string `yaml:"file" json:"file,omitempty"` // whose content is Data once [Spec.Load] has read it
	Data []byte `yaml:"-" json:"-"`
}

// File is a file that the kernel measures.
type File struct {
	Path    string `yaml:"path" json:"path"`
	Content string `yaml:"content" json:"content,omitempty"` // empty is one that follows from the path
}

// defaultCommandLine is that of machines whose description has none.
const defaultCommandLine = "console=ttyS0 ro quiet"

// filled returns the description with its defaults.
func (s Spec) filled() Spec {
	s = s.clone()
	if s.Firmware.IsZero() {
		s.Firmware.Name = "firmware"
	}
	if s.Kernel.IsZero() {
		s.Kernel.Name = "kernel of " + s.Name
	}
	if s.Initrd.IsZero() {
		s.Initrd.Name = "initrd of " + s.Name
	}
	if s.CommandLine == "" {
		s.CommandLine = defaultCommandLine
	}
	if s.VCPUs == 0 {
		s.VCPUs = 1
	}
	if s.Technology.hasSNP() && s.Product == "" {
		s.Product = sevsnp.Milan
	}
	if s.Technology.hasSNP() && s.VCPUType == "" {
		s.VCPUType = "EPYC-" + s.Product
	}
	if s.Technology.hasTPM() {
		s.TPM = s.TPM.filled(s.Technology)
	}
	return s
}

func (t TPMSpec) filled(on Technology) TPMSpec {
	if t.Backend == "" {
		t.Backend = InProcess
	}
	if t.Key == "" && on.isAzure() {
		t.Key = tpm.KeyRSA
	}
	if t.Key == "" {
		t.Key = tpm.KeyECC
	}
	if t.EK == "" && on.isAzure() {
		t.EK = tpm.EKRSA2048
	}
	if t.EK == "" {
		t.EK = tpm.EKP256
	}
	if t.Bank == "" {
		t.Bank = tpm.SHA256
	}
	return t
}

// IsZero reports whether nothing is said of the artefact.
func (a Artefact) IsZero() bool { return a.Name == "" && a.File == "" && a.Data == nil }

func (s Spec) clone() Spec {
	s.Faults, s.IMA = slices.Clone(s.Faults), slices.Clone(s.IMA)
	return s
}

// Load returns the description with the files that it names read by read.
func (s Spec) Load(read func(name string) ([]byte, error)) (Spec, error) {
	s = s.clone()
	for _, a := range []*Artefact{&s.Firmware, &s.Kernel, &s.Initrd} {
		if a.File == "" {
			continue
		}
		var err error
		if a.Data, err = read(a.File); err != nil {
			return Spec{}, wrong("", "%w", err)
		}
		if len(a.Data) > maxArtefact {
			return Spec{}, wrong("", "%s has %d bytes; at most %d are read", a.File, len(a.Data), maxArtefact)
		}
	}
	return s, nil
}

// check holds a filled description to what can be simulated.
func (s Spec) check() error {
	var errs []error
	add := func(key, format string, args ...any) { errs = append(errs, wrong(key, format, args...)) }
	if !isName(s.Name) {
		add("name", "%.80q is no name: lower-case letters, digits and hyphens, at most %d", s.Name, maxName)
	}
	if !slices.Contains(Technologies(), s.Technology) {
		add("technology", "%.40q is no technology that can be simulated; use one of %s", s.Technology, joined(Technologies()))
	}
	if !s.Technology.hasSNP() && (s.Product != "" || s.VLEK != "" || s.VCPUType != "") {
		add("product", "product, vlek and vcpu_type are of machines with SEV-SNP")
	}
	if s.Technology.hasSNP() && !slices.Contains([]string{sevsnp.Milan, sevsnp.Genoa, sevsnp.Turin}, s.Product) {
		add("product", "%.40q is no product that can be simulated; use Milan, Genoa or Turin", s.Product)
	}
	if len(s.VLEK) > maxName || strings.ContainsFunc(s.VLEK, func(r rune) bool { return r < ' ' || r > '~' }) {
		add("vlek", "%.80q names no provider: printable ASCII, at most %d characters", s.VLEK, maxName)
	}
	if s.VCPUs < 1 || s.VCPUs > maxVCPUs {
		add("vcpus", "a machine has 1 to %d virtual processors, not %d", maxVCPUs, s.VCPUs)
	}
	if len(s.CommandLine) > maxCommandLine || strings.ContainsRune(s.CommandLine, 0) {
		add("command_line", "a command line has at most %d bytes, and no NUL", maxCommandLine)
	}
	if s.Pinned && (s.VLEK != "" || s.TPM.Backend == SWTPM) {
		add("pinned", "a provider's key does not name the chip, and the keys of swtpm are known only when it runs: leave pinned, or vlek and swtpm, out")
	}
	for _, a := range []struct {
		key string
		Artefact
	}{{"firmware", s.Firmware}, {"kernel", s.Kernel}, {"initrd", s.Initrd}} {
		if a.File != "" && a.Name != "" {
			add(a.key, "an artefact has a name or a file, not both")
		}
		if a.File != "" && a.Data == nil {
			add(a.key, "the file %.200q was not read: files can be given where the description is a file, too", a.File)
		}
	}
	return errors.Join(append(errs, s.checkTPM()...)...)
}

func (s Spec) checkTPM() (errs []error) {
	add := func(key, format string, args ...any) { errs = append(errs, wrong(key, format, args...)) }
	t := s.TPM
	switch {
	case !s.Technology.hasTPM():
		if t != (TPMSpec{}) || s.IMA != nil {
			add("tpm", "a machine of technology %s has no TPM; leave tpm and ima out, or use %s", s.Technology, joined([]Technology{TPM, SEVSNPTPM, TDXTPM}))
		}
		return errs
	case t.Backend != InProcess && t.Backend != SWTPM:
		add("backend", "%.40q runs no TPMs; use in-process or swtpm", t.Backend)
	case t.Backend == SWTPM && s.Technology.isAzure():
		add("backend", "the virtual TPM behind a paravisor runs in-process only")
	case t.Backend == SWTPM && (s.IMA != nil || t.EK != tpm.EKP256):
		add("backend", "ima and ek are of TPMs that run in-process")
	}
	if t.Key != tpm.KeyECC && t.Key != tpm.KeyRSA {
		add("key", "%.40q is no type of attestation keys; use ecc or rsa", t.Key)
	}
	if !slices.Contains(tpm.EKTypes(), t.EK) {
		add("ek", "%.40q is no type of endorsement keys; use one of %s", t.EK, joined(tpm.EKTypes()))
	}
	if s.Technology.isAzure() && (t.Key != tpm.KeyRSA || t.EK != tpm.EKRSA2048 && t.EK != tpm.EKRSA2048High) {
		add("key", "paravisors have RSA keys of 2048 bits")
	}
	if s.Technology.isAzure() && t.Enrolled {
		add("enrolled", "a paravisor vouches for its TPM's key, which is not enrolled")
	}
	if t.Bank != tpm.SHA256 && t.Bank != tpm.SHA384 {
		add("bank", "%.40q is no bank that can be quoted; use sha256 or sha384", t.Bank)
	}
	if s.IMA != nil && t.Bank != tpm.SHA256 {
		add("bank", "the list of measured files begins with a digest of the bank sha256, which must be quoted")
	}
	if len(s.IMA) > maxFiles {
		add("ima", "a kernel measures at most %d files here", maxFiles)
	}
	for _, f := range s.IMA {
		if !strings.HasPrefix(f.Path, "/") || len(f.Path) > maxPath || len(f.Content) > maxContent {
			add("ima", "%.80q is no absolute path, or it or the content is too long", f.Path)
		}
	}
	return errs
}

func isName(s string) bool {
	if s == "" || len(s) > maxName || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func joined[T ~string](names []T) string {
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = string(name)
	}
	return strings.Join(words, ", ")
}

func wrong(key, format string, args ...any) error {
	return evidence.Errorf(evidence.CodeConfigMalformed, key, format, args...)
}
