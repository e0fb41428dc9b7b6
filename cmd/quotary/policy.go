package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/policies"
)

const policyHelp = `usage: quotary policy COMMAND [FLAG]… [OPERAND]…

Write, test, foresee, put in force and explain policies: what a machine has to show to
get which identity. docs/policy.md has the documents, docs/administration.md the story.

by files alone:
  init       draft a policy of a machine that is known to be good
  lint       look for what is wrong, dangerous or pointless in documents
  test       have a policy decide cases of which the outcome is written down
  diff       show what differs between two sets
  explain    say why evidence is accepted or refused, and what would have to change
  schema     print the JSON Schema of policy documents, for editors

by a service (quotary login):
  show       show the set in force, or an earlier one
  history    list the sets that were in force
  plan       replay what the service recorded over a candidate
  apply      put a set in force; a dry run, unless told otherwise
  rollback   put an earlier set in force again; likewise
  proposals  list what waits for owners to agree
  approve    agree to a proposal; shows it, unless told otherwise
  withdraw   take a proposal back
  shadow     have a candidate decide beside the set in force, without effect

Each has its own: quotary policy lint --help
`

// policyCommands lists the subcommands of policy.
func policyCommands() []command {
	return []command{
		{"init", "draft a policy of a good machine", policyInitHelp, policyInit},
		{"lint", "look for what is wrong in documents", policyLintHelp, policyLint},
		{"test", "have a policy decide cases", policyTestHelp, policyTest},
		{"diff", "show what differs between two sets", policyDiffHelp, policyDiff},
		{"explain", "say why evidence is accepted or refused", policyExplainHelp, policyExplain},
		{"schema", "print the JSON Schema of policy documents", policySchemaHelp, policySchema},
		{"show", "show the set in force, or an earlier one", policyShowHelp, policyShow},
		{"history", "list the sets that were in force", policyHistoryHelp, policyHistory},
		{"plan", "replay what was recorded over a candidate", policyPlanHelp, policyPlan},
		{"apply", "put a set in force", policyApplyHelp, policyApply},
		{"rollback", "put an earlier set in force again", policyRollbackHelp, policyRollback},
		{"proposals", "list what waits for owners to agree", policyProposalsHelp, policyProposals},
		{"approve", "agree to a proposal", policyApproveHelp, policyApprove},
		{"withdraw", "take a proposal back", policyWithdrawHelp, policyWithdraw},
		{"shadow", "try a candidate without effect", policyShadowHelp, policyShadow},
	}
}

func policyCommand(s streams, args []string) (exit, error) {
	return subcommand(s, "policy", policyCommands(), args)
}

const policySchemaHelp = `usage: quotary policy schema

Print the JSON Schema (draft 2020-12) of one policy document, for editors. It knows
every key and the form of every value; what is unsafe quotary policy lint knows.

examples:
  quotary policy schema > policy.schema.json
`

func policySchema(s streams, args []string) (exit, error) {
	if err := parseWithout(flagSet("policy schema"), args); err != nil {
		return exitFailed, err
	}
	s.out.Write(policies.Schema)
	return exitAccepted, nil
}

// readDocuments reads the files of a set, of which there must be some.
func readDocuments(paths []string) ([]policies.File, error) {
	if len(paths) == 0 {
		return nil, usage("no policy documents are named", "name YAML files, or directories of them")
	}
	files, err := policies.ReadFiles(paths...)
	if err == nil && len(files) == 0 {
		err = usage("there are no policy documents in "+strings.Join(paths, ", "), "name YAML files, or directories with files *.yaml")
	}
	return files, withHint(err, "name YAML files, or directories of them")
}

// documentsOf are files as the service takes them: by their names, without where they are.
func documentsOf(files []policies.File) ([]admin.Document, error) {
	documents := make([]admin.Document, len(files))
	seen := map[string]string{}
	for i, file := range files {
		name := filepath.Base(file.Name)
		if other, ok := seen[name]; ok {
			return nil, usage(fmt.Sprintf("%s and %s have the same name, by which the service tells files apart", other, file.Name), "rename one of them")
		}
		seen[name] = file.Name
		documents[i] = admin.Document{Name: name, Content: string(file.Data)}
	}
	return documents, nil
}

// filesOf is the reverse of documentsOf.
func filesOf(documents []admin.Document) []policies.File {
	files := make([]policies.File, len(documents))
	for i, d := range documents {
		files[i] = policies.File{Name: d.Name, Data: []byte(d.Content)}
	}
	return files
}

// candidate reads a set that is meant for the service.
func candidate(paths []string) ([]admin.Document, error) {
	files, err := readDocuments(paths)
	if err != nil {
		return nil, err
	}
	return documentsOf(files)
}

// notesOf are problems as the service tells them.
func notesOf(found policies.Problems) []admin.Note {
	notes := make([]admin.Note, len(found))
	for i, problem := range found {
		rest, column := cutNumber(problem.Field)
		file, line := cutNumber(rest)
		notes[i] = admin.Note{File: file, Line: line, Column: column, Code: problem.Code.String(), Detail: problem.Detail}
	}
	return notes
}

// cutNumber takes off the number that follows the last colon.
func cutNumber(field string) (rest string, number int) {
	if at := strings.LastIndexByte(field, ':'); at >= 0 {
		if n, err := strconv.Atoi(field[at+1:]); err == nil {
			return field[:at], n
		}
	}
	return field, 0
}

// showNotes writes what is wrong, or doubtful, a line each.
func showNotes(s streams, word cell, notes []admin.Note) {
	for _, note := range notes {
		fmt.Fprintf(s.out, "%s: %s\n", s.terminal.paint(word.style, word.text), printable(note.String()))
	}
}

// decoded reads an answer's part as this build knows it; ok is false for a newer service's.
func decoded[T any](raw json.RawMessage) (value T, ok bool) {
	return value, json.Unmarshal(raw, &value) == nil
}
