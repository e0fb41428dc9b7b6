package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/attacks"
	"github.com/quotary/quotary/simulators/lab"
)

const prepareHelp = `  quotary-sim prepare --dir DIR --seed SEED [--listen ADDRESS] [--trust-domain NAME]

prepare writes what a service of its own needs to trust a simulated world: the
simulated vendors' roots, everything that they publish, the policies of the rows
of quotary-sim attack, and a configuration. Whoever knows the seed owns all the
hardware of this world: such a service proves nothing to anybody.
  --dir DIR            where to write; it must be new or empty
  --seed SEED          what the world is made of; the same seed makes the same roots
  --listen ADDRESS     where the service will listen (default 127.0.0.1:8443)
  --trust-domain NAME  its trust domain (default ` + lab.DefaultTrustDomain + `)

Examples:
  quotary-sim prepare --dir ./sim --seed mine
  quotaryd serve --config ./sim/quotaryd.yaml --data ./sim/data
`

// prepare is the command of that name.
func prepare(_ context.Context, args []string, s streams) error {
	flags := newFlags("prepare")
	dir := flags.String("dir", "", "")
	seed := flags.String("seed", "", "")
	listen := flags.String("listen", "127.0.0.1:8443", "")
	trustDomain := flags.String("trust-domain", lab.DefaultTrustDomain, "")
	if err := parse(flags, args); err != nil {
		return err
	}
	if *dir == "" || *seed == "" {
		return errors.New("--dir and --seed are needed: where to write, and what the world is made of")
	}
	if _, _, err := net.SplitHostPort(*listen); err != nil {
		return fmt.Errorf("--listen takes an address and port, such as 127.0.0.1:8443, not %q", *listen)
	}
	if there, err := os.ReadDir(*dir); err == nil && len(there) > 0 {
		return fmt.Errorf("%s is not empty; name a new directory with --dir", *dir)
	}
	world, err := simulators.New(*seed, time.Now())
	if err != nil {
		return err
	}
	documents, err := attacks.Documents(world, *trustDomain)
	if err != nil {
		return err
	}
	files := lab.Files(*dir)
	if err := files.Write(world, documents); err != nil {
		return err
	}
	config := filepath.Join(*dir, "quotaryd.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, simulatedConfig, *trustDomain, *listen), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(s.out, `wrote %[1]s: roots, endorsements and policies of a simulated world, and a configuration
start the service:
  quotaryd serve --config %[2]s --data %[3]s
attack it:
  quotary-sim attack --target https://%[4]s --root %[5]s --seed %[6]s --trust-domain %[7]s
`, *dir, config, files.Data(), *listen, files.Root(), *seed, *trustDomain)
	return nil
}

// simulatedConfig is a service's configuration. Paths are relative to its file.
const simulatedConfig = `# A service that trusts simulated hardware. It proves nothing to anybody.
trust_domain: %s
listen: %s
policies: [policies]
endorsements: [simulated/endorsements]
vendors: {offline: true}
simulated:
  accept: true
  roots: [simulated/roots]
`
