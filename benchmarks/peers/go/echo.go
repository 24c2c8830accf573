// Echo on Go's standard library, as Go programs have it: a goroutine for each connection, buffered reading and writing,
// and a flush when nothing more has been read ahead.
//
//	echo raw|framed|line
//
// It prints the port it got and serves 127.0.0.1 until it is killed.  It uses as many threads as GOMAXPROCS says.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
)

const (
	maxFrame   = 16 * 1024 * 1024 // bytes, as for the framed server of pipeline_net
	bufferSize = 64 * 1024
)

func raw(conn net.Conn) error {
	buffer := make([]byte, bufferSize)
	for {
		n, err := conn.Read(buffer)
		if n > 0 {
			if _, err := conn.Write(buffer[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

func framed(conn net.Conn) error {
	reader, writer := bufio.NewReaderSize(conn, bufferSize), bufio.NewWriterSize(conn, bufferSize)
	var frame []byte
	for {
		var prefix [4]byte
		if _, err := io.ReadFull(reader, prefix[:]); err != nil {
			return err
		}
		length := binary.BigEndian.Uint32(prefix[:])
		if length > maxFrame {
			return fmt.Errorf("a frame of %d bytes", length)
		}
		if uint32(cap(frame)) < length {
			frame = make([]byte, length)
		}
		frame = frame[:length]
		if _, err := io.ReadFull(reader, frame); err != nil {
			return err
		}
		writer.Write(prefix[:]) // bufio keeps an error until Flush
		writer.Write(frame)
		if reader.Buffered() == 0 {
			if err := writer.Flush(); err != nil {
				return err
			}
		}
	}
}

func line(conn net.Conn) error {
	reader, writer := bufio.NewReaderSize(conn, bufferSize), bufio.NewWriterSize(conn, bufferSize)
	for {
		text, err := reader.ReadBytes('\n')
		if err != nil {
			return err
		}
		writer.Write(text) // bufio keeps an error until Flush
		if reader.Buffered() == 0 {
			if err := writer.Flush(); err != nil {
				return err
			}
		}
	}
}

func main() {
	works := map[string]func(net.Conn) error{"raw": raw, "framed": framed, "line": line}
	if len(os.Args) != 2 || works[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "echo raw|framed|line")
		os.Exit(2)
	}
	work := works[os.Args[1]]
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		conn, err := listener.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go func() {
			defer conn.Close()
			work(conn) // it ends when the load generator hangs up, which is no news
		}()
	}
}
