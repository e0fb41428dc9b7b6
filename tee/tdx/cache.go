package tdx

import "sync"

// cache remembers what was proved. It is bounded: when full, an arbitrary entry
// makes room. Keys are the exact bytes that the proof is about, so a hit means
// that nothing of them differs; nothing that depends on the time is in it.
type cache[K comparable, V any] struct {
	mu      sync.RWMutex
	entries map[K]V
	most    int
}

func newCache[K comparable, V any](most int) *cache[K, V] {
	return &cache[K, V]{entries: map[K]V{}, most: most}
}

func (c *cache[K, V]) get(key K) (V, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok := c.entries[key]
	return v, ok
}

func (c *cache[K, V]) put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.entries[key]; !known && len(c.entries) >= c.most {
		for victim := range c.entries {
			delete(c.entries, victim)
			break
		}
	}
	c.entries[key] = value
}
