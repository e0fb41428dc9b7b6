package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/quotary/quotary/client"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/lab"
)

const (
	maxClients  = 256              // one machine holds no more clients and a service usefully
	maxDuration = 10 * time.Minute // a measurement, not a soak test
)

// measurement is the result of one run.
type measurement struct {
	Kind       evidence.Kind `json:"kind"`
	Clients    int           `json:"clients"`
	Completed  int           `json:"completed"`
	PerSecond  float64       `json:"per_second"`
	P50        float64       `json:"p50_ms"`
	P99        float64       `json:"p99_ms"`
	Signature  string        `json:"signature"`     // the one that cannot be left out
	BareMicros float64       `json:"bare_us"`       // one verification of it, alone on one core
	Ratio      float64       `json:"ratio_to_bare"` // wall time per attestation over BareMicros
}

// loadPlan is what to measure.
type loadPlan struct {
	kind     evidence.Kind // empty: all
	clients  []int
	duration time.Duration
	json     bool
}

func parseLoad(args []string) (p loadPlan, err error) {
	flags := newFlags("load")
	kind := flags.String("kind", "", "")
	clients := flags.String("clients", "1,8", "")
	flags.DurationVar(&p.duration, "duration", 5*time.Second, "")
	output := flags.String("o", "text", "")
	if err := parse(flags, args); err != nil {
		return p, err
	}
	if *kind != "" {
		if p.kind, err = evidence.ParseKind(*kind); err != nil {
			return p, err
		}
	}
	for text := range strings.SplitSeq(*clients, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxClients {
			return p, fmt.Errorf("--clients takes numbers from 1 to %d, separated by commas, not %q", maxClients, text)
		}
		p.clients = append(p.clients, n)
	}
	if p.duration <= 0 || p.duration > maxDuration {
		return p, fmt.Errorf("--duration takes up to %s, not %s", maxDuration, p.duration)
	}
	if *output != "text" && *output != "json" {
		return p, fmt.Errorf("-o takes text or json, not %q", *output)
	}
	p.json = *output == "json"
	return p, nil
}

const loadHelp = `  quotary-sim load [--kind KIND] [--clients N,…] [--duration DURATION] [-o text|json]

load measures a service in this process: whole attestations over HTTPS, from
challenge to certificate, in requests a second and latency, and as a ratio to
the one signature verification that the technology cannot do without.
  --kind KIND       sev-snp, tdx or tpm (default: each in turn)
  --clients N,…     numbers of concurrent clients (default 1,8)
  --duration D      how long each measurement takes (default 5s)
  -o FORMAT         text or json

Examples:
  quotary-sim load --kind tdx --clients 1,8 --duration 10s
`

// load is the command of that name.
func load(ctx context.Context, args []string, s streams) (err error) {
	plan, err := parseLoad(args)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "quotary-load-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l, workloads, err := openLab(ctx, dir, "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	return measureAll(ctx, plan, l, workloads, s.out)
}

func measureAll(ctx context.Context, plan loadPlan, l *lab.Lab, workloads []workload, stdout io.Writer) error {
	if !plan.json {
		fmt.Fprintf(stdout, "%-8s %8s %10s %9s %9s   %s\n", "kind", "clients", "per second", "p50 ms", "p99 ms", "wall time per attestation, service and clients together")
	}
	for _, w := range workloads {
		if plan.kind != "" && w.kind != plan.kind {
			continue
		}
		bare, err := bareVerification(w.kind)
		if err != nil {
			return err
		}
		each, err := w.forEach(l.World(), slices.Max(plan.clients))
		if err != nil {
			return err
		}
		for _, n := range plan.clients {
			m, err := measure(ctx, l, each[:n], plan.duration)
			if err != nil {
				return err
			}
			m.Signature, m.BareMicros = w.verifies, micros(bare)
			m.Ratio = 1e6 / m.PerSecond / m.BareMicros
			if err := m.print(stdout, plan.json); err != nil {
				return err
			}
		}
	}
	return nil
}

// measure lets a client attest for each workload, for as long as duration.
func measure(ctx context.Context, l *lab.Lab, each []workload, duration time.Duration) (measurement, error) {
	clients := make([]*client.Client, len(each))
	for i, w := range each {
		c, err := l.Client()
		if err != nil {
			return measurement{}, err
		}
		defer c.Close()
		if _, err := attest(ctx, c, w); err != nil { // connections and caches are warm from here on
			return measurement{}, unexpected{fmt.Errorf("%s was refused: %w", w.name, err)}
		}
		clients[i] = c
	}
	latencies := make([][]time.Duration, len(each))
	group, ctx := errgroup.WithContext(ctx)
	begin := time.Now()
	for i, c := range clients {
		group.Go(func() (err error) {
			latencies[i], err = repeat(ctx, c, each[i], begin.Add(duration))
			return err
		})
	}
	err := group.Wait()
	return summarise(each[0].kind, len(each), slices.Concat(latencies...), time.Since(begin)), err
}

// repeat attests until the deadline and returns how long each attestation took.
func repeat(ctx context.Context, c *client.Client, w workload, deadline time.Time) ([]time.Duration, error) {
	var took []time.Duration
	for time.Now().Before(deadline) {
		begin := time.Now()
		if _, err := attest(ctx, c, w); err != nil {
			return took, err
		}
		took = append(took, time.Since(begin))
	}
	return took, nil
}

func summarise(kind evidence.Kind, clients int, latencies []time.Duration, elapsed time.Duration) measurement {
	m := measurement{Kind: kind, Clients: clients, Completed: len(latencies)}
	if len(latencies) == 0 {
		return m
	}
	slices.Sort(latencies)
	m.PerSecond = float64(len(latencies)) / elapsed.Seconds()
	m.P50 = micros(latencies[len(latencies)/2]) / 1000
	m.P99 = micros(latencies[len(latencies)*99/100]) / 1000
	return m
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

func (m measurement) print(out io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(m)
	}
	_, err := fmt.Fprintf(out, "%-8s %8d %10.0f %9.2f %9.2f   %.1f × one %s verification (%.0f µs)\n",
		m.Kind, m.Clients, m.PerSecond, m.P50, m.P99, m.Ratio, m.Signature, m.BareMicros)
	return err
}
