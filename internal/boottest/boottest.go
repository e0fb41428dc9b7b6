// Package boottest boots machines for real: Debian's kernel under QEMU, with EDK II as
// firmware and a software TPM, and quotary-agent as the first program that it runs. The
// registers that the firmware and the kernel fill are judged by a service of the test's
// own, by a policy that was computed from the very files before there was a machine.
//
// The tests have the build tag boot; make test-boot installs what they need and runs
// them. What the package holds is what the artefacts are made with.
package boottest
