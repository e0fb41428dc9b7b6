package store_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
)

// columns lists what an attacker with the file writes into each column of a table.
var columns = map[string]map[string]string{
	"policy_sets": {
		"seq": "seq + 10", "digest": "'sha256:x'", "base": "'sha256:x'", "documents": "'[]'", "author": "'mallory'", "comment": "''",
		"time": "time - 1", "proposal": "proposal + 1", "approvals": `'[{"by":"bob","time":"2026-11-22T12:00:00Z"}]'`, "hash": "randomblob(32)",
	},
	"policy_proposals": {
		"id": "id + 10", "digest": "'sha256:x'", "base": "'sha256:x'", "documents": "'[]'", "author": "'mallory'", "comment": "''",
		"created": "created - 1", "expires": "expires + 1", "approvals": `'[{"by":"eve","time":"2026-11-22T12:00:00Z"}]'`,
		"state": "iif(state = 'open', 'withdrawn', 'open')", "event": "event - 1",
	},
	"policy_shadows": {
		"seq": "seq + 10", "digest": "'sha256:x'", "base": "'sha256:x'", "documents": "'[]'", "author": "'mallory'", "comment": "''", "time": "time - 1",
	},
	"policy_documents": {"sha256": "randomblob(32)", "content": "CAST(content || ' ' AS BLOB)"},
}

// tamper is every statement that an attacker might try on what begun has.
func tamper(t *testing.T, s *store.Store) map[string]string {
	t.Helper()
	statements := map[string]string{
		"last event of a set unlinked":   "UPDATE audit_events SET policy_set = NULL WHERE seq = 2",
		"event's set":                    "UPDATE audit_events SET policy_set = zeroblob(32) WHERE seq = 1",
		"another event with the set":     "UPDATE audit_events SET policy_set = (SELECT hash FROM policy_sets WHERE seq = 2) WHERE seq = 5",
		"event's proposal unlinked":      "UPDATE audit_events SET proposal = NULL WHERE seq = 4",
		"event's proposal cut":           "UPDATE audit_events SET proposal = substr(proposal, 1, 20) WHERE seq = 4",
		"event of another proposal":      "UPDATE audit_events SET proposal = CAST(x'0000000000000002' || substr(proposal, 9) AS BLOB) WHERE seq = 3",
		"event's shadow unlinked":        "UPDATE audit_events SET shadow = NULL WHERE seq = 5",
		"event's shadow":                 "UPDATE audit_events SET shadow = zeroblob(32) WHERE seq = 5",
		"last set removed":               "DELETE FROM policy_sets WHERE seq = 2",
		"first set removed":              "DELETE FROM policy_sets WHERE seq = 1",
		"first set removed, renumbered":  "DELETE FROM policy_sets WHERE seq = 1; UPDATE policy_sets SET seq = 1",
		"sets swapped":                   "UPDATE policy_sets SET seq = 3 - seq + 10; UPDATE policy_sets SET seq = seq - 10",
		"set added":                      "INSERT INTO policy_sets SELECT 3, digest, base, documents, author, comment, time, proposal, approvals, hash FROM policy_sets WHERE seq = 1",
		"proposal removed":               "DELETE FROM policy_proposals",
		"proposal added":                 "INSERT INTO policy_proposals SELECT 2, digest, base, documents, author, comment, created, expires, approvals, state, event FROM policy_proposals",
		"shadow removed":                 "DELETE FROM policy_shadows",
		"shadow added":                   "INSERT INTO policy_shadows SELECT 2, digest, base, documents, author, comment, time FROM policy_shadows",
		"document added":                 "INSERT INTO policy_documents VALUES (x'" + strings.Repeat("00", 32) + "', x'')",
		"true document added":            "INSERT INTO policy_documents VALUES (x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', x'')",
		"document removed":               "DELETE FROM policy_documents WHERE rowid = 1",
		"documents swapped":              "UPDATE policy_documents SET content = CAST('name: a' AS BLOB) WHERE content = CAST('name: b' AS BLOB)",
		"set's documents unreadable":     "UPDATE policy_sets SET documents = '{' WHERE seq = 2",
		"proposal's approvals unreadble": "UPDATE policy_proposals SET approvals = '{'",
		"proposal of a later event":      "UPDATE policy_proposals SET event = event + 1",
		"proposal of no event":           "UPDATE policy_proposals SET event = 99",
	}
	for table, changed := range columns {
		n, err := s.QueryInt("SELECT count(*) FROM pragma_table_info('" + table + "')")
		if err != nil || int(n) != len(changed) {
			t.Errorf("%s has %d columns, %d are tried: %v", table, n, len(changed), err)
		}
		for column, value := range changed {
			statements[table+"'s "+column] = fmt.Sprintf("UPDATE %s SET %s = %s WHERE rowid = (SELECT max(rowid) FROM %s)", table, column, value, table)
		}
	}
	return statements
}

