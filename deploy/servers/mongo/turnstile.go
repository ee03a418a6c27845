package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// The wire protocol's numbers: https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
const (
	headerBytes     = 16
	maxMessageBytes = 48_000_000
	opMsg           = 2013
	moreToCome      = 1 << 1
)

// turnstile lets one wire message at a time through to the server behind it. FerretDB on SQLite lets two conditional
// updates of one document both succeed; MongoDB never does, and our tests rely on it.
type turnstile struct {
	behind string
	turn   sync.Mutex
	inside sync.WaitGroup
}

// serve admits clients until ctx ends; then it finishes the messages in flight and closes every connection.
func (t *turnstile) serve(ctx context.Context, address string) error {
	door, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { door.Close() })()
	defer t.inside.Wait()
	for {
		client, err := door.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		t.inside.Add(1)
		go t.converse(ctx, client)
	}
}

func (t *turnstile) converse(ctx context.Context, client net.Conn) {
	defer t.inside.Done()
	defer client.Close()
	defer context.AfterFunc(ctx, func() { dismiss(client) })()
	server, err := net.Dial("tcp", t.behind)
	if err != nil {
		return
	}
	defer server.Close()
	for err == nil {
		err = t.pass(client, server)
	}
}

// dismiss ends the reading of requests at once and leaves a moment for a reply under way.
func dismiss(client net.Conn) {
	client.SetReadDeadline(time.Now())
	client.SetWriteDeadline(time.Now().Add(time.Second))
}

// pass carries one request in and its reply out. Only the server is waited for inside the turn, never the client.
func (t *turnstile) pass(client, server net.Conn) error {
	request, err := readMessage(client)
	if err != nil {
		return err
	}
	reply, err := t.ask(server, request)
	if err != nil || wantsNoReply(request) {
		return err
	}
	_, err = client.Write(reply)
	return err
}

func (t *turnstile) ask(server net.Conn, request []byte) ([]byte, error) {
	t.turn.Lock()
	defer t.turn.Unlock()
	if _, err := server.Write(request); err != nil {
		return nil, err
	}
	return readMessage(server)
}

func readMessage(from io.Reader) ([]byte, error) {
	var prefix [4]byte
	if _, err := io.ReadFull(from, prefix[:]); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(prefix[:])
	if length < headerBytes || length > maxMessageBytes {
		return nil, fmt.Errorf("a wire message of %d bytes", length)
	}
	message := make([]byte, length)
	copy(message, prefix[:])
	_, err := io.ReadFull(from, message[len(prefix):])
	return message, err
}

// wantsNoReply tells an unacknowledged write. FerretDB answers those too, and the client would take the answer for that of
// its next request.
func wantsNoReply(request []byte) bool {
	if len(request) < headerBytes+4 || binary.LittleEndian.Uint32(request[12:]) != opMsg {
		return false
	}
	return binary.LittleEndian.Uint32(request[headerBytes:])&moreToCome != 0
}
