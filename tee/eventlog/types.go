package eventlog

import "fmt"

// EventType says what an event is about (TCG PC Client Platform Firmware
// Profile, table 9). It is not measured: whoever hands over a log can write any
// type to any digest.
type EventType uint32

// The types that this package looks at. Others are kept as numbers.
const (
	NoAction             EventType = 0x0000_0003
	Separator            EventType = 0x0000_0004
	EventTag             EventType = 0x0000_0006
	SCRTMVersion         EventType = 0x0000_0008
	IPL                  EventType = 0x0000_000d
	EFIVariableConfig    EventType = 0x8000_0001
	EFIVariableBoot      EventType = 0x8000_0002
	EFIApplication       EventType = 0x8000_0003
	EFIBootDriver        EventType = 0x8000_0004
	EFIRuntimeDriver     EventType = 0x8000_0005
	EFIGPT               EventType = 0x8000_0006
	EFIAction            EventType = 0x8000_0007
	EFIVariableBoot2     EventType = 0x8000_000c
	EFIHCRTM             EventType = 0x8000_0010
	EFIVariableAuthority EventType = 0x8000_00e0
	// RuntimeEvent is no type of the TCG: TD guests write their own events to RTMR3 with it.
	RuntimeEvent EventType = 0x0800_0001
)

var typeNames = map[EventType]string{
	NoAction: "EV_NO_ACTION", Separator: "EV_SEPARATOR", EventTag: "EV_EVENT_TAG", SCRTMVersion: "EV_S_CRTM_VERSION", IPL: "EV_IPL",
	EFIVariableConfig: "EV_EFI_VARIABLE_DRIVER_CONFIG", EFIVariableBoot: "EV_EFI_VARIABLE_BOOT", EFIVariableBoot2: "EV_EFI_VARIABLE_BOOT2",
	EFIApplication: "EV_EFI_BOOT_SERVICES_APPLICATION", EFIBootDriver: "EV_EFI_BOOT_SERVICES_DRIVER", EFIRuntimeDriver: "EV_EFI_RUNTIME_SERVICES_DRIVER",
	EFIAction: "EV_EFI_ACTION", EFIHCRTM: "EV_EFI_HCRTM_EVENT", EFIVariableAuthority: "EV_EFI_VARIABLE_AUTHORITY",
	0x0000_0000: "EV_PREBOOT_CERT", 0x0000_0001: "EV_POST_CODE", 0x0000_0005: "EV_ACTION", 0x0000_0007: "EV_S_CRTM_CONTENTS",
	0x0000_0009: "EV_CPU_MICROCODE", 0x0000_000a: "EV_PLATFORM_CONFIG_FLAGS", 0x0000_000b: "EV_TABLE_OF_DEVICES",
	0x0000_000c: "EV_COMPACT_HASH", 0x0000_000f: "EV_NONHOST_CODE", 0x0000_0010: "EV_NONHOST_CONFIG", 0x0000_0011: "EV_NONHOST_INFO",
	0x0000_0012: "EV_OMIT_BOOT_DEVICE_EVENTS", EFIGPT: "EV_EFI_GPT_EVENT", 0x8000_0008: "EV_EFI_PLATFORM_FIRMWARE_BLOB",
	0x8000_0009: "EV_EFI_HANDOFF_TABLES", 0x8000_000a: "EV_EFI_PLATFORM_FIRMWARE_BLOB2", 0x8000_000b: "EV_EFI_HANDOFF_TABLES2",
}

// String returns the TCG's name, or the number.
func (t EventType) String() string {
	if name, ok := typeNames[t]; ok {
		return name
	}
	return fmt.Sprintf("0x%08x", uint32(t))
}