func TestAttack_A26_ChangedPoliciesAreNoticed(t *testing.T) {
	for name, statement := range tamper(t, begun(t)) {
		t.Run(name, func(t *testing.T) {
			s := begun(t)
			result, err := s.Exec(statement)
			if err != nil {
				t.Fatal(err)
			}
			if n, _ := result.RowsAffected(); n == 0 {
				t.Fatal("nothing was changed")
			}
			if _, _, err := s.Verify(t.Context()); evidence.CodeOf(err) != evidence.CodeLedgerTampered {
				t.Errorf("got %v", err)
			}
		})
	}
}

// An older set does not come into force because the newer ones were taken out of
// the history: a start notices, before anything walks the whole chain.
func TestAttack_Y10_RolledBackHistoryIsNotInForce(t *testing.T) {
	for name, statement := range map[string]string{
		"cut off":             "DELETE FROM policy_sets WHERE seq = 2",
		"all cut off":         "DELETE FROM policy_sets",
		"older set put there": "UPDATE policy_sets SET (digest, base, documents) = (SELECT digest, base, documents FROM policy_sets WHERE seq = 1) WHERE seq = 2",
		"documents changed":   "UPDATE policy_sets SET documents = replace(documents, 'web', 'db') WHERE seq = 2",
		"document changed":    "UPDATE policy_documents SET content = CAST(content || ' ' AS BLOB)",
		"document removed":    "DELETE FROM policy_documents",
		"another hash":        "UPDATE policy_sets SET hash = zeroblob(32) WHERE seq = 2",
		"one before removed":  "DELETE FROM policy_sets WHERE seq = 1",
		"older one added":     "INSERT INTO policy_sets SELECT 3, digest, base, documents, author, comment, time, proposal, approvals, hash FROM policy_sets WHERE seq = 1",
		"unreadable":          "UPDATE policy_sets SET approvals = '' WHERE seq = 2",
	} {
		t.Run(name, func(t *testing.T) {
			s := begun(t)
			if _, err := s.Exec(statement); err != nil {
				t.Fatal(err)
			}
			if set, err := s.ActivePolicy(t.Context()); evidence.CodeOf(err) != evidence.CodeLedgerTampered {
				t.Errorf("in force: %+v, %v", set, err)
			}
			if strings.HasPrefix(name, "document ") {
				return // applying a set reads no document
			}
			for _, base := range []string{"", "sha256:a", "sha256:b"} {
				if _, err := s.ApplyPolicy(t.Context(), by("alice", "x", 4), candidate("e", base)); evidence.CodeOf(err) != evidence.CodeLedgerTampered {
					t.Errorf("a set was applied upon it: %v", err)
				}
			}
		})
	}
}

