package tpm

import (
	"crypto/sha256"
	"sync"
)

// digest identifies exact bytes.
type digest [sha256.Size]byte

// digestOf identifies a sequence of byte strings, each with its length, so that
// no two sequences share a digest.
func digestOf(parts ...[]byte) digest {
	h := sha256.New()
	var size [4]byte
	for _, part := range parts {
		n := len(part)
		size = [4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
		h.Write(size[:])
		h.Write(part)
	}
	return digest(h.Sum(nil))
}

// cache remembers what was proved of exact bytes. When it is full the oldest
// entry goes. It is safe for concurrent use.
type cache[V any] struct {
	size int

	mu      sync.RWMutex
	entries map[digest]V
	order   []digest // a ring once it is full; next is its oldest
	next    int
}

func newCache[V any](size int) *cache[V] {
	return &cache[V]{size: size, entries: map[digest]V{}}
}

func (c *cache[V]) get(key digest) (V, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok := c.entries[key]
	return v, ok
}

func (c *cache[V]) put(key digest, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.entries[key]; !known {
		if len(c.order) < c.size {
			c.order = append(c.order, key)
		} else {
			delete(c.entries, c.order[c.next])
			c.order[c.next] = key
			c.next = (c.next + 1) % c.size
		}
	}
	c.entries[key] = v
}
