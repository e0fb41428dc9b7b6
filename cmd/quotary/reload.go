package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/quotary/quotary/client/admin"
)

const reloadHelp = `usage: quotary reload [FLAG]…

Have the service read its files again: policy documents where files decide, endorsements,
and the keys of the identity provider. All of it counts then, or nothing: if something is
wrong, what was in force stays so. The same is done by a SIGHUP.

` + adminHelp + adminExits + `
examples:
  quotary reload
`

func reload(s streams, args []string) (exit, error) {
	var f adminFlags
	flags := flagSet("reload")
	f.register(flags)
	if err := parseWithout(flags, args); err != nil {
		return exitFailed, err
	}
	return administer(s, &f, operator, func(ctx context.Context, c *admin.Client) error {
		r, err := c.Reload(ctx)
		if err != nil {
			return err
		}
		return writeValue(s, f.output.value, r, func() error {
			fmt.Fprintln(s.out, s.terminal.paint(green, "RELOADED"))
			policy := r.Policy.Digest
			if r.Policy.Seq > 0 {
				policy += fmt.Sprintf(" (number %d of the history; no files)", r.Policy.Seq)
			}
			unrecognised := ""
			if r.Unrecognised > 0 {
				unrecognised = count(r.Unrecognised, "file") + " among them not used; the service's log names them"
			}
			s.fields(row{"policy", policy}, row{"endorsements", strconv.Itoa(r.Endorsements)}, row{"unrecognised", unrecognised})
			return nil
		})
	})
}
