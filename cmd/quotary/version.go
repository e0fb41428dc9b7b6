package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

const versionHelp = `usage: quotary version

Print the version of this program, and of Go and the platform it was built for.
`

func version(s streams, args []string) (exit, error) {
	operands, err := parse(flagSet("version"), args)
	if err != nil {
		return exitFailed, err
	}
	if len(operands) > 0 {
		return exitFailed, usage("version takes no operands", "try: quotary version")
	}
	fmt.Fprintf(s.out, "quotary %s (%s %s/%s)\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return exitAccepted, nil
}

// buildVersion is the module's version as the Go toolchain stamped it, with the
// commit where it was built from a checkout.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" && len(setting.Value) >= 12 {
			return info.Main.Version + " " + setting.Value[:12]
		}
	}
	return info.Main.Version
}
