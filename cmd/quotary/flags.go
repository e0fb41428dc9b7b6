package main

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// errHelp means that the user asked for the command's help text.
var errHelp = flag.ErrHelp

// flagSet is a command's own set of flags: silent, and never the process's.
func flagSet(name string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	return fs
}

// parse reads flags and operands, which may stand in any order; behind "--"
// everything is an operand.
func parse(fs *flag.FlagSet, args []string) ([]string, error) {
	var operands []string
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, errHelp) {
				return nil, err
			}
			return nil, usage(err.Error(), "try: quotary "+fs.Name()+" --help")
		}
		rest := fs.Args()
		if len(rest) == 0 {
			return operands, nil
		}
		if parsed := args[:len(args)-len(rest)]; len(parsed) > 0 && parsed[len(parsed)-1] == "--" {
			return append(operands, rest...), nil
		}
		operands, args = append(operands, rest[0]), rest[1:]
	}
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(value string) error {
	if value == "" {
		return errors.New("must not be empty")
	}
	*l = append(*l, value)
	return nil
}

// hexBytes is a flag of bytes in hex. Nil means that it was not given, which is
// not the same as empty.
type hexBytes []byte

func (h *hexBytes) String() string { return hex.EncodeToString(*h) }

func (h *hexBytes) Set(value string) error {
	b, err := hex.DecodeString(value)
	if err != nil {
		return errors.New("not hex (two digits a byte)")
	}
	*h = b
	return nil
}

// instant is a flag of a time in RFC 3339. Whether it was given is not told by
// the time: the zero time can be asked for, too.
type instant struct {
	time.Time
	given bool
}

func (i *instant) Set(value string) error {
	t, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return errors.New("not a time as RFC 3339 has it, such as 2026-11-22T10:00:00Z")
	}
	if year := t.UTC().Year(); year < 0 || year > 9999 {
		return errors.New("not a time as RFC 3339 has it: in UTC its year has no four digits")
	}
	i.Time, i.given = t, true
	return nil
}

// choice is a flag that takes one of some words.
type choice struct {
	value string
	words []string
}

func (c *choice) String() string { return c.value }

func (c *choice) Set(value string) error {
	for _, word := range c.words {
		if value == word {
			c.value = value
			return nil
		}
	}
	return fmt.Errorf("must be %s", strings.Join(c.words, " or "))
}

// outputFlag defines -o.
func outputFlag(fs *flag.FlagSet, words ...string) *choice {
	c := &choice{words[0], words}
	fs.Var(c, "o", "output format")
	return c
}

// parseWithout parses a command line that has no operands.
func parseWithout(fs *flag.FlagSet, args []string) error {
	operands, err := parse(fs, args)
	if err == nil && len(operands) > 0 {
		err = usage(fmt.Sprintf("%s takes no operand, got %q", fs.Name(), operands[0]), "try: quotary "+fs.Name()+" --help")
	}
	return err
}
