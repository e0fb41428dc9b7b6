package archtest

import (
	"fmt"
	"slices"
)

// fence keeps imports within some rooms.
type fence struct {
	rule    string
	imports []string // paths, with everything beneath them
	rooms   []string // who may; nobody if empty
	why     string
}

// networked are the rooms that may reach the network, or be reached.
var networked = []string{"tee/endorsements", "internal", "client", "cmd", "simulators/attacks", "simulators/vendors", "simulators/lab", "simulators/simtest", "simulators/control"}

// fences keep foreign libraries where they are handled with care.
var fences = []fence{
	{
		rule: "TEE libraries", rooms: []string{"tee/sevsnp", "tee/tdx", "tee/tpm", "tee/endorsements", "tee/internal/tsm", "simulators"},
		imports: []string{"github.com/google/go-sev-guest", "github.com/google/go-tdx-guest", "github.com/google/go-tpm", "github.com/google/go-configfs-tsm"},
		why:     "a vendor's library is called behind one boundary only, which checks its input first",
	},
	{
		rule: "network", rooms: networked,
		imports: []string{"net/http", "net/rpc", "net/smtp", "net/textproto", "golang.org/x/net", "google.golang.org/grpc", "github.com/go-chi/chi/v5"},
		why:     "verification, policy and issuance are pure; transport stands above them",
	},
	{
		rule: "database", rooms: []string{"internal/store"},
		imports: []string{"database/sql", "modernc.org/sqlite", "github.com/jackc/pgx/v5"},
		why:     "durable state has one room",
	},
	{
		rule: "PKCS #11", rooms: []string{"internal/pkcs11"},
		imports: []string{"github.com/ThalesGroup/crypto11", "github.com/miekg/pkcs11"},
		why:     "libraries in C stand behind a build tag",
	},
	{
		rule: "messages of proxies", rooms: []string{"internal/agent"},
		imports: []string{"github.com/envoyproxy/go-control-plane"},
		why:     "the agent alone speaks with proxies; others are not to carry their types",
	},
	{
		rule:    "in tests alone",
		imports: []string{"golang.org/x/crypto"},
		why:     "it judges what our own code writes",
	},
	{
		rule: "policy language", rooms: []string{"policies"},
		imports: []string{"github.com/google/cel-go"},
		why:     "rules are compiled and bounded in one place",
	},
	{
		rule: "no such dependency",
		imports: []string{"github.com/google/go-tpm-tools", "github.com/google/go-eventlog", "github.com/google/logger",
			"github.com/veraison/ear", "github.com/veraison/corim", "github.com/pkg/errors"},
		why: "docs/architecture.md says why it is left out",
	},
}

// fenced reports imports outside of their fence. Tests may use what they like.
func fenced(t Tree) []Violation {
	var out []Violation
	for _, dir := range t.Dirs() {
		for _, file := range t.Code(dir) {
			for _, f := range fences {
				for _, imported := range file.Imports() {
					if withinAny(imported, f.imports...) && !withinAny(dir, f.rooms...) {
						out = append(out, Violation{f.rule, file.Path, fmt.Sprintf("%s imports %s: %s", dir, imported, f.why)})
					}
				}
			}
		}
	}
	return out
}

// addresses are the names of package net that only describe addresses; crypto/x509
// cannot be used without them.
var addresses = []string{"IP", "IPNet", "IPMask", "ParseIP", "ParseCIDR", "CIDRMask", "IPv4len", "IPv6len"}

// sockets are rooms without network that open sockets themselves, and the names of
// package net that they may use for it: a TPM may listen on one.
var sockets = map[string][]string{"tee/tpm/guest": {"Dialer"}}

// connections are the names of package crypto/tls that open or accept connections.
var connections = []string{".", "Dial", "DialWithDialer", "Dialer", "Listen", "NewListener", "Client", "Server", "QUICClient", "QUICServer"}

// offline reports rooms that could open a connection although they must not.
func offline(t Tree) []Violation {
	const rule = "network"
	var out []Violation
	for _, dir := range t.Dirs() {
		if withinAny(dir, networked...) {
			continue
		}
		for _, file := range t.Code(dir) {
			for _, use := range file.Uses("net") {
				if !slices.Contains(addresses, use.Name) && !slices.Contains(sockets[dir], use.Name) {
					out = append(out, Violation{rule, use.Where, "net." + use.Name + " in a room without network"})
				}
			}
			for _, use := range file.Uses("crypto/tls") {
				if slices.Contains(connections, use.Name) {
					out = append(out, Violation{rule, use.Where, "tls." + use.Name + " in a room without network"})
				}
			}
		}
	}
	return out
}
