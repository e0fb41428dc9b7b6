package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// documentRef names a policy document by what it holds: a document that many sets
// have in common is kept once.
type documentRef struct {
	Name   string       `json:"name"`
	SHA256 evidence.Hex `json:"sha256"`
}

func refTo(file policies.File) documentRef {
	sum := sha256.Sum256(file.Data)
	return documentRef{Name: file.Name, SHA256: sum[:]}
}

func refsOf(text string) (refs []documentRef, err error) {
	if err := json.Unmarshal([]byte(text), &refs); err != nil {
		return nil, tampered("a list of policy documents cannot be read")
	}
	return refs, nil
}

const (
	insertDocument = `INSERT INTO policy_documents (sha256, content) VALUES (?, ?) ON CONFLICT (sha256) DO NOTHING`
	selectDocument = `SELECT content FROM policy_documents WHERE sha256 = ?`
)

// deposit is a candidate ready to be written: its documents are digested before
// the committer, for whom others wait, hears of it.
type deposit struct {
	row   candidateRow
	refs  []documentRef
	files []policies.File
}

func (c Candidate) deposit() *deposit {
	d := &deposit{refs: make([]documentRef, len(c.Documents)), files: c.Documents}
	for n, file := range c.Documents {
		d.refs[n] = refTo(file)
	}
	d.row = candidateRow{Digest: c.Digest, Base: c.Base, Documents: jsonText(d.refs), Author: c.Author, Comment: c.Comment}
	return d
}

// writeDocuments keeps the documents that the ledger does not have yet.
func (w *writer) writeDocuments(d *deposit) error {
	for n, file := range d.files {
		if err := w.fault(stepDocument); err != nil {
			return err
		}
		content := file.Data
		if content == nil {
			content = []byte{} // NULL is no document
		}
		result, err := w.conn.ExecContext(context.Background(), insertDocument, []byte(d.refs[n].SHA256), content)
		if err != nil {
			return err
		}
		added, err := result.RowsAffected()
		if err != nil {
			return err
		}
		if added == 1 {
			continue
		}
		if _, err := readDocument(context.Background(), w.conn, d.refs[n]); err != nil {
			return err // what is there already is another document than its name says
		}
	}
	return nil
}

// queryer is a connection or transaction.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// readDocuments reads what refs, in JSON, name, and holds it to the digests.
func readDocuments(ctx context.Context, q queryer, refs string) ([]policies.File, error) {
	list, err := refsOf(refs)
	if err != nil {
		return nil, err
	}
	files := make([]policies.File, len(list))
	for n, ref := range list {
		if files[n], err = readDocument(ctx, q, ref); err != nil {
			return nil, err
		}
	}
	return files, nil
}

func readDocument(ctx context.Context, q queryer, ref documentRef) (policies.File, error) {
	file := policies.File{Name: ref.Name}
	err := q.QueryRowContext(ctx, selectDocument, []byte(ref.SHA256)).Scan(&file.Data)
	if errors.Is(err, sql.ErrNoRows) {
		return policies.File{}, tampered("the policy document %s is missing", ref.SHA256)
	}
	if err != nil {
		return policies.File{}, unavailable(err)
	}
	if sum := sha256.Sum256(file.Data); !bytes.Equal(sum[:], ref.SHA256) {
		return policies.File{}, tampered("the policy document %s was changed", ref.SHA256)
	}
	return file, nil
}
