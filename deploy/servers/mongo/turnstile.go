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

// turnstile is a proxy that forwards one wire message at a time to the server. In FerretDB on SQLite two concurrent
// conditional updates of one document can both succeed; in MongoDB they cannot, and the tests rely on that.
type turnstile struct {
	upstream    string
	lock        sync.Mutex
	connections sync.WaitGroup
}

// serve accepts clients until ctx ends; then it finishes the messages in flight and closes every connection.
func (t *turnstile) serve(ctx context.Context, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	defer t.connections.Wait()
	for {
		client, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		t.connections.Add(1)
		go t.serveClient(ctx, client)
	}
}

func (t *turnstile) serveClient(ctx context.Context, client net.Conn) {
	defer t.connections.Done()
	defer client.Close()
	defer context.AfterFunc(ctx, func() { stopReading(client) })()
	server, err := net.Dial("tcp", t.upstream)
	if err != nil {
		return
	}
	defer server.Close()
	for err == nil {
		err = t.forward(client, server)
	}
}

// stopReading interrupts the reading of requests at once, and leaves one second for a reply that is being written.
func stopReading(client net.Conn) {
	client.SetReadDeadline(time.Now())
	client.SetWriteDeadline(time.Now().Add(time.Second))
}

// forward reads one request, forwards it and writes its reply. It holds the lock while it waits for the server, not for the client.
func (t *turnstile) forward(client, server net.Conn) error {
	request, err := readMessage(client)
	if err != nil {
		return err
	}
	reply, err := t.exchange(server, request)
	if err != nil || wantsNoReply(request) {
		return err
	}
	_, err = client.Write(reply)
	return err
}

func (t *turnstile) exchange(server net.Conn, request []byte) ([]byte, error) {
	t.lock.Lock()
	defer t.lock.Unlock()
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

// wantsNoReply returns true for an unacknowledged write. FerretDB replies to it all the same, and the client would take that
// reply for the reply to its next request.
func wantsNoReply(request []byte) bool {
	if len(request) < headerBytes+4 || binary.LittleEndian.Uint32(request[12:]) != opMsg {
		return false
	}
	return binary.LittleEndian.Uint32(request[headerBytes:])&moreToCome != 0
}
