// Answer serves answers to questions about documents. POST /answer?question=... with the document as the body;
// the answer comes as server-sent events, a token each. One scheduler serves all requests, and a document that was
// asked about before is not read again. A client that goes away ends its work. GET /status tells how many requests
// there are and were, and how many tokens were not read again.
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
	"strings"
	"sync/atomic"

	"sipo"
)

const (
	maxTokens  = 32
	cacheBytes = 64 << 20
)

type service struct {
	model                        *sipo.Model
	scheduler                    *sipo.Scheduler
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
	cache, err := model.NewCache(&sipo.CacheOptions{Memory: cacheBytes})
	if err != nil {
		log.Fatal(err)
	}
	scheduler, err := model.NewScheduler(&sipo.SchedulerOptions{Cache: cache})
	if err != nil {
		log.Fatal(err)
	}
	s := &service{model: model, scheduler: scheduler}
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
		err = s.stream(w, r, string(document)+" "+r.URL.Query().Get("question"))
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
	ids, err := s.model.Tokenize(prompt)
	if err != nil {
		return err
	}
	// Prompts of about the same length are filtered alike, so that they share what they begin with.
	expected := int64(len(ids)/1024+1) * 1024
	options := &sipo.SessionOptions{Context: sipo.LongMamba, ExpectedTokens: expected}
	answer, err := s.scheduler.Submit(r.Context(), ids, maxTokens, options, nil)
	if err != nil {
		return err
	}
	defer answer.Close()
	for {
		token, err := answer.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", strings.ReplaceAll(token.Text, "\n", "\ndata: ")); err != nil {
			return err
		}
		w.(http.Flusher).Flush()
	}
}

func (s *service) status(w http.ResponseWriter, r *http.Request) {
	var reused int64
	if statistics, err := s.scheduler.Statistics(); err == nil {
		reused = statistics.ReusedTokens
	}
	fmt.Fprintf(w, "running %d finished %d cancelled %d reused %d\n", s.running.Load(), s.finished.Load(),
		s.cancelled.Load(), reused)
}
