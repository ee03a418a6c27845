// Command mongo is a MongoDB-protocol server for tests: FerretDB on SQLite files, behind a proxy that serializes requests.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:27017", "address clients connect to")
	data := flag.String("data", "", "folder of the SQLite files, created if missing")
	flag.Parse()
	if err := serve(*listen, *data); err != nil {
		log.Fatal(err)
	}
}

func serve(listen, data string) error {
	database, err := openDatabase(data)
	if err != nil {
		return err
	}
	stop, released := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer released()
	running, halt := context.WithCancel(context.Background())
	halted := make(chan error, 1)
	go func() { halted <- database.Run(running) }()

	serverURL, err := url.Parse(database.MongoDBURI()) // answers only once the database listens
	if err == nil {
		err = (&serializingProxy{serverAddress: serverURL.Host}).serve(stop, listen)
	}
	halt()
	return errors.Join(err, <-halted)
}

func openDatabase(data string) (*ferretdb.FerretDB, error) {
	if data == "" {
		return nil, errors.New("-data names no folder")
	}
	folder, err := filepath.Abs(data)
	if err != nil {
		return nil, err
	}
	if err = os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	return ferretdb.New(&ferretdb.Config{
		Handler:   "sqlite",
		SQLiteURL: "file:" + folder + "/",
		Listener:  ferretdb.ListenerConfig{TCP: net.JoinHostPort("127.0.0.1", "0")},
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
}