// Approvals that nobody gave, and a proposal that is open again, do not count.
func TestAttack_Y10_ForgedApprovals(t *testing.T) {
	for name, statement := range map[string]string{
		"approvals":        `UPDATE policy_proposals SET approvals = '[{"by":"eve","time":"2026-11-22T12:00:00Z"}]'`,
		"documents":        `UPDATE policy_proposals SET documents = (SELECT documents FROM policy_sets WHERE seq = 1)`,
		"life":             `UPDATE policy_proposals SET expires = expires * 2`,
		"opened again":     `UPDATE policy_proposals SET state = 'open'`,
		"put back":         `DELETE FROM policy_proposals; INSERT INTO policy_proposals SELECT * FROM old`,
		"of another event": `UPDATE policy_proposals SET state = 'open', event = 3`,
	} {
		t.Run(name, func(t *testing.T) {
			s := begun(t)
			if _, err := s.Exec("CREATE TABLE old AS SELECT * FROM policy_proposals"); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Withdraw(t.Context(), by("alice", "policy.withdraw", 4), 1); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Exec(statement); err != nil {
				t.Fatal(err)
			}
			_, apply := s.ApplyProposal(t.Context(), by("eve", "policy.apply", 4), 1, "sha256:d")
			_, approve := s.Approve(t.Context(), by("eve", "policy.approve", 4), 1, "sha256:d", "eve", "")
			_, look := s.Proposal(t.Context(), 1)
			for _, err := range []error{apply, approve, look} {
				if evidence.CodeOf(err) != evidence.CodeLedgerTampered {
					t.Errorf("got %v", err)
				}
			}
			active(t, s, 2, "b")
		})
	}
}

// The number of a proposal whose row was removed is not given to another one,
// which would hide the removal.
func TestAttack_A26_RemovedProposalIsNotReplaced(t *testing.T) {
	s := begun(t)
	if _, err := s.Exec("DELETE FROM policy_proposals"); err != nil {
		t.Fatal(err)
	}
	if p := proposes(t, s, "e", "sha256:b"); p.ID != 2 {
		t.Errorf("the next proposal is %d", p.ID)
	}
	if _, _, err := s.Verify(t.Context()); evidence.CodeOf(err) != evidence.CodeLedgerTampered {
		t.Errorf("got %v", err)
	}
}

// The whole end of the ledger cut off is noticed by whoever kept a head.
func TestAttack_H02_RestoredPolicy(t *testing.T) {
	s := begun(t)
	if err := changes["apply"](t.Context(), s); err != nil {
		t.Fatal(err)
	}
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	old := begun(t)
	if _, _, err := old.Verify(t.Context(), head); evidence.CodeOf(err) != evidence.CodeLedgerTampered {
		t.Errorf("got %v", err)
	}
	if err := changes["set the shadow"](t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if _, _, err := old.Verify(t.Context(), head); evidence.CodeOf(err) != evidence.CodeLedgerTampered {
		t.Errorf("with as many events: %v", err)
	}
}

// A document that is another than its name says is not referred to anew.
func TestAttack_Y10_ChangedDocumentIsNotReused(t *testing.T) {
	s := begun(t)
	if _, err := s.Exec("UPDATE policy_documents SET content = CAST(content || ' ' AS BLOB)"); err != nil {
		t.Fatal(err)
	}
	head, _ := s.Head(t.Context())
	if err := changes["apply"](t.Context(), s); err == nil {
		t.Error("a set refers to a changed document")
	}
	if after, _ := s.Head(t.Context()); after.Seq != head.Seq {
		t.Error("it left a trace")
	}
}

// A shadow that was put back is not watched as if it were the last one.
func TestAttack_Y10_RolledBackShadow(t *testing.T) {
	for _, statement := range []string{
		"DELETE FROM policy_shadows WHERE seq = 2",
		"DELETE FROM policy_shadows",
		"UPDATE policy_shadows SET author = 'mallory' WHERE seq = 2",
		"UPDATE policy_shadows SET digest = '' WHERE seq = 2",
	} {
		s := begun(t)
		if err := changes["set the shadow"](t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Exec(statement); err != nil {
			t.Fatal(err)
		}
		if shadow, err := s.Shadow(t.Context()); evidence.CodeOf(err) != evidence.CodeLedgerTampered {
			t.Errorf("%s: watched is %+v, %v", statement, shadow, err)
		}
		if err := changes["set the shadow"](t.Context(), s); evidence.CodeOf(err) != evidence.CodeLedgerTampered {
			t.Errorf("%s: %v", statement, err)
		}
	}
}
