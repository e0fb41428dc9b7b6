package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
)

const profilesHelp = `usage: quotary profile list [FLAG]
       quotary profile use NAME
       quotary profile remove NAME

Look after the profiles that quotary login makes. No service is asked.

subcommands:
  list    all profiles; the current one is marked
  use     make a profile the current one
  remove  forget a profile, as quotary logout

Each has its own: quotary profile list --help
`

const profileListHelp = `usage: quotary profile list [FLAG]

List the profiles: which service each is for, and by which credential.

  -o text|json|yaml   output format

exit codes: 0 done, 1 the configuration cannot be read

examples:
  quotary profile list
  quotary profile list -o json | jq -r .current
`

const profileUseHelp = `usage: quotary profile use NAME

Make a profile the current one, which commands use that name no other. For one command,
or one shell, give --profile NAME or set QUOTARY_PROFILE instead.

exit codes: 0 done, 1 there is no such profile

examples:
  quotary profile use ci
`

const profileRemoveHelp = `usage: quotary profile remove NAME

Forget a profile, and the credential that was kept for it. Certificates, keys and
tokens in files of your own stay; the service is not asked.

exit codes: 0 done, 1 there is no such profile, or it cannot be forgotten

examples:
  quotary profile remove ci
`

func profileCommands() []command {
	return []command{
		{"list", "all profiles", profileListHelp, profileList},
		{"use", "make a profile the current one", profileUseHelp, profileUse},
		{"remove", "forget a profile", profileRemoveHelp, profileRemove},
	}
}

func profileCommand(s streams, args []string) (exit, error) {
	return subcommand(s, "profile", profileCommands(), args)
}

// listedProfile is a profile as the list has it: where its credential is, not what.
type listedProfile struct {
	Name        string `json:"name"`
	Current     bool   `json:"current"`
	URL         string `json:"url"`
	TrustDomain string `json:"trust_domain"`
	Credential  string `json:"credential"` // its kind
}

func profileList(s streams, args []string) (exit, error) {
	flags := flagSet("profile list")
	output := outputFlag(flags, "text", "json", "yaml")
	if err := parseWithout(flags, args); err != nil {
		return exitFailed, err
	}
	config, err := readUserConfig()
	if err != nil {
		return exitFailed, err
	}
	list := []listedProfile{}
	for _, name := range slices.Sorted(maps.Keys(config.Profiles)) {
		p := config.Profiles[name]
		list = append(list, listedProfile{name, name == config.Current, p.URL, p.TrustDomain, p.Credential.kinds()[0]})
	}
	return exitAccepted, writeValue(s, output.value, map[string]any{"current": config.Current, "profiles": list}, func() error {
		showProfiles(s, list)
		return nil
	})
}

func showProfiles(s streams, list []listedProfile) {
	if len(list) == 0 {
		fmt.Fprintln(s.out, "none; quotary login makes one")
		return
	}
	t := newTable(column{"", true}, column{"PROFILE", true}, column{"SERVICE", true}, column{"TRUST DOMAIN", false}, column{"CREDENTIAL", false})
	for _, p := range list {
		mark := cell{}
		if p.Current {
			mark = cell{"*", green}
		}
		t.add(mark, p.Name, p.URL, p.TrustDomain, p.Credential)
	}
	t.write(s)
}

// namedProfile reads the configuration, and which of its profiles is meant.
func namedProfile(command string, args []string) (*userConfig, string, error) {
	name, err := operandOf(flagSet(command), args, "NAME")
	if err != nil {
		return nil, "", err
	}
	config, err := readUserConfig()
	if err != nil {
		return nil, "", err
	}
	if _, ok := config.Profiles[name]; !ok {
		return nil, "", config.absent(name)
	}
	return config, name, nil
}

// absent says that there is no such profile, and which there are.
func (c *userConfig) absent(name string) error {
	if len(c.Profiles) == 0 {
		return usage(fmt.Sprintf("there is no profile %q", name), "log in: quotary login --help")
	}
	return usage(fmt.Sprintf("there is no profile %q", name), "profiles are "+c.names()+"; to make one: quotary login --help")
}

func profileUse(s streams, args []string) (exit, error) {
	config, name, err := namedProfile("profile use", args)
	if err != nil {
		return exitFailed, err
	}
	config.Current = name
	if err := config.write(); err != nil {
		return exitFailed, err
	}
	fmt.Fprintf(s.out, "profile %s is the current one: %s\n", name, printable(config.Profiles[name].URL))
	if other := os.Getenv("QUOTARY_PROFILE"); other != "" && other != name {
		s.note("QUOTARY_PROFILE is set, and stands before it: %s", printable(other))
	}
	return exitAccepted, nil
}

func profileRemove(s streams, args []string) (exit, error) {
	config, name, err := namedProfile("profile remove", args)
	if err != nil {
		return exitFailed, err
	}
	return forget(s, config, name)
}

// forget removes a profile and the credential that was kept for it.
func forget(s streams, config *userConfig, name string) (exit, error) {
	if err := os.Remove(config.credentialFile(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return exitFailed, err
	}
	delete(config.Profiles, name)
	current := config.Current == name
	if current {
		config.Current = ""
	}
	if err := config.write(); err != nil {
		return exitFailed, err
	}
	fmt.Fprintf(s.out, "forgot profile %s\n", name)
	if current && len(config.Profiles) > 0 {
		s.note("it was the current one; choose another: quotary profile use NAME (%s)", config.names())
	}
	return exitAccepted, nil
}
