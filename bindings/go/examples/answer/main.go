// Answer serves answers to questions about documents. POST /answer?question=... with the document as the body;
// the answer comes as server-sent events, a token each. All requests share one model; as many are worked on at
// a time as there are processors. A client that goes away ends its work. GET /status tells how many requests
// there are and were.
//
//	answer MODEL [PORT]
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"

	"sipo"
)

const maxTokens = 32

type service struct {
	model                        *sipo.Model
	processors                   chan struct{}
	running, finished, cancelled atomic.Int64
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("usage: answer MODEL [PORT]")
	}
	model, err := sipo.Open(os.Args[1], nil)
	if err != nil {
		log.Fatal(err)
	}
	port := "8080"
	if len(os.Args) > 2 {
		port = os.Args[2]
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	s := &service{model: model, processors: make(chan struct{}, runtime.NumCPU())}
	http.HandleFunc("/answer", s.answer)
	http.HandleFunc("/status", s.status)
	fmt.Printf("Listening on http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}

func (s *service) answer(w http.ResponseWriter, r *http.Request) {
	s.running.Add(1)
	defer s.running.Add(-1)
	document, err := io.ReadAll(r.Body)
	if err == nil {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		s.processors <- struct{}{}
		err = s.stream(w, r, string(document)+" "+r.URL.Query().Get("question"))
		<-s.processors
	}
	switch {
	case err == nil:
		s.finished.Add(1)
	case r.Context().Err() != nil:
		s.cancelled.Add(1)
	default:
		log.Print(err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// stream stops when the client goes away: that ends the request's context.
func (s *service) stream(w http.ResponseWriter, r *http.Request, prompt string) error {
	session, err := s.model.NewSession(&sipo.SessionOptions{Context: sipo.LongMamba, Threads: 1, ChunkTokens: 256})
	if err != nil {
		return err
	}
	defer session.Close()
	ids, err := s.model.Tokenize(prompt)
	if err != nil {
		return err
	}
	if err := session.Prefill(r.Context(), ids); err != nil {
		return err
	}
	_, err = session.Generate(r.Context(), maxTokens, nil, func(token sipo.Token) error {
		_, err := fmt.Fprintf(w, "data: %s\n\n", strings.ReplaceAll(token.Text, "\n", "\ndata: "))
		w.(http.Flusher).Flush()
		return err
	})
	return err
}

func (s *service) status(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "running %d finished %d cancelled %d\n", s.running.Load(), s.finished.Load(), s.cancelled.Load())
}
