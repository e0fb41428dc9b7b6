package main

const endorsementsHelp = `usage: quotary endorsements status   --store DIR [FLAG]…
       quotary endorsements prefetch --store DIR [FLAG]…
       quotary endorsements export   --store DIR --out FILE
       quotary endorsements import   --store DIR [FLAG]… PATH…

Look after a store of endorsements: what vendors say of the keys that sign
evidence, and of those they revoked. A store is a directory; a service's is
DATA/collateral, which may be used while the service runs.

subcommands:
  status    what the store holds and lacks, how old it is, and what failed
  prefetch  fetch what given evidence, or every verification, draws on
  export    write all of it as one archive, for where there is no network
  import    take in what is authentic of files, directories and archives

examples, with a network:
  quotary endorsements prefetch --store ./collateral --evidence evidence.json
  quotary endorsements export --store ./collateral --out bundle.tar.gz
and without:
  quotary endorsements import --store ./collateral bundle.tar.gz
  quotary verify --endorsements ./collateral evidence.json

Each has its own: quotary endorsements status --help
`

// endorsementsCommands lists the subcommands of endorsements.
func endorsementsCommands() []command {
	return []command{
		{"status", "what the store holds and lacks", statusHelp, status},
		{"prefetch", "fetch what verifications draw on", prefetchHelp, prefetch},
		{"export", "write an offline bundle", exportHelp, export},
		{"import", "take in what is authentic", importHelp, importCommand},
	}
}

func endorsementsCommand(s streams, args []string) (exit, error) {
	return subcommand(s, "endorsements", endorsementsCommands(), args)
}
