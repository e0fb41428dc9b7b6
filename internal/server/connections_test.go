package server

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// Who opens connections and asks nothing loses them, the oldest first; who asks does not.
func TestAttack_D20_QuietConnectionsMakeRoom(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const most = 8
	asked, release := make(chan struct{}, 1), make(chan struct{})
	server := &http.Server{
		ConnState:         newConnections(most).note,
		ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			asked <- struct{}{}
			<-release
		}),
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	defer func() { server.Close(); <-done }()
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	asking := dial()
	if _, err := io.WriteString(asking, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-asked
	var quiet []net.Conn
	for range 3 * most {
		quiet = append(quiet, dial())
	}
	for i, conn := range quiet[:2*most] { // one place is asking's
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil || isTimeout(err) {
			t.Errorf("connection %d of %d is still open: %v", i, len(quiet), err)
		}
	}
	last := quiet[len(quiet)-1]
	if err := last.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := last.Read(make([]byte, 1)); !isTimeout(err) {
		t.Errorf("the newest connection was closed: %v", err)
	}
	close(release)
	answer := make([]byte, 12)
	if _, err := io.ReadFull(asking, answer); err != nil || string(answer) != "HTTP/1.1 200" {
		t.Errorf("%q, %v", answer, err)
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}
