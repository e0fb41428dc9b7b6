package evidence

import (
	"maps"
	"slices"
)

// BootClaims are what a machine's event log says of how it booted, as far as a
// quoted register vouches for it. They come from registers that the log reproduces,
// and from events whose digest covers the fact; docs/eventlog.md says which.
// A list is absent, not shortened, where something in its register could hide a
// member. Registers are PCRs, or RTMRs of a trust domain.
type BootClaims struct {
	Format string `json:"format"` // "tcg2", "tcg1" or "ccel"
	Bank   string `json:"bank"`   // the digests that were replayed: "sha256", …
	// Registers holds every register that was quoted or has events, by its index.
	Registers map[int]BootRegister `json:"registers"`

	FirmwareVersion string            `json:"firmware_version,omitempty"`
	SecureBoot      *SecureBootClaims `json:"secure_boot,omitempty"`
	// SbatLevel is the boot loader's revocation level, as its shim measured it.
	SbatLevel string `json:"sbat_level,omitempty"`
	// ShimInsecure says that shim was told to verify nothing of what it loads
	// (MokSBState). Absent where other events could hide it.
	ShimInsecure *bool `json:"shim_insecure,omitempty"`

	BootOrder   []uint16     `json:"boot_order,omitempty"`
	BootOptions []BootOption `json:"boot_options,omitempty"`
	// BootAttempts counts how often firmware called a boot option: more than one means
	// that something else ran, and returned, before.
	BootAttempts *uint32 `json:"boot_attempts,omitempty"`
	// Images are the drivers and applications that were loaded, in order.
	Images []BootImage `json:"images,omitempty"`
	// ExitedBootServices says that the kernel took the machine over from the firmware.
	ExitedBootServices *bool `json:"exited_boot_services,omitempty"`

	Mok *MokClaims `json:"mok,omitempty"`
	// GRUBCommands are the commands that GRUB ran, in order.
	GRUBCommands []string `json:"grub_commands,omitempty"`
	// UnsettledGRUBCommands were measured too, but their register also holds what
	// could be others. A rule that uses them must account for everything in the register.
	UnsettledGRUBCommands []string `json:"unsettled_grub_commands,omitempty"`
	// CommandLines are the kernel command lines that a boot loader passed on, in order.
	CommandLines []CommandLine `json:"command_lines,omitempty"`
	// UnsettledCommandLines were measured too, but their register also holds what
	// could be others. A rule that uses one must account for all Measurements of its register.
	UnsettledCommandLines []CommandLine `json:"unsettled_command_lines,omitempty"`
	// LoadOptions is the digest of the command line that the kernel's EFI stub ran
	// with: of its UTF-16LE text with a terminating null.
	LoadOptions Hex `json:"load_options,omitempty"`
	// Initrd is the digest of the initial RAM disk that the kernel's EFI stub loaded.
	Initrd Hex `json:"initrd,omitempty"`
	// UKI is the unified kernel image that was booted.
	UKI *UKIClaims `json:"uki,omitempty"`

	// Events are what applications added at run time, in order.
	Events []ApplicationEvent `json:"events,omitempty"`
	// Measurements are the digests that nothing in the log covers: firmware, files,
	// contents. What the log calls them counts for nothing and is left out.
	Measurements []BootMeasurement `json:"measurements,omitempty"`
}

// The ways in which a log accounts for a quoted register.
const (
	RegisterReproduced = "reproduced" // the log's events lead to its value
	RegisterUntouched  = "untouched"  // it holds its starting value, and the log has no events for it
	RegisterUnlogged   = "unlogged"   // it was extended, and the log has no events for it
	RegisterMismatched = "mismatched" // the log's events lead to another value
	RegisterResettable = "resettable" // software may set it back at any time
	RegisterUnquoted   = "unquoted"   // the log has events, but no quote vouches for them
)

// BootRegister says how the log accounts for one register.
type BootRegister struct {
	Status string `json:"status"`
	Events uint32 `json:"events"` // that extended it
	// Uncovered counts those whose digest covers nothing in the log.
	Uncovered uint32 `json:"uncovered"`
}

