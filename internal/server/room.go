package server

import (
	"container/list"
	"net/http"
	"sync"
	"time"
)

// room bounds the requests that are handled at once. Who lets the service wait,
// with a body that does not arrive or a response that is not taken, keeps a place
// only while there are others: when all are taken, the request that has waited
// for its client longest is cut off, and its place goes to the next. Otherwise
// six connections that send nothing could keep everybody out.
type room struct {
	mu      sync.Mutex
	free    int
	waiting list.List // of *wait, the longest first
}

// place is a request's place in a room. A nil place is that of a request which
// is not bounded.
type place struct {
	room *room
	lost bool // guarded by room.mu
}

// wait is a place whose request waits for its client.
type wait struct {
	place *place
	since time.Time
	cut   func()
}

// enter returns a place, to be left afterwards, or nil if there is none.
func (r *room) enter() *place {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.free == 0 && !r.cutOff() {
		return nil
	}
	r.free--
	return &place{room: r}
}

// cutOff takes the place of the request that has waited longest.
func (r *room) cutOff() bool {
	longest := r.waiting.Front()
	if longest == nil {
		return false
	}
	w := longest.Value.(*wait)
	if time.Since(w.since) < stallTime {
		return false
	}
	r.waiting.Remove(longest)
	w.place.lost = true
	w.cut()
	r.free++
	return true
}

func (p *place) leave() {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	if !p.lost {
		p.room.free++
	}
}

// waits runs io, in which the request waits for its client. Whoever needs the
// place calls cut, while io runs and never after, to have it end at once.
func (p *place) waits(cut, io func()) {
	if p == nil {
		io()
		return
	}
	element := p.room.add(&wait{p, time.Now(), cut})
	defer p.room.remove(element)
	io()
}

// add notes who waits, unless there is no place to lose any more.
func (r *room) add(w *wait) *list.Element {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w.place.lost {
		return nil
	}
	return r.waiting.PushBack(w)
}

func (r *room) remove(element *list.Element) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if element != nil {
		r.waiting.Remove(element) // does nothing if it was removed before
	}
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// cutBody ends a wait for the body.
func cutBody(w http.ResponseWriter) func() {
	return func() { _ = http.NewResponseController(w).SetReadDeadline(past) }
}

// cutResponse ends a wait for the client to take the response.
func cutResponse(w http.ResponseWriter) func() {
	return func() { _ = http.NewResponseController(w).SetWriteDeadline(past) }
}
