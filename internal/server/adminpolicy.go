package server

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/quotary/quotary/internal/inforce"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/policies"
)

// Document is a file of a policy set, as it is.
type Document struct {
	Name    string `json:"name"`
	Content string `json:"content"` // YAML
}

// DocumentProblem is something wrong, or doubtful, at one place of a document.
// Lines and columns count from 1, columns in characters; 0 is no place.
type DocumentProblem struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// PolicyResponse is the answer to GET /v1/admin/policy and POST /v1/admin/policy/at.
type PolicyResponse struct {
	Mode      inforce.Mode      `json:"mode"`
	Seq       int64             `json:"seq"` // 0 before the first was applied
	Digest    string            `json:"digest"`
	Author    string            `json:"author,omitempty"`
	AppliedAt time.Time         `json:"applied_at,omitzero"`
	Comment   string            `json:"comment,omitempty"`
	Documents []Document        `json:"documents"`
	Warnings  []DocumentProblem `json:"warnings"`
}

// Approval is an owner's consent.
type Approval struct {
	Name string    `json:"name"` // as the audit trail has it, without "admin:"
	At   time.Time `json:"at"`
}

// AppliedSet is a set of the history.
type AppliedSet struct {
	Seq       int64      `json:"seq"`
	Digest    string     `json:"digest"`
	Base      string     `json:"base"` // the set before it; empty for the first
	Author    string     `json:"author"`
	AppliedAt time.Time  `json:"applied_at"`
	Comment   string     `json:"comment"`
	Approvals []Approval `json:"approvals"`
	Hash      string     `json:"hash"` // of the history up to here
}

// HistoryResponse is the answer to POST /v1/admin/policy/history.
type HistoryResponse struct {
	Sets   []AppliedSet `json:"sets"`
	Cursor string       `json:"cursor,omitempty"`
}

// policy answers GET /v1/admin/policy.
func (s *Server) policy(*exchange) (reply, error) {
	active := s.Policies.Active()
	p := PolicyResponse{
		Mode: active.Mode, Digest: active.Set.Digest(), Documents: newDocuments(active.Documents),
		Warnings: newDocumentProblems(active.Set.Warnings(s.Now())),
	}
	if a := active.Applied; a != nil {
		p.Seq, p.Author, p.AppliedAt, p.Comment = a.Seq, a.Author, a.Time.UTC(), a.Comment
	}
	return reply{body: p}, nil
}

// policyAt answers POST /v1/admin/policy/at.
func (s *Server) policyAt(x *exchange) (reply, error) {
	o, err := x.decodeCall(maxCall, "seq")
	if err != nil {
		return reply{}, err
	}
	seq, err := o.needed("seq")
	if err != nil {
		return reply{}, err
	}
	set, err := s.Records.PolicyAt(x.r.Context(), seq)
	if err != nil {
		return reply{}, err
	}
	var found, warnings policies.Problems // this build may refuse what an older one took
	err = s.computing(x, func(context.Context) error { found, warnings = s.Policies.Lint(set.Documents); return nil })
	if err != nil {
		return reply{}, err
	}
	return reply{body: PolicyResponse{
		Mode: inforce.ByService, Seq: set.Seq, Digest: set.Digest, Author: set.Author, AppliedAt: set.Time.UTC(), Comment: set.Comment,
		Documents: newDocuments(set.Documents), Warnings: newDocumentProblems(append(found, warnings...)),
	}}, nil
}

// history answers POST /v1/admin/policy/history.
func (s *Server) history(x *exchange) (reply, error) {
	o, err := x.decodeCall(maxCall, "cursor", "limit")
	if err != nil {
		return reply{}, err
	}
	before, err := o.before()
	if err != nil {
		return reply{}, err
	}
	limit, err := o.limit()
	if err != nil {
		return reply{}, err
	}
	sets, err := s.Records.PolicyHistory(x.r.Context(), before, limit)
	if err != nil {
		return reply{}, err
	}
	r := HistoryResponse{Sets: []AppliedSet{}}
	for _, set := range sets {
		r.Sets = append(r.Sets, AppliedSet{
			Seq: set.Seq, Digest: set.Digest, Base: set.Base, Author: set.Author, AppliedAt: set.Time.UTC(), Comment: set.Comment,
			Approvals: newApprovals(set.Approvals), Hash: set.Hash.String(),
		})
	}
	if n := len(r.Sets); n == limit {
		r.Cursor, err = newCursor(r.Sets[n-1].Seq)
	}
	return reply{body: r}, err
}

func newApprovals(approvals []store.Approval) []Approval {
	list := make([]Approval, len(approvals))
	for i, a := range approvals {
		list[i] = Approval{a.By, a.Time.UTC()}
	}
	return list
}

// newDocuments leaves out where the operator keeps the files.
func newDocuments(files []policies.File) []Document {
	list := make([]Document, len(files))
	for i, file := range files {
		list[i] = Document{filepath.Base(file.Name), string(file.Data)}
	}
	return list
}

func newDocumentProblems(found policies.Problems) []DocumentProblem {
	list := make([]DocumentProblem, len(found))
	for i, problem := range found {
		rest, column := cutNumber(problem.Field)
		file, line := cutNumber(rest)
		list[i] = DocumentProblem{filepath.Base(file), line, column, problem.Code.String(), problem.Detail}
	}
	return list
}

// cutNumber takes the number off that follows the last colon.
func cutNumber(field string) (rest string, number int) {
	at := strings.LastIndexByte(field, ':')
	if at < 0 {
		return field, 0
	}
	number, err := strconv.Atoi(field[at+1:])
	if err != nil {
		return field, 0
	}
	return field[:at], number
}
