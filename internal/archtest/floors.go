package archtest

import "fmt"

// floors says on which floor each room stands. A room covers the folders in it
// unless they are named themselves. Imports only point down.
var floors = map[string]int{
	"internal/strictjson":  -1, // below all: whoever reads JSON reads it this way
	"internal/lru":         -1,
	"internal/cursor":      -1,
	"internal/boundedfile": -1, // files, no more of them than expected

	"evidence": 0,

	"tee/eventlog":        1, // logs of measured boots, read by the technologies
	"tee/ima":             1, // the kernel's measurement lists
	"tee/hcl":             1, // what a paravisor says of a confidential VM
	"tee/launch":          1, // what a launch measures, computed from artefacts
	"tee/internal/tsm":    1, // how guests of every technology ask their kernel
	"tee":                 1,
	"policies":            1,
	"internal/keyfile":    1, // private keys in files, for every room that keeps one
	"internal/strictyaml": 1, // configuration files that mean one thing only
	"internal/ocsp":       1, // requests for the status of a certificate

	"tee/sevsnp":       2,
	"tee/tdx":          2,
	"tee/tpm":          2,
	"tee/endorsements": 2,
	"tee/teetest":      2, // for tests only
	"simulators":       2,

	"verifier":            3,
	"simulators/machines": 3, // collect evidence as guests do
	"simulators/samples":  3, // reads its endorsements as tee/endorsements does
	"simulators/vendors":  3, // the simulated vendors over HTTP
	"simulators/fleet":    5, // machines by name, and their faults

	"verifier/verifiertest": 4, // for tests only

	"tokens": 4,
	"ca":     4,
	"client": 4,

	"client/admin/admintest": 5, // for tests only

	"internal/pkcs11": 2, // keys in tokens
	"ca/keytest":      5, // for tests only

	"internal/admin":      5, // who an administrator is
	"internal/anchors":    5,
	"internal/federation": 5, // bundles of other trust domains
	"internal/vendors":    5,
	"internal/store":      5,
	"internal/agent":      5,

	"internal/agent/fleettest": 9, // for tests only

	"internal/inforce":    6, // the policy set in force
	"internal/revocation": 6, // lists of what was revoked
	"internal/continuous": 6, // live identities held to what is in force

	"internal/server":  7,
	"internal/console": 7,

	"internal/daemon": 8, // puts the service together

	"cmd": 9,

	// At the top: they wire simulated machines to a real service.
	"simulators/attacks":   9,
	"simulators/lab":       9,
	"simulators/simtest":   10,
	"simulators/scenarios": 10,
	"simulators/control":   10,
	"cmd/quotary-sim":      11,
	"internal/boottest":    12, // machines that boot for real
	"internal/clienttest":  12, // programs that know nothing of this project

	"internal/boottest/guest": 13, // their first program

	// Beside the house: what the product does not contain.
	"internal/archtest":     0,
	"internal/evidencetest": 0,
	"internal/gencodes":     11,
}

// siblings are rooms whose packages may import each other on one floor.
var siblings = []string{"simulators", "tee/endorsements", "internal/store", "internal/server", "internal/console", "internal/agent", "tee/launch", "client", "policies"}

// room returns the innermost room that dir lies in.
func room(dir string) (name string, floor int, ok bool) {
	for candidate, level := range floors {
		if within(dir, candidate) && len(candidate) > len(name) {
			name, floor, ok = candidate, level, true
		}
	}
	return name, floor, ok
}

// arrows reports imports that do not point down, and packages without a room.
func arrows(t Tree) []Violation {
	const rule = "arrows point down"
	var out []Violation
	for _, dir := range t.Dirs() {
		from, floor, ok := room(dir)
		if !ok {
			out = append(out, Violation{rule, dir, "this package has no floor; give it one in internal/archtest/floors.go"})
			continue
		}
		for _, file := range t.Code(dir) {
			for _, imported := range file.Imports() {
				target, ok := own(imported)
				if !ok {
					continue
				}
				to, below, known := room(target)
				if known && (below < floor || from == to && withinAny(dir, siblings...)) {
					continue
				}
				out = append(out, Violation{rule, file.Path, fmt.Sprintf("%s (floor %d) imports %s (floor %d)", dir, floor, target, below)})
			}
		}
	}
	return out
}
