package main

const tpmHelp = `usage: quotary tpm ek [--tpm ADDRESS] [FLAG]…
       quotary tpm enrol --url URL --root FILE --out FILE [FLAG]…

Look after this machine's TPM.

subcommands:
  ek     show its endorsement keys, for an operator's list
  enrol  have a service certify its attestation key

Each has its own: quotary tpm ek --help
`

// tpmCommands lists the subcommands of tpm.
func tpmCommands() []command {
	return []command{
		{"ek", "show the endorsement keys", tpmEKHelp, tpmEK},
		{"enrol", "have a service certify the attestation key", tpmEnrolHelp, tpmEnrol},
	}
}

func tpmCommand(s streams, args []string) (exit, error) {
	return subcommand(s, "tpm", tpmCommands(), args)
}
