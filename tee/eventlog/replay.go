package eventlog

import (
	"bytes"
	"maps"
	"slices"

	"github.com/quotary/quotary/evidence"
)

// Values are registers by their index, each of the size of its bank's digest.
type Values = map[int]evidence.Hex

// The registers of a TPM that behave differently (TPM 2.0 PC Client Platform TPM Profile, table 5).
const (
	pcrDebug, pcrApplication = 16, 23 // any software sets them back at any time
	pcrDynamic, pcrDynamicTo = 17, 22 // all ones until a dynamic launch, which sets them to zero
)

// Replay returns what each register that the log extends holds after its events,
// in one bank, from the value that the register has when the machine starts.
func (l *Log) Replay(bank Algorithm) (Values, error) {
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
	return values, nil
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

// Comparison says of each quoted register whether the log accounts for it. Each
// list is in ascending order; a quoted register is in exactly one.
type Comparison struct {
	// Reproduced registers hold what the log's events lead to. Only their events
	// happened, in their order, and no others.
	Reproduced []int
	// Untouched registers hold their starting value, and the log has no events for them.
	Untouched []int
	// Unlogged registers were extended, but the log has no events for them. Nothing
	// is known of what they hold.
	Unlogged []int
	// Mismatched registers hold something else than the log's events lead to.
	Mismatched []int
	// Resettable registers may hold whatever software likes, logged or not.
	Resettable []int
	// Unquoted registers have events but no quoted value. Nothing holds these events
	// to the truth.
	Unquoted []int
}

// Compare holds the registers that the log leads to against the quoted ones.
func (l *Log) Compare(replayed, quoted Values) Comparison {
	var c Comparison
	for _, n := range slices.Sorted(maps.Keys(quoted)) {
		value, logged := replayed[n]
		list := &c.Mismatched
		switch {
		case l.Registers == PCRs && (n == pcrDebug || n == pcrApplication):
			list = &c.Resettable
		case logged && bytes.Equal(value, quoted[n]):
			list = &c.Reproduced
		case !logged && l.starting(n, quoted[n]):
			list = &c.Untouched
		case !logged:
			list = &c.Unlogged
		}
		*list = append(*list, n)
	}
	for _, n := range slices.Sorted(maps.Keys(replayed)) {
		if _, ok := quoted[n]; !ok {
			c.Unquoted = append(c.Unquoted, n)
		}
	}
	return c
}

// starting reports whether value is what the register holds before anything
// extends it.
func (l *Log) starting(n int, value []byte) bool {
	if l.Registers == PCRs && n >= pcrDynamic && n <= pcrDynamicTo && isAll(value, 0xff) {
		return true
	}
	if last := len(value) - 1; l.Registers == PCRs && n == 0 && last >= 0 && isLocality(value[last]) {
		value = value[:last]
	}
	return isAll(value, 0)
}

func isAll(value []byte, want byte) bool {
	for _, b := range value {
		if b != want {
			return false
		}
	}
	return len(value) > 0
}
