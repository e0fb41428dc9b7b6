package tokens

// Vector is the trustworthiness vector (AR4SI §3.1 and §2.3.4). Zero makes no
// claim and is left out.
type Vector struct {
	InstanceIdentity Trust `json:"instance-identity,omitempty" cbor:"0,keyasint,omitempty"`
	Configuration    Trust `json:"configuration,omitempty" cbor:"1,keyasint,omitempty"`
	Executables      Trust `json:"executables,omitempty" cbor:"2,keyasint,omitempty"`
	FileSystem       Trust `json:"file-system,omitempty" cbor:"3,keyasint,omitempty"`
	Hardware         Trust `json:"hardware,omitempty" cbor:"4,keyasint,omitempty"`
	RuntimeOpaque    Trust `json:"runtime-opaque,omitempty" cbor:"5,keyasint,omitempty"`
	StorageOpaque    Trust `json:"storage-opaque,omitempty" cbor:"6,keyasint,omitempty"`
	SourcedData      Trust `json:"sourced-data,omitempty" cbor:"7,keyasint,omitempty"`
}

// Trust is one claim of a vector.
type Trust int8

// The claims that we make (AR4SI §2.3.4). A number means the same in each place
// where it is used here.
const (
	noClaim               Trust = 0
	identityRecognized    Trust = 2  // instance-identity: recognised and not compromised
	configurationApproved Trust = 2  // configuration: approved
	configurationUnsafe   Trust = 36 // configuration: security-relevant elements are unavailable
	configurationRefused  Trust = 96 // configuration: unsupportable
	executablesBoot       Trust = 3  // executables: approved at boot
	executablesUnknown    Trust = 33 // executables: not recognised
	hardwareGenuine       Trust = 2  // hardware: genuine and supported
	hardwareVulnerable    Trust = 32 // hardware: genuine, with known vulnerabilities
	hardwareRefused       Trust = 96 // hardware: contraindicated
	hardwareUnknown       Trust = 97 // hardware: not recognised
	memoryEncrypted       Trust = 2  // runtime-opaque: encrypted memory in a TEE
	memoryVisible         Trust = 96 // runtime-opaque: visible from outside
)

// tier returns the tier that a claim belongs to (AR4SI §3.2).
func (t Trust) tier() Status {
	switch {
	case t >= -1 && t <= 1:
		return StatusNone
	case t >= -32 && t <= 31:
		return StatusAffirming
	case t >= -96 && t <= 95:
		return StatusWarning
	default:
		return StatusContraindicated
	}
}

func (v Vector) claims() []Trust {
	return []Trust{
		v.InstanceIdentity, v.Configuration, v.Executables, v.FileSystem,
		v.Hardware, v.RuntimeOpaque, v.StorageOpaque, v.SourcedData,
	}
}

// Status is the tier of the worst claim that is made. Without a claim about the
// hardware there is nothing that could be affirmed.
func (v Vector) Status() Status {
	status := worst(StatusAffirming, v.Hardware.tier())
	for _, claim := range v.claims() {
		if claim != noClaim {
			status = worst(status, claim.tier())
		}
	}
	return status
}
