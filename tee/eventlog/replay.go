package eventlog

import (
	"bytes"

	"github.com/quotary/quotary/evidence"
)

// Values are registers by their index, each of the size of its bank's digest.
type Values = map[int]evidence.Hex

// Replay is what a log leads to in one bank.
type Replay struct {
	Log  *Log
	Bank Algorithm
	// Values are what the registers that the log extends hold after its events.
	Values Values
}

// Replay computes what each register that the log extends holds after its events,
// in one bank, from the value that the register has when the machine starts.
func (l *Log) Replay(bank Algorithm) (*Replay, error) {
	size := l.size(bank)
	if size < 0 || size != algorithms[bank].size {
		return nil, evidence.Errorf(evidence.CodeEventLogBank, "", "the log has no digests of %s", bank)
	}
	if _, computable := ParseAlgorithm(bank.String()); !computable {
		return nil, evidence.Errorf(evidence.CodeEventLogBank, "", "digests of %s cannot be computed", bank)
	}
	locality, err := l.startupLocality()
	if err != nil {
		return nil, err
	}
	var registers [maxPCR + 1]evidence.Hex
	room := make([]byte, len(registers)*size)
	for i := range l.Events {
		event := &l.Events[i]
		if !event.Extends() {
			continue
		}
		n := event.Register
		if registers[n] == nil {
			registers[n] = room[n*size : (n+1)*size : (n+1)*size]
			if n == 0 && l.Registers == PCRs {
				registers[n][size-1] = locality
			}
		}
		bank.extend(registers[n], l.Digest(event, bank))
	}
	values := Values{}
	for n, value := range registers {
		if value != nil {
			values[n] = value
		}
	}
	return &Replay{Log: l, Bank: bank, Values: values}, nil
}

var localitySignature = []byte("StartupLocality\x00")

// localityHCRTM is the locality of the hardware's own measurement, which comes
// before the TPM is started (PFP, 3.3.2).
const localityHCRTM = 4

func isLocality(b byte) bool { return b == 0 || b == 3 || b == localityHCRTM }

// startupLocality returns the last byte of PCR 0 when the TPM is started: the
// locality of TPM2_Startup, or 4 where the hardware measured first. A log states
// it before the first event that extends PCR 0, or begins that register with the
// hardware's event. Elsewhere the statement is refused: it would be a way to
// choose a starting value.
func (l *Log) startupLocality() (byte, error) {
	stated, extended := -1, false
	for i := range l.Events {
		event := &l.Events[i]
		switch {
		case l.Registers != PCRs:
		case event.Type == NoAction && bytes.HasPrefix(event.Data, localitySignature):
			locality := event.Data[len(localitySignature):]
			if stated >= 0 || extended || event.Register != 0 || len(locality) != 1 || !isLocality(locality[0]) {
				return 0, evidence.Errorf(evidence.CodeEventLogLocality, "", "the startup locality at byte %d is stated again, too late or not as 0, 3 or 4", event.Offset)
			}
			stated = int(locality[0])
		case event.Extends() && event.Register == 0:
			if !extended && stated < 0 && event.Type == EFIHCRTM {
				stated = localityHCRTM
			}
			extended = true
		}
	}
	return byte(max(stated, 0)), nil
}
