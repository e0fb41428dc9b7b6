// Package files hands identities out as files, for servers that read certificate and key
// from disk. The files of one identity are a set: they appear at once, when a symbolic
// link is turned from the directory of the last set to that of the next. Whoever reads
// through the link twice may see it turn in between; the combined file has certificate
// and key that belong together always, and the last set stays until the next turn, for
// whoever has opened the directory.
//
// After each turn a hook tells the server. When an identity is withdrawn, its files are
// removed.
//
// Start at [Open] and [Writer.Run].
package files

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"math"
	"path/filepath"
	"sync"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent"
)

// Config says where the files of an identity go.
type Config struct {
	// Directory is the path at which the files are found. It becomes a symbolic link; its
	// parent must exist and be on a file system in memory, since there is a key in it.
	Directory string
	// UID and GID own the files; nil leaves it to the process.
	UID, GID *int
	// KeyMode is the mode of the files with the key, 0600 if zero. The others have 0644.
	KeyMode fs.FileMode
	// Password is that of the PKCS #12 files; nil for none of these.
	Password *string
	// Hook tells whoever uses the files that they changed.
	Hook Hook
	// Logger is told what is not as it should be, and goes on; nil means nobody.
	Logger *slog.Logger
}

// Writer writes one identity's files. One goroutine at a time uses it.
type Writer struct {
	config  Config
	written chan struct{} // closed when files were first written
	once    sync.Once
}

// Source is where identities come from: an *agent.Agent.
type Source interface {
	Current() (*agent.View, <-chan struct{})
}

// Open checks the configuration, and removes what an earlier process left half done. Its
// last identity stays until there is another, or none.
func Open(c Config) (*Writer, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.KeyMode == 0 {
		c.KeyMode = 0o600
	}
	if !filepath.IsAbs(c.Directory) || filepath.Dir(c.Directory) == c.Directory {
		return nil, evidence.Errorf(evidence.CodeConfigMalformed, "files.directory", "%q is no absolute path", c.Directory)
	}
	if c.KeyMode&^0o660 != 0 {
		return nil, evidence.Errorf(evidence.CodeConfigMalformed, "files.mode", "%04o lets others have the key, or execute it; at most 0660", c.KeyMode)
	}
	if err := c.Hook.check(); err != nil {
		return nil, err
	}
	c.Directory = filepath.Clean(c.Directory)
	w := &Writer{config: c, written: make(chan struct{})}
	return w, w.tidy()
}

// Written is closed when the files of an identity were first written.
func (w *Writer) Written() <-chan struct{} { return w.written }

// Run writes each identity and removes what was withdrawn, until ctx ends. What fails is
// tried again.
func (w *Writer) Run(ctx context.Context, source Source) {
	var done *agent.Identity // the identity that is written and told of
	told := false            // whether done counts: nil may be told of, too
	var quiet time.Time      // until when servers are left alone that heard of an identity
	over, ended := time.NewTimer(w.inherited()), false
	defer over.Stop()
	for {
		view, changed := source.Current()
		var retry <-chan time.Time
		var timer *time.Timer
		if next := view.Identity; (!told || !alike(next, done)) && (next != nil || ended || withdrawn(view, told)) {
			if pause := time.Until(quiet); pause > 0 && next != nil {
				timer = time.NewTimer(pause)
				retry = timer.C
			} else if err := w.follow(ctx, source, next); err != nil && ctx.Err() == nil {
				w.config.Logger.Error("the files of the identity are not as they should be; trying again", "directory", w.config.Directory, "cause", err.Error())
				timer = time.NewTimer(retryAfter)
				retry = timer.C
			} else {
				done, told, quiet = next, true, time.Now().Add(settling)
			}
		}
		select {
		case <-changed:
		case <-retry:
		case <-over.C:
			ended = true
		case <-ctx.Done():
			if timer != nil {
				timer.Stop()
			}
			return
		}
	}
}

// inherited is how long the identity lasts that an earlier process left; without end where there is
// none.
func (w *Writer) inherited() time.Duration {
	text, _ := readForeign(filepath.Join(w.config.Directory, NameChain), maxChain)
	if block, _ := pem.Decode(text); block != nil {
		if leaf, err := x509.ParseCertificate(block.Bytes); err == nil {
			return time.Until(leaf.NotAfter)
		}
	}
	return math.MaxInt64
}

// withdrawn reports whether there is an end to tell of, rather than a beginning.
func withdrawn(view *agent.View, told bool) bool {
	return told || view.Status.State.Final()
}

// alike reports whether the files of two identities, nil for none, are the same: bundles of other
// trust domains change none.
func alike(a, b *agent.Identity) bool {
	return a == b || a != nil && b != nil && a.Certificate == b.Certificate && a.Bundle.Equal(b.Bundle) && bytes.Equal(a.ListFile, b.ListFile)
}

// follow makes the files those of an identity, or none, and tells of it. A hook that still tells of
// an identity when that is withdrawn is cut off: it must not hold up the end of the files.
func (w *Writer) follow(ctx context.Context, source Source, identity *agent.Identity) error {
	if identity == nil {
		return w.Withdraw(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		awaitEnd(ctx, source)
		cancel()
	}()
	defer func() { cancel(); <-watching }()
	err := w.Write(ctx, identity)
	if errors.Is(err, context.Canceled) {
		w.config.Logger.Warn("a hook was cut off: the identity was withdrawn, or the agent ends", "directory", w.config.Directory)
		return nil
	}
	return err
}

// awaitEnd returns when source has no identity any more, or ctx ends.
func awaitEnd(ctx context.Context, source Source) {
	for {
		view, changed := source.Current()
		if view.Identity == nil {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// Write writes an identity's files and runs the hook.
func (w *Writer) Write(ctx context.Context, identity *agent.Identity) error {
	set, err := w.contents(identity)
	if err != nil {
		return err
	}
	if err := w.replace(set); err != nil {
		return err
	}
	w.once.Do(func() { close(w.written) })
	return w.config.Hook.renewed(ctx, w.config.Directory, identity)
}

// Withdraw removes an identity's files and runs the hook.
func (w *Writer) Withdraw(ctx context.Context) error {
	if err := w.Remove(); err != nil {
		return err
	}
	return w.config.Hook.withdrawn(ctx, w.config.Directory)
}