// SecureBootClaims are the variables of UEFI secure boot as firmware measured
// them before it handed over (PFP, 3.3.4.8), each exactly once.
type SecureBootClaims struct {
	// Enabled is absent where the firmware has no such variable.
	Enabled *bool `json:"enabled,omitempty"`
	// SetupMode says that there is no platform key: whoever runs may enrol keys.
	SetupMode    bool  `json:"setup_mode"`
	AuditMode    *bool `json:"audit_mode,omitempty"`
	DeployedMode *bool `json:"deployed_mode,omitempty"`
	// FirmwareDebugger says that firmware measured its debug mode. Absent where
	// other events could hide it.
	FirmwareDebugger *bool `json:"firmware_debugger,omitempty"`

	PK  SignatureDatabase `json:"pk"`
	KEK SignatureDatabase `json:"kek"`
	DB  SignatureDatabase `json:"db"`
	DBX SignatureDatabase `json:"dbx"`

	// Authorities are what images were verified with, in order. Whoever runs later
	// can add to them, but takes none away.
	Authorities []BootAuthority `json:"authorities,omitempty"`
}

// SignatureDatabase is the content of a signature variable (UEFI 2.10, 32.4.1).
type SignatureDatabase struct {
	SHA256 Hex    `json:"sha256"` // of the variable's data
	Size   uint32 `json:"size"`   // of the variable's data, in bytes
	// Certificates are the SHA-256 of X.509 certificates in DER.
	Certificates []Hex `json:"certificates,omitempty"`
	// Hashes are SHA-256, SHA-384 and SHA-512 Authenticode digests of images.
	Hashes []Hex `json:"hashes,omitempty"`
	// RevokedCertificates are digests of the to-be-signed parts of certificates.
	RevokedCertificates []Hex `json:"revoked_certificates,omitempty"`
	// Others counts entries of further types.
	Others uint32 `json:"others"`
}

// BootAuthority is an entry that an image was verified with, or a variable that
// the boot loader went by.
type BootAuthority struct {
	Variable string `json:"variable"`         // "db", "Shim", "MokListRT", …
	Vendor   string `json:"vendor"`           // GUID of the variable's name space
	Owner    string `json:"owner,omitempty"`  // GUID of who enrolled the entry; of db only
	SHA256   Hex    `json:"sha256,omitempty"` // of the entry behind its owner: a certificate's fingerprint
}

// BootOption is a Boot#### variable (UEFI 2.10, 3.1.3).
type BootOption struct {
	Number      uint16 `json:"number"`
	Active      bool   `json:"active"`
	Description string `json:"description"`
	Path        Hex    `json:"path"` // the device path
	// NumberCovered says that the variable's name was measured with its contents.
	NumberCovered bool `json:"number_covered"`
}

// BootImage is a driver or an application that firmware or a boot loader loaded.
type BootImage struct {
	Register uint32 `json:"register"`
	Ordinal  uint32 `json:"ordinal"` // among the events of its register, from 0
	Digest   Hex    `json:"digest"`  // Authenticode
}

// MokClaims are the digests of the machine owner's key lists, as shim measured them.
type MokClaims struct {
	List    Hex `json:"list"`
	ListX   Hex `json:"list_x"`
	Trusted Hex `json:"trusted,omitempty"`
}

// CommandLine is a kernel command line.
type CommandLine struct {
	Source   string `json:"source"` // "grub", which begins it with the kernel's path, or "efi"
	Register uint32 `json:"register"`
	Ordinal  uint32 `json:"ordinal"`
	Text     string `json:"text"`
}

// UKIClaims is a unified kernel image as systemd's stub measured it.
type UKIClaims struct {
	// Sections are the digests of the contents by the section's name: ".linux", ".cmdline", …
	Sections map[string]Hex `json:"sections"`
	// Phases are the phases of the boot that were reached, in order: "enter-initrd", …
	Phases []string `json:"phases,omitempty"`
}

