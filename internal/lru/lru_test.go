package lru_test

import (
	"sync"
	"testing"

	"github.com/quotary/quotary/internal/lru"
)

func TestDropsTheOneUnusedForLongest(t *testing.T) {
	c := lru.New[int, string](2)
	c.Put(1, "one")
	c.Put(2, "two")
	c.Get(1)
	c.Put(3, "three") // 2 was unused for longest
	if _, ok := c.Get(2); ok {
		t.Error("2 is still there")
	}
	c.Put(1, "another") // no second place
	for key, want := range map[int]string{1: "another", 3: "three"} {
		if got, ok := c.Get(key); !ok || got != want {
			t.Errorf("%d is %q, %v", key, got, ok)
		}
	}
	if c.Len() != 2 {
		t.Errorf("%d entries", c.Len())
	}
}

func TestConcurrentUse(t *testing.T) {
	c := lru.New[int, int](8)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for n := range 1000 {
				c.Put(n%16, worker)
				c.Get(n % 16)
			}
		})
	}
	all.Wait()
	if c.Len() != 8 {
		t.Errorf("%d entries", c.Len())
	}
}
