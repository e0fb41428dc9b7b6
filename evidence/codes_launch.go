package evidence

// Codes of measurements that are computed from artefacts.
var (
	CodeLaunchFirmware    = define("launch.firmware", "The firmware image is none whose launch can be computed: its size, its table of entries or its launch metadata is malformed.")
	CodeLaunchUnsupported = define("launch.unsupported", "The firmware image lacks what the launch asked for needs, such as a page for the hashes of kernel and command line.")
	CodeLaunchImage       = define("launch.image", "The file is no well-formed PE image with sections in order, or its sections are not those of a unified kernel image.")
	CodeLaunchVariable    = define("launch.variable", "The data is no UEFI variable store or signature list that firmware could measure.")
	CodeLaunchOption      = define("launch.option", "An option of the launch is out of its range, is missing, or contradicts another.")
)
