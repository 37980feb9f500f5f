// As overhead.c.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"sipo"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	text, err := os.ReadFile(os.Args[2])
	check(err)
	model, err := sipo.Open(os.Args[1], nil)
	check(err)
	defer model.Close()
	session, err := model.NewSession(nil)
	check(err)
	defer session.Close()
	ids, err := model.Tokenize(string(text[:100000]))
	check(err)
	ids = ids[:16384]
	prefill, stream, length := 1e9, 1e9, 0
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for round := 0; round < 4; round++ {
		check(session.Reset())
		start := time.Now()
		check(session.Prefill(ctx, ids))
		middle := time.Now()
		_, err := session.Generate(ctx, 1000, &sipo.SamplingOptions{IgnoreEndOfText: true}, func(token sipo.Token) error {
			length += len(token.Text)
			return nil
		})
		check(err)
		end := time.Now()
		if round > 0 {
			prefill = min(prefill, middle.Sub(start).Seconds())
			stream = min(stream, end.Sub(middle).Seconds())
		}
	}
	fmt.Printf("%.6f %.6f\n", prefill, stream)
}

func min(a, b float64) float64 {
	if a < b {
		return a
	}
	return b
}
