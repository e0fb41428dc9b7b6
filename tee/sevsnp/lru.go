package sevsnp

import (
	"container/list"
	"crypto/sha256"
	"sync"
)

// digest is the SHA-256 of the exact bytes that a proof was made of.
type digest [sha256.Size]byte

// lru remembers at most size proofs by the digest of what was proved and drops
// the one unused for longest. It holds proofs only, never verdicts: a value says
// that signatures hold, which no later time changes. It is safe for concurrent use.
type lru[V any] struct {
	size int

	mu      sync.Mutex
	order   *list.List // of lruEntry[V], most recently used first
	entries map[digest]*list.Element
}

type lruEntry[V any] struct {
	key   digest
	value V
}

func newLRU[V any](size int) *lru[V] {
	return &lru[V]{size: size, order: list.New(), entries: map[digest]*list.Element{}}
}

func (l *lru[V]) get(key digest) (V, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	element, ok := l.entries[key]
	if !ok {
		var none V
		return none, false
	}
	l.order.MoveToFront(element)
	return element.Value.(lruEntry[V]).value, true
}

func (l *lru[V]) put(key digest, value V) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if element, ok := l.entries[key]; ok {
		element.Value = lruEntry[V]{key, value}
		l.order.MoveToFront(element)
		return
	}
	l.entries[key] = l.order.PushFront(lruEntry[V]{key, value})
	if l.order.Len() > l.size {
		oldest := l.order.Back()
		l.order.Remove(oldest)
		delete(l.entries, oldest.Value.(lruEntry[V]).key)
	}
}
