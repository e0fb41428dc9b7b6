package main

import (
	"context"
	"fmt"

	"github.com/quotary/quotary/client/admin"
)

const policyShadowHelp = `usage: quotary policy shadow set [FLAG]… FILE|DIRECTORY…
       quotary policy shadow show [FLAG]…
       quotary policy shadow end [FLAG]…

Have a candidate decide whatever the service decides, beside the set in force. What it
says is counted and has no effect: nobody is admitted or denied by it. show says how often
both agreed, and by which check the candidate would have denied.

` + adminHelp + adminExits + `
examples:
  quotary policy shadow set ./policy
  quotary policy shadow show
  quotary policy shadow end
`

func policyShadow(s streams, args []string) (exit, error) {
	var f adminFlags
	fs := flagSet("policy shadow")
	f.register(fs)
	operands, err := parse(fs, args)
	if err != nil {
		return exitFailed, err
	}
	if len(operands) == 0 || operands[0] != "set" && len(operands) > 1 {
		return exitFailed, usage("policy shadow takes set FILES…, show or end", "try: quotary policy shadow --help")
	}
	switch operands[0] {
	case "set":
		return shadowSet(s, &f, operands[1:])
	case "show":
		return shadowShow(s, &f)
	case "end":
		return administer(s, &f, operator, func(ctx context.Context, c *admin.Client) error {
			_, err := c.SetShadow(ctx, nil)
			if err != nil {
				return err
			}
			return writeValue(s, f.output.value, map[string]string{"digest": ""}, func() error {
				fmt.Fprintln(s.out, "no candidate decides in the shadow any more")
				return nil
			})
		})
	}
	return exitFailed, usage(fmt.Sprintf("policy shadow does not know %q", operands[0]), "it takes set FILES…, show or end")
}

func shadowSet(s streams, f *adminFlags, paths []string) (exit, error) {
	documents, err := candidate(paths)
	if err != nil {
		return exitFailed, err
	}
	return administer(s, f, operator, func(ctx context.Context, c *admin.Client) error {
		digest, err := c.SetShadow(ctx, documents)
		if err != nil {
			return err
		}
		return writeValue(s, f.output.value, map[string]string{"digest": digest}, func() error {
			fmt.Fprintf(s.out, "%s decides in the shadow, without effect\n", printable(digest))
			showNext(s, f.next("quotary", "policy", "shadow", "show"))
			return nil
		})
	})
}

func shadowShow(s streams, f *adminFlags) (exit, error) {
	return f.do(s, viewer, func(ctx context.Context, c *admin.Client) error {
		shadow, err := c.Shadow(ctx)
		if err != nil {
			return err
		}
		return writeValue(s, f.output.value, shadow, func() error {
			showShadow(s, shadow)
			return nil
		})
	})
}

func showShadow(s streams, shadow *admin.Shadow) {
	if shadow.Digest == "" {
		fmt.Fprintln(s.out, "no candidate decides in the shadow")
		return
	}
	s.fields(row{"candidate", shadow.Digest}, row{"by", shadow.Author}, row{"since", stamp(shadow.Since)})
	fmt.Fprintln(s.out)
	if len(shadow.Counts) == 0 {
		fmt.Fprintln(s.out, "nothing was decided since")
		return
	}
	t := newTable(column{"COUNT", true}, column{"IN FORCE", true}, column{"CANDIDATE", true}, column{"", true}, column{"WHY", false})
	for _, c := range shadow.Counts {
		word := cell{"DIFFERS", yellow}
		if c.Agrees {
			word = cell{"agrees", none}
		}
		t.add(c.Count, c.Active, c.Candidate, word, c.Reason)
	}
	t.write(s)
	if shadow.Other > 0 {
		fmt.Fprintf(s.out, "… and %d more, which are not told apart\n", shadow.Other)
	}
}
