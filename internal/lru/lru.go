// Package lru remembers a bounded number of things that were proved.
//
// Its users key entries by the exact bytes that a proof is about, so that a hit
// means that nothing of them differs, and keep in them only what no later time
// changes: that signatures hold, never a verdict.
package lru

import (
	"container/list"
	"sync"
)

// Cache remembers at most as many values as it was made for, and drops the one
// unused for longest. It is safe for concurrent use.
type Cache[K comparable, V any] struct {
	size int

	mu      sync.Mutex
	order   *list.List // of entry[K, V], most recently used first
	entries map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

// New returns a Cache of size values, at least one.
func New[K comparable, V any](size int) *Cache[K, V] {
	return &Cache[K, V]{size: size, order: list.New(), entries: map[K]*list.Element{}}
}

// Get returns the value of key, if it is remembered, and counts as a use of it.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.entries[key]
	if !ok {
		return value, false
	}
	c.order.MoveToFront(element)
	return element.Value.(entry[K, V]).value, true
}

// Put remembers a value, in place of the key's former one.
func (c *Cache[K, V]) Put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.entries[key]; ok {
		element.Value = entry[K, V]{key, value}
		c.order.MoveToFront(element)
		return
	}
	c.entries[key] = c.order.PushFront(entry[K, V]{key, value})
	if c.order.Len() > c.size {
		oldest := c.order.Back()
		c.order.Remove(oldest)
		delete(c.entries, oldest.Value.(entry[K, V]).key)
	}
}

// Len returns the number of remembered values.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}
