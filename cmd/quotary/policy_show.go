package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/policies"
)

const policyShowHelp = `usage: quotary policy show [FLAG]… [NUMBER]

Show the set in force, or the one of this number in the history. What is written is
policy documents again, with what is known of them in comments.

  --out DIR              write the files into this directory instead, which must not
                         have files of their names

` + adminHelp + adminExits + `
examples:
  quotary policy show
  quotary policy show 6 --out ./policy.6
`

const policyHistoryHelp = `usage: quotary policy history [FLAG]…

List the sets that were put in force, the newest first. Each entry's hash covers all
before it; the audit trail, which quotary audit verify checks, has it too.

  --limit N              at most as many; 20 by default

` + adminHelp + adminExits + `
examples:
  quotary policy history
  quotary policy history -o json | jq -r '.sets[] | "\(.seq) \(.digest) \(.author)"'
`

func policyShow(s streams, args []string) (exit, error) {
	var f adminFlags
	var dir string
	fs := flagSet("policy show")
	f.register(fs)
	fs.StringVar(&dir, "out", "", "")
	operands, err := parse(fs, args)
	if err != nil {
		return exitFailed, err
	}
	seq := int64(0)
	if len(operands) > 0 {
		if seq, err = numberOf(flagSet("policy show"), operands, "NUMBER"); err != nil {
			return exitFailed, err
		}
	}
	return f.do(s, viewer, func(ctx context.Context, c *admin.Client) error {
		p, err := policyOf(ctx, c, seq)
		if err != nil {
			return err
		}
		if dir != "" {
			return writeDocuments(s, dir, p.Documents)
		}
		return writeValue(s, f.output.value, p, func() error {
			showPolicy(s, p)
			return nil
		})
	})
}

// policyOf returns the set of a number, or the one in force for 0.
func policyOf(ctx context.Context, c *admin.Client, seq int64) (*admin.Policy, error) {
	if seq == 0 {
		return c.Policy(ctx)
	}
	return c.PolicyAt(ctx, seq)
}

// showPolicy writes documents of which all that is added is comments.
func showPolicy(s streams, p *admin.Policy) {
	comment := func(name, value string) {
		if value != "" {
			fmt.Fprintf(s.out, "# %s: %s\n", name, printable(value))
		}
	}
	comment("set", p.Digest)
	switch {
	case p.Mode == "files":
		comment("decided by", "the service's files; it takes no other")
	case p.Seq > 0:
		comment("number", strconv.FormatInt(p.Seq, 10))
	default:
		comment("decided by", "the service's files, until the first set is applied")
	}
	comment("by", p.Author)
	comment("applied", stamp(p.AppliedAt))
	comment("comment", p.Comment)
	for _, w := range p.Warnings {
		comment("warning", w.String())
	}
	for _, d := range p.Documents {
		fmt.Fprintf(s.out, "---\n# file: %s\n", printable(d.Name))
		content := strings.TrimPrefix(d.Content, "---\n")
		for line := range strings.Lines(content) {
			text := strings.TrimRight(line, "\r\n")
			if s.terminal.width > 0 { // in files and pipes they are as they are
				text = printable(text)
			}
			fmt.Fprintln(s.out, text)
		}
	}
}

// isPlainDocument reports whether a file of this name can be written into any
// folder, and nothing but policy is read from it: not what shells and tools look
// for, which often begins with a dot. The service chooses the name.
func isPlainDocument(name string) bool {
	stem, ok := policies.FileStem(name)
	return ok && stem != "" && !strings.ContainsAny(name[:1], ".-") && !strings.ContainsAny(name, `/\`) && printable(name) == name
}

// writeDocuments writes files of a set, which must not exist.
func writeDocuments(s streams, dir string, documents []admin.Document) error {
	for _, d := range documents {
		if !isPlainDocument(d.Name) {
			return usage(fmt.Sprintf("the set has a file of the name %q, which is no plain name of a policy file", d.Name), "see it without --out")
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, d := range documents {
		path := filepath.Join(dir, d.Name)
		if err := writeNew(s, path, []byte(d.Content)); err != nil {
			return err
		}
		fmt.Fprintln(s.out, printable(path))
	}
	return nil
}

func policyHistory(s streams, args []string) (exit, error) {
	var f adminFlags
	var limit int
	fs := flagSet("policy history")
	f.register(fs)
	registerLimit(fs, &limit, 20)
	if err := parseWithout(fs, args); err != nil {
		return exitFailed, err
	}
	return f.do(s, viewer, func(ctx context.Context, c *admin.Client) error {
		list, err := gather(c.PolicyHistory(ctx, limit+1), limit)
		if err := noteCut(s, err, limit); err != nil {
			return err
		}
		return writeValue(s, f.output.value, map[string]any{"sets": list}, func() error {
			showHistory(s, list)
			return nil
		})
	})
}

func showHistory(s streams, list []admin.AppliedSet) {
	if len(list) == 0 {
		fmt.Fprintln(s.out, "none: no set was applied yet; the service's files decide")
		return
	}
	t := newTable(column{"NUMBER", true}, column{"APPLIED", true}, column{"BY", false}, column{"AGREED", false}, column{"SET", false}, column{"COMMENT", false})
	for _, set := range list {
		var names []string
		for _, a := range set.Approvals {
			names = append(names, a.Name)
		}
		t.add(set.Seq, stamp(set.AppliedAt), set.Author, strings.Join(names, ", "), set.Digest, set.Comment)
	}
	t.write(s)
}
