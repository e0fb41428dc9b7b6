package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const completionHelp = `usage: quotary completion bash|zsh|fish

Print a script that has a shell complete quotary's command lines. It is made from the
commands that this program has.

examples:
  source <(quotary completion bash)                              # in ~/.bashrc
  source <(quotary completion zsh)                               # in ~/.zshrc, behind compinit
  quotary completion fish > ~/.config/fish/completions/quotary.fish
`

func completionCommands() []command {
	shell := func(script func([]node) string) func(streams, []string) (exit, error) {
		return func(s streams, args []string) (exit, error) {
			if err := parseWithout(flagSet("completion"), args); err != nil {
				return exitFailed, err
			}
			s.out.WriteString(script(nodes(commands(), families())))
			return exitAccepted, nil
		}
	}
	return []command{
		{"bash", "for bash", completionHelp, shell(bashScript)},
		{"zsh", "for zsh", completionHelp, shell(zshScript)},
		{"fish", "for fish", completionHelp, shell(fishScript)},
	}
}

func completion(s streams, args []string) (exit, error) {
	return subcommand(s, "completion", completionCommands(), args)
}

// node is a place on the command line: behind no command, a command or a subcommand.
type node struct {
	path     string // "/", "/audit", "/audit/tail"
	commands []command
	flags    []completedFlag
}

// completedFlag is a flag, with the words that it takes where they are known.
type completedFlag struct {
	name   string // with its hyphens
	values []string
}

// nodes lists all places, the root first.
func nodes(all []command, families map[string][]command) []node {
	list := []node{{path: "/", commands: all}}
	for _, c := range all {
		path := "/" + c.name
		of := families[c.name]
		if len(of) == 0 {
			list = append(list, node{path: path, flags: flagsIn(c.help)})
			continue
		}
		list = append(list, node{path: path, commands: of})
		for _, sub := range of {
			list = append(list, node{path: path + "/" + sub.name, flags: flagsIn(sub.help)})
		}
	}
	return list
}

// flagLine finds flags where help texts explain them: at the beginning of a line that
// is indented, with what they take.
var flagLine = regexp.MustCompile(`(?m)^  (-{1,2}[a-z][a-z0-9-]*)(?: ([^ \n]+))?`)

var someWords = regexp.MustCompile(`^[a-z0-9-]+(\|[a-z0-9-]+)+$`)

func flagsIn(help string) []completedFlag {
	var flags []completedFlag
	for _, found := range flagLine.FindAllStringSubmatch(help, -1) {
		f := completedFlag{name: found[1]}
		if someWords.MatchString(found[2]) {
			f.values = strings.Split(found[2], "|")
		}
		if !slices.ContainsFunc(flags, func(other completedFlag) bool { return other.name == f.name }) {
			flags = append(flags, f)
		}
	}
	return append(flags, completedFlag{name: "--help"})
}

// words are what may stand at a place.
func (n node) words() string {
	var words []string
	for _, c := range n.commands {
		words = append(words, c.name)
	}
	for _, f := range n.flags {
		words = append(words, f.name)
	}
	return strings.Join(words, " ")
}

// paths lists the places behind the root.
func paths(nodes []node, between string) string {
	var all []string
	for _, n := range nodes[1:] {
		all = append(all, n.path)
	}
	return strings.Join(all, between)
}

// bashScript finds out where on the command line the cursor is, and offers what may
// stand there; where nothing fits, files.
func bashScript(nodes []node) string {
	var values, words strings.Builder
	for _, n := range nodes {
		for _, f := range n.flags {
			if f.values != nil {
				fmt.Fprintf(&values, "    '%s %s') words='%s' ;;\n", n.path, f.name, strings.Join(f.values, " "))
			}
		}
		fmt.Fprintf(&words, "      %s) words='%s' ;;\n", n.path, n.words())
	}
	return `# bash completion of quotary
_quotary() {
  local at='' words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at/${COMP_WORDS[i]}" in
    ` + paths(nodes, "|") + `) at="$at/${COMP_WORDS[i]}" ;;
    esac
  done
  case "${at:-/} ${COMP_WORDS[COMP_CWORD-1]}" in
` + values.String() + `    *)
      case "${at:-/}" in
` + words.String() + `      esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _quotary quotary
`
}

// zshScript is as bashScript.
func zshScript(nodes []node) string {
	var values, words strings.Builder
	for _, n := range nodes {
		for _, f := range n.flags {
			if f.values != nil {
				fmt.Fprintf(&values, "    ('%s %s') compadd -- %s; return ;;\n", n.path, f.name, strings.Join(f.values, " "))
			}
		}
		fmt.Fprintf(&words, "    (%s) compadd -- %s ;;\n", n.path, n.words())
	}
	return `#compdef quotary
_quotary() {
  local at='' i
  for ((i = 2; i < CURRENT; i++)); do
    case "$at/${words[i]}" in
    (` + paths(nodes, "|") + `) at="$at/${words[i]}" ;;
    esac
  done
  case "${at:-/} ${words[CURRENT-1]}" in
` + values.String() + `  esac
  case "${at:-/}" in
` + words.String() + `  esac
  [[ $at == '' ]] || _files
}
compdef _quotary quotary
`
}

// fishScript is as bashScript; fish shows what commands are for.
func fishScript(nodes []node) string {
	var b strings.Builder
	b.WriteString(`# fish completion of quotary
function __quotary_at
  set -l at
  for word in (commandline -opc)[2..-1]
    switch "$at/$word"
      case ` + paths(nodes, " ") + `
        set at "$at/$word"
    end
  end
  test "$at/" = "$argv[1]" -o "$at" = "$argv[1]"
end
`)
	for _, n := range nodes {
		for _, c := range n.commands {
			fmt.Fprintf(&b, "complete -c quotary -f -n '__quotary_at %s' -a %s -d '%s'\n", n.path, c.name, fishText(c.summary))
		}
		for _, f := range n.flags {
			fmt.Fprintf(&b, "complete -c quotary -n '__quotary_at %s' %s\n", n.path, fishFlag(f))
		}
	}
	return b.String()
}

func fishFlag(f completedFlag) string {
	name, long := strings.CutPrefix(f.name, "--")
	kind := "-l "
	if !long {
		name, kind = f.name[1:], "-s "
	}
	if f.values != nil {
		return kind + name + " -x -a '" + strings.Join(f.values, " ") + "'"
	}
	return kind + name
}

// fishText is a text between single quotes.
func fishText(text string) string {
	return strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text)
}
