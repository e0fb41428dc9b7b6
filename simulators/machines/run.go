package machines

import (
	"crypto/sha512"
	"strconv"
	"strings"

	"github.com/google/go-configfs-tsm/rtmr"

	"github.com/quotary/quotary/evidence"
)

// Extend measures data into a register, as software on the machine does: "rtmr2" and
// "rtmr3" of a trust domain through the kernel's configfs-tsm, "pcr0" to "pcr23" of a TPM in
// each of its banks. No event log has it.
func (m *Machine) Extend(register string, data []byte) error {
	number := func(prefix string) (int, bool) {
		n, err := strconv.Atoi(strings.TrimPrefix(register, prefix))
		return n, err == nil && strings.HasPrefix(register, prefix) && n >= 0
	}
	if n, ok := number("rtmr"); ok && m.kernel != nil && m.kernel.registers != nil {
		digest := sha512.Sum384(data)
		if err := rtmr.ExtendDigest(m.kernel.configFS(), n, digest[:]); err != nil {
			return wrong("register", "%s: %w", register, err)
		}
		return nil
	}
	if n, ok := number("pcr"); ok && m.module != nil && n <= evidence.MaxPCR {
		return m.module.Measure(n, data)
	}
	return wrong("register", "%s has no register %.20q that software could extend", m.spec.Name, register)
}

// Reboot starts the machine again: registers begin anew and hold what its boot measures.
func (m *Machine) Reboot() error {
	m.mu.Lock()
	m.reboots++
	m.mu.Unlock()
	if m.domain != nil {
		m.domain.Reboot()
	}
	if m.module != nil {
		return m.module.Reboot()
	}
	return nil
}
