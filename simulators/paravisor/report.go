package paravisor

import (
	"encoding/binary"
	"fmt"

	"github.com/quotary/quotary/evidence"
)

// The layout of the report (Microsoft Learn, "Confidential VM guest attestation
// design"), sizes in bytes.
const (
	headerSize   = 32
	hardwareSize = 1184 // room for the larger of the two reports
	indexSize    = 2600 // of the NV index, whose rest is zeros
)

// The numbers in it.
const (
	requestReport = 2
	reportSNP     = 2
	reportTDX     = 4
	hashSHA256    = 1
)

// Report returns what the guest reads from the NV index 0x01400001: the
// hardware's report to the paravisor, which for TDX is a TDREPORT, and the runtime data.
func (m *Machine) Report() ([]byte, error) {
	if m.options.Form != RuntimeData {
		return nil, fmt.Errorf("paravisor: only Azure's paravisors write this report")
	}
	text, err := m.RuntimeData()
	if err != nil {
		return nil, err
	}
	hardware, err := m.hardware.report(reportData(text))
	if err != nil {
		return nil, err
	}
	data := m.requestData(text)
	le := binary.LittleEndian
	raw := append(make([]byte, 0, indexSize), "HCLA"...)
	raw = le.AppendUint32(raw, uint32(m.options.Version))
	raw = le.AppendUint32(raw, uint32(headerSize+hardwareSize+len(data)))
	raw = le.AppendUint32(raw, requestReport)
	raw = append(raw, make([]byte, headerSize-len(raw))...) // status: success; reserved
	raw = append(raw, hardware...)
	raw = append(raw, make([]byte, headerSize+hardwareSize-len(raw))...)
	raw = append(raw, data...)
	return append(raw, make([]byte, max(indexSize-len(raw), 0))...), nil
}

// requestData is the runtime data with the numbers before it.
func (m *Machine) requestData(text []byte) []byte {
	kind, version := uint32(reportSNP), uint32(1)
	if m.kind == evidence.KindTDX {
		kind = reportTDX
	}
	var capabilities []byte
	if m.options.Capabilities {
		version, capabilities = 2, make([]byte, 4)
	}
	const numbers = 20
	le := binary.LittleEndian
	raw := le.AppendUint32(nil, uint32(numbers+len(capabilities)+len(text)))
	raw = le.AppendUint32(raw, version)
	raw = le.AppendUint32(raw, kind)
	raw = le.AppendUint32(raw, hashSHA256)
	raw = le.AppendUint32(raw, uint32(len(text)))
	return append(append(raw, capabilities...), text...)
}
