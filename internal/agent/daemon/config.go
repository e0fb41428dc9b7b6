package daemon

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/boundedfile"
	"github.com/quotary/quotary/internal/strictyaml"
)

// Config is the agent's configuration file, in YAML. Unknown and repeated keys are
// errors, with line and column. Relative paths are relative to the file's directory.
//
// Whoever can change this file, or the files that it names, decides whom the agent
// believes and who gets its identity.
type Config struct {
	// Service says which service attests, and how it is known.
	Service Service `yaml:"service"`
	// Machine says what of the machine is proved.
	Machine Machine `yaml:"machine"`
	// Tokens has an attestation result (EAR, a JWT) handed out with the identity.
	Tokens Tokens `yaml:"tokens"`
	// WorkloadAPI is the socket at which identities are handed out: the SPIFFE Workload
	// API, Envoy's SDS, and the agent's status.
	WorkloadAPI WorkloadAPI `yaml:"workload_api"`
	// Files are where identities are written to.
	Files []Files `yaml:"files"`
	// Authorization answers the proxies on the machine.
	Authorization Authorization `yaml:"authorization"`
	// Metrics are for Prometheus.
	Metrics Metrics `yaml:"metrics"`
}

// Service says which service attests, and how it is known: by one of Bundle and
// RootSHA256. There is no way without.
type Service struct {
	// URL is the service's address: https, a host and nothing else. It is needed.
	URL string `yaml:"url"`
	// TrustDomain is the trust domain that the service must stand for. Defaults to the one
	// that its root names.
	TrustDomain string `yaml:"trust_domain"`
	// Bundle is a file with the trust domain's SPIFFE bundle, in JSON, or its roots, in PEM.
	Bundle string `yaml:"bundle"`
	// RootSHA256 is the SHA-256 of the root, in 64 hex digits, as the service prints it when
	// it starts. The root is fetched, and used only if it is that one.
	RootSHA256 string `yaml:"root_sha256"`
	// Keep is a file in which the newest bundle is kept, so that the service is still known
	// after a restart when its roots were replaced meanwhile. Without, it is kept in memory.
	Keep string `yaml:"keep"`
}

// Machine says what of the machine is proved.
type Machine struct {
	// TEE is "detect", "sev-snp", "tdx", or "none" for a machine with a TPM alone.
	// Defaults to detect.
	TEE string `yaml:"tee"`
	// VMPL is the privilege level that reports of SEV-SNP are to name: 0 to 3. Defaults to 0.
	VMPL int `yaml:"vmpl"`
	// NoEventLog leaves the event logs of firmware at home.
	NoEventLog bool `yaml:"no_event_log"`
	// Key is where keys are made: in "memory", or in the "tpm", which they cannot leave: then
	// they are used over the socket. Defaults to memory.
	Key string `yaml:"key"`
	// TPM says which TPM is quoted. Without it, a machine with a TEE is proved by that alone,
	// and another by the TPM of its platform.
	TPM *TPM `yaml:"tpm"`
}

// TPM says which TPM is quoted, and how.
type TPM struct {
	// Address is a device, or a socket that takes raw commands (unix:PATH, tcp:HOST:PORT).
	// Defaults to /dev/tpmrm0.
	Address string `yaml:"address"`
	// Platform says whose attestation key it has: "enrolled", which the service certifies,
	// "google" (Compute Engine's) or "azure" (the paravisor's of a confidential VM).
	// Defaults to enrolled.
	Platform string `yaml:"platform"`
	// Bank is "sha256", "sha384" or "sha512". Defaults to sha256.
	Bank string `yaml:"bank"`
	// PCRs are the registers that are quoted. Defaults to 0 to 15.
	PCRs []int `yaml:"pcrs"`
	// IMA sends the kernel's measurement list along.
	IMA bool `yaml:"ima"`
	// EKCertificates are files with the endorsement key's certificate and intermediates,
	// for a TPM that does not have them.
	EKCertificates []string `yaml:"ek_certificates"`
}

// Tokens says which attestation result is handed out.
type Tokens struct {
	// EAR asks for one.
	EAR bool `yaml:"ear"`
	// Audience is the relying party that it is for. Defaults to the trust domain.
	Audience string `yaml:"audience"`
}