// ApplicationEvent is something that an application measured at run time.
type ApplicationEvent struct {
	Register uint32 `json:"register"`
	Ordinal  uint32 `json:"ordinal"`
	Name     string `json:"name"`
	Payload  Hex    `json:"payload"`
}

// BootMeasurement is a digest that a register was extended with.
type BootMeasurement struct {
	Register uint32 `json:"register"`
	Ordinal  uint32 `json:"ordinal"`
	Digest   Hex    `json:"digest"`
}

func (b *BootClaims) clone() *BootClaims {
	c := clonePointer(b)
	if c == nil {
		return nil
	}
	c.Registers = maps.Clone(c.Registers)
	c.SecureBoot = c.SecureBoot.clone()
	c.BootOrder = slices.Clone(c.BootOrder)
	c.BootOptions = cloneEach(c.BootOptions, func(o *BootOption) { cloneAll(&o.Path) })
	c.BootAttempts, c.ExitedBootServices = clonePointer(c.BootAttempts), clonePointer(c.ExitedBootServices)
	c.ShimInsecure = clonePointer(c.ShimInsecure)
	c.Images = cloneEach(c.Images, func(i *BootImage) { cloneAll(&i.Digest) })
	if c.Mok = clonePointer(c.Mok); c.Mok != nil {
		cloneAll(&c.Mok.List, &c.Mok.ListX, &c.Mok.Trusted)
	}
	c.GRUBCommands, c.UnsettledGRUBCommands = slices.Clone(c.GRUBCommands), slices.Clone(c.UnsettledGRUBCommands)
	c.CommandLines, c.UnsettledCommandLines = slices.Clone(c.CommandLines), slices.Clone(c.UnsettledCommandLines)
	cloneAll(&c.LoadOptions, &c.Initrd)
	if c.UKI = clonePointer(c.UKI); c.UKI != nil {
		c.UKI.Sections, c.UKI.Phases = maps.Clone(c.UKI.Sections), slices.Clone(c.UKI.Phases)
		for name, content := range c.UKI.Sections {
			c.UKI.Sections[name] = content.clone()
		}
	}
	c.Events = cloneEach(c.Events, func(e *ApplicationEvent) { cloneAll(&e.Payload) })
	c.Measurements = cloneEach(c.Measurements, func(m *BootMeasurement) { cloneAll(&m.Digest) })
	return c
}

func (s *SecureBootClaims) clone() *SecureBootClaims {
	c := clonePointer(s)
	if c == nil {
		return nil
	}
	c.Enabled, c.AuditMode, c.DeployedMode = clonePointer(c.Enabled), clonePointer(c.AuditMode), clonePointer(c.DeployedMode)
	c.FirmwareDebugger = clonePointer(c.FirmwareDebugger)
	for _, db := range []*SignatureDatabase{&c.PK, &c.KEK, &c.DB, &c.DBX} {
		cloneAll(&db.SHA256)
		for _, list := range []*[]Hex{&db.Certificates, &db.Hashes, &db.RevokedCertificates} {
			*list = cloneHexes(*list)
		}
	}
	c.Authorities = cloneEach(c.Authorities, func(a *BootAuthority) { cloneAll(&a.SHA256) })
	return c
}

// cloneHexes returns a copy of list that shares no memory with it, in one piece: a
// list of revoked images has hundreds of digests.
func cloneHexes(list []Hex) []Hex {
	if list == nil {
		return nil
	}
	size := 0
	for _, h := range list {
		size += len(h)
	}
	room := make([]byte, 0, size)
	copied := make([]Hex, len(list))
	for i, h := range list {
		if h != nil {
			room = append(room, h...)
			copied[i] = room[len(room)-len(h) : len(room) : len(room)]
		}
	}
	return copied
}

// cloneEach returns a copy of list, each element of which deepen has given
// memory of its own.
func cloneEach[T any](list []T, deepen func(*T)) []T {
	list = slices.Clone(list)
	for i := range list {
		deepen(&list[i])
	}
	return list
}
