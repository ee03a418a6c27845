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

// serializingProxy forwards one wire message at a time to the server. FerretDB on SQLite lets two conditional updates of
// one document both succeed; MongoDB never does, and the tests rely on that.
type serializingProxy struct {
	serverAddress string
	lock          sync.Mutex
	clients       sync.WaitGroup
}

// serve accepts clients until ctx ends; then it finishes the messages in flight and closes every connection.
func (p *serializingProxy) serve(ctx context.Context, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	defer p.clients.Wait()
	for {
		client, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		p.clients.Add(1)
		go p.handleClient(ctx, client)
	}
}

func (p *serializingProxy) handleClient(ctx context.Context, client net.Conn) {
	defer p.clients.Done()
	defer client.Close()
	defer context.AfterFunc(ctx, func() { stopReading(client) })()
	server, err := net.Dial("tcp", p.serverAddress)
	if err != nil {
		return
	}
	defer server.Close()
	for err == nil {
		err = p.forwardMessage(client, server)
	}
}

// stopReading ends the reading of requests at once, and allows a second for a reply that is being written.
func stopReading(client net.Conn) {
	client.SetReadDeadline(time.Now())
	client.SetWriteDeadline(time.Now().Add(time.Second))
}

// forwardMessage forwards one request and its reply. The lock is held while waiting for the server, never for the client.
func (p *serializingProxy) forwardMessage(client, server net.Conn) error {
	request, err := readMessage(client)
	if err != nil {
		return err
	}
	reply, err := p.callServer(server, request)
	if err != nil || wantsNoReply(request) {
		return err
	}
	_, err = client.Write(reply)
	return err
}

func (p *serializingProxy) callServer(server net.Conn, request []byte) ([]byte, error) {
	p.lock.Lock()
	defer p.lock.Unlock()
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

// wantsNoReply returns whether the request is an unacknowledged write. FerretDB answers those too, and the client would
// take the answer for that of its next request.
func wantsNoReply(request []byte) bool {
	if len(request) < headerBytes+4 || binary.LittleEndian.Uint32(request[12:]) != opMsg {
		return false
	}
	return binary.LittleEndian.Uint32(request[headerBytes:])&moreToCome != 0
}
