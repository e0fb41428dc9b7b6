package store

import "github.com/quotary/quotary/tee"

// tiers are layers of key certificates, each larger than the one above it by a
// factor. A snapshot cannot be added to, and building one of everything for each
// new certificate would cost too much: only the small layers are built anew
// often. The zero value is empty.
type tiers struct {
	layers []tier
	all    int // entries in layers, with those that are gone from the table
	gone   int
}

type tier struct {
	entries []*entry
	built   *tee.Endorsements // nil: to be built
}

// add puts an entry into the smallest layer.
func (t *tiers) add(e *entry) {
	t.all++
	t.push(0, e)
}

func (t *tiers) push(at int, entries ...*entry) {
	if at == len(t.layers) {
		t.layers = append(t.layers, tier{})
	}
	t.layers[at].entries = append(t.layers[at].entries, entries...)
	t.layers[at].built = nil
}

// forget takes note that an entry is gone from the table. Until its layer is built
// anew it stays in the snapshot, where it does no harm: it is authentic.
func (t *tiers) forget() { t.gone++ }

// view builds what changed and returns all layers as one.
func (t *tiers) view() *tee.Endorsements {
	if t.gone > tierFactor+t.all/8 {
		t.sweep()
	}
	limit := 1
	for at := 0; at < len(t.layers); at++ {
		limit *= tierFactor
		if len(t.layers[at].entries) > limit {
			t.push(at+1, t.layers[at].entries...)
			t.layers[at] = tier{}
		}
	}
	var view *tee.Endorsements
	for at := len(t.layers) - 1; at >= 0; at-- {
		view = t.layers[at].view().Over(view)
	}
	return view
}

// sweep drops the entries that are gone.
func (t *tiers) sweep() {
	var left []*entry
	for _, layer := range t.layers {
		for _, e := range layer.entries {
			if !e.gone {
				left = append(left, e)
			}
		}
	}
	*t = tiers{all: len(left)}
	t.push(0, left...)
}

func (l *tier) view() *tee.Endorsements {
	if l.built == nil {
		l.built = &tee.Endorsements{}
		for _, e := range l.entries {
			if !e.gone {
				e.AddTo(l.built)
			}
		}
	}
	return l.built
}
