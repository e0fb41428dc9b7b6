// Package clienttest has programs that know nothing of Quotary use its identities, as they
// come from their makers: servers that read certificates, keys and revocation lists from
// files that the agent writes, and clients of the SPIFFE Workload API. Each test has a real
// service, simulated machines and real agents. What was tested, and the configurations that
// the tests take word for word, are in docs/interop.md.
//
// The programs of the first kind are Debian's (scripts/test-tools); those of the second are
// built by scripts/test-client-tools, and their tests have the build tag clients.
package clienttest
