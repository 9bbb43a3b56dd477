// A closed-loop load generator: each connection sends a request, reads the whole answer, sends the next.
// It writes prepared bytes to raw sockets, TCP or Unix, so that it costs little beside the servers it measures,
// and prints one JSON object: requests, failures, seconds, perSecond and latencies in microseconds.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sort"
	"strings"
	"sync"
	"time"
)

type outcome struct {
	micros   []float64
	failures int
	err      error
}

func main() {
	network := flag.String("network", "tcp", "tcp or unix")
	address := flag.String("address", "", "host:port, or the path of a Unix socket")
	path := flag.String("path", "/", "path of the request")
	token := flag.String("token", "", "bearer token")
	bodies := flag.String("bodies", "", "file with one JSON body a line")
	connections := flag.Int("connections", 1, "connections, each with one request under way")
	seconds := flag.Float64("seconds", 2, "how long to measure")
	warmup := flag.Float64("warmup", 0.5, "how long to load before that")
	flag.Parse()
	requests, err := prepared(*bodies, *path, *token)
	if err != nil {
		fail(err)
	}
	began := time.Now().Add(time.Duration(*warmup * float64(time.Second)))
	until := began.Add(time.Duration(*seconds * float64(time.Second)))
	outcomes := make([]outcome, *connections)
	var all sync.WaitGroup
	for number := range outcomes {
		all.Add(1)
		go func(number int) {
			defer all.Done()
			offset := number * len(requests) / *connections
			outcomes[number] = one(*network, *address, requests, offset, began, until)
		}(number)
	}
	all.Wait()
	report(outcomes, *seconds)
}

func prepared(file, path, token string) ([][]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	head := "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	if token != "" {
		head += "Authorization: Bearer " + token + "\r\n"
	}
	var requests [][]byte
	for _, body := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		requests = append(requests, []byte(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body)))
	}
	return requests, nil
}

func one(network, address string, requests [][]byte, next int, began, until time.Time) (done outcome) {
	connection, err := net.Dial(network, address)
	if err != nil {
		return outcome{err: err}
	}
	defer connection.Close()
	reader := bufio.NewReaderSize(connection, 1<<16)
	done.micros = make([]float64, 0, 1<<17)
	for {
		sent := time.Now()
		if sent.After(until) {
			return done
		}
		if _, err := connection.Write(requests[next%len(requests)]); err != nil {
			return outcome{err: err}
		}
		next++
		answer, err := http.ReadResponse(reader, nil)
		if err != nil {
			return outcome{err: err}
		}
		_, err = io.Copy(io.Discard, answer.Body)
		if err != nil {
			return outcome{err: err}
		}
		if sent.Before(began) {
			continue
		}
		done.micros = append(done.micros, float64(time.Since(sent).Nanoseconds())/1000)
		if answer.StatusCode != http.StatusOK {
			done.failures++
		}
	}
}

func report(outcomes []outcome, seconds float64) {
	var micros []float64
	failures := 0
	for _, each := range outcomes {
		if each.err != nil {
			fail(each.err)
		}
		micros = append(micros, each.micros...)
		failures += each.failures
	}
	if len(micros) == 0 {
		fail(fmt.Errorf("no request was answered"))
	}
	sort.Float64s(micros)
	at := func(share float64) float64 { return micros[int(share*float64(len(micros)-1))] }
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"requests":  len(micros),
		"failures":  failures,
		"perSecond": float64(len(micros)) / seconds,
		"p50":       at(0.50),
		"p95":       at(0.95),
		"p99":       at(0.99),
	})
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "load:", err)
	os.Exit(1)
}
