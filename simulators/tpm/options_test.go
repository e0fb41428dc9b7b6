package tpm_test

import (
	"bytes"
	"testing"

	simulator "github.com/quotary/quotary/simulators/tpm"
)

// TestKeysByChoice: one TPM can have many attestation keys, and many can have one.
func TestKeysByChoice(t *testing.T) {
	vendor, err := simulator.NewVendor(simulator.Options{Seed: "keys by choice"})
	must(t, err)
	machine := func(o simulator.MachineOptions) (*simulator.Machine, []byte) {
		m, err := vendor.NewMachine(o)
		must(t, err)
		request, err := m.Enrolment()
		must(t, err)
		return m, request.EKPublic
	}
	first, ek := machine(simulator.MachineOptions{Name: "one"})
	second, same := machine(simulator.MachineOptions{Name: "one", AK: "another"})
	shared, other := machine(simulator.MachineOptions{Name: "two", AK: "another"})
	if !bytes.Equal(ek, same) || bytes.Equal(ek, other) {
		t.Error("the endorsement key is not the TPM's")
	}
	if bytes.Equal(first.Public, second.Public) || !bytes.Equal(second.Public, shared.Public) {
		t.Error("the attestation key is not that of its name")
	}
}

// TestFirmware: a TPM states the version that it was given.
func TestFirmware(t *testing.T) {
	vendor, err := simulator.NewVendor(simulator.Options{Seed: "firmware"})
	must(t, err)
	for given, want := range map[uint64]uint64{0: 0x2026010100000001, 7: 7} {
		m, err := vendor.NewMachine(simulator.MachineOptions{Name: "one", Firmware: given})
		must(t, err)
		statement, err := m.Attestation(nil)
		must(t, err)
		if statement.FirmwareVersion != want {
			t.Errorf("firmware %x states %x", given, statement.FirmwareVersion)
		}
	}
}