// WorkloadAPI says where the socket is and who may call. Root and the agent's own user
// always may.
type WorkloadAPI struct {
	// Socket is its path; without one there is none. Its directory must exist.
	Socket string `yaml:"socket"`
	// Mode, Owner and Group are the socket's. The mode defaults to "0666": who may call, the
	// rules decide.
	Mode  string `yaml:"mode"`
	Owner string `yaml:"owner"`
	Group string `yaml:"group"`
	// AllowUsers are the names or numbers of the users who may call; "*" stands for all.
	AllowUsers []string `yaml:"allow_users"`
}

// Files says where identities are written to.
type Files struct {
	// Directory is the path at which the files are found. It becomes a symbolic link, which
	// is turned to the next set as a whole; its parent must exist.
	Directory string `yaml:"directory"`
	// Mode is of the files with the key, at most "0660". Defaults to "0600".
	Mode string `yaml:"mode"`
	// Owner and Group own the files.
	Owner string `yaml:"owner"`
	Group string `yaml:"group"`
	// PKCS12PasswordFile has the password of PKCS #12 files, which are written if it is given.
	PKCS12PasswordFile string `yaml:"pkcs12_password_file"`
	// Reload tells the server that uses the files.
	Reload Reload `yaml:"reload"`
}

// Reload says how a server hears of new files: in one way, or not at all.
type Reload struct {
	// Command is a program with its arguments, its path absolute.
	Command []string `yaml:"command"`
	// PIDFile has the process that is sent Signal: "HUP", "USR1" or "USR2". Defaults to HUP.
	PIDFile string `yaml:"pid_file"`
	Signal  string `yaml:"signal"`
	// SystemdUnit is a unit that is reloaded, if it runs.
	SystemdUnit string `yaml:"systemd_unit"`
}

// Metrics says where metrics are served.
type Metrics struct {
	// Listen is an address and port for plain HTTP: /metrics, and /healthz, which is 200 as
	// long as there is an identity. Without one there are none.
	Listen string `yaml:"listen"`
}

// ReadConfig reads a configuration file.
func ReadConfig(path string) (Config, error) {
	data, err := boundedfile.Read(path, maxConfig)
	if err != nil {
		return Config{}, err
	}
	var c Config
	if err := strictyaml.Parse(path, data, &c); err != nil {
		return Config{}, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return Config{}, err
	}
	c.resolve(dir)
	return c, nil
}

// resolve makes relative paths relative to dir.
func (c *Config) resolve(dir string) {
	paths := []*string{&c.Service.Bundle, &c.Service.Keep, &c.WorkloadAPI.Socket}
	for i := range c.Files {
		f := &c.Files[i]
		paths = append(paths, &f.Directory, &f.PKCS12PasswordFile, &f.Reload.PIDFile)
	}
	if c.Machine.TPM != nil {
		for i := range c.Machine.TPM.EKCertificates {
			paths = append(paths, &c.Machine.TPM.EKCertificates[i])
		}
	}
	if path, ok := strings.CutPrefix(c.Authorization.Listen, unixPrefix); ok && !filepath.IsAbs(path) {
		c.Authorization.Listen = unixPrefix + filepath.Join(dir, path)
	}
	for _, path := range paths {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
}

// What Machine.Key may be.
const (
	keyInMemory = "memory"
	keyInTPM    = "tpm"
)

// digest is RootSHA256; nil if it is not given.
func (s Service) digest() (*[sha256.Size]byte, error) {
	if s.RootSHA256 == "" {
		return nil, nil
	}
	sum, err := hex.DecodeString(s.RootSHA256)
	if err != nil || len(sum) != sha256.Size {
		return nil, malformed("service.root_sha256", "it has 64 hex digits; the service prints it when it starts")
	}
	return (*[sha256.Size]byte)(sum), nil
}

// mode reads permissions in octal; zero if there are none.
func mode(field, text string) (fs.FileMode, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 8, 32)
	if err != nil || n == 0 || n&^0o777 != 0 {
		return 0, malformed(field, "%q are no permissions in octal digits, such as \"0640\"", text)
	}
	return fs.FileMode(n), nil
}

func malformed(field, format string, args ...any) error {
	return evidence.Errorf(evidence.CodeConfigMalformed, field, format, args...)
}
