package inspect

import (
	"io"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"example.org/token-helpers/shared/token"
)

// crew works on inputs on all processors, and writes the results in the order of the
// inputs. Inputs travel in batches, of which there is a limited number, so that memory does
// not grow with the input.
//
// One goroutine, the caller of [crew.add], reads and splits the input. The workers decode,
// judge and render whole batches. Another goroutine writes them.
type crew struct {
	p *pipeline
	// filling is the batch that inputs are added to; nil if it has none yet.
	filling *batch
	// todo is what the workers take from, queue what is written, in order. idle has batches
	// that were written.
	todo, queue, idle chan *batch
	written           chan struct{}
	// gcPercent and memoryLimit are the settings of the garbage collector to return to.
	gcPercent   int
	memoryLimit int64
	// stopped says that the output cannot be written, so that reading on is useless.
	stopped atomic.Bool
}

const (
	// batchBytes and batchInputs are how much a batch has. With less, handing it over costs
	// more; with more, memory does.
	batchBytes  = 64 << 10
	batchInputs = 1000
	// maxWorkers limits memory on machines with many processors, which would wait for the
	// one that reads.
	maxWorkers = 32
	// gcPercent is how much memory may grow, in percent of what is in use, before it is
	// collected, but not beyond memoryLimit if that can be avoided: on a busy machine, the
	// collector lags behind.
	gcPercent   = 400
	memoryLimit = 40 << 20
)

// batch is a number of inputs that follow each other, and what is written about them.
type batch struct {
	inputs []input
	// bytes has the contents of the inputs.
	bytes []byte
	out   []byte
	// code is the exit code that the inputs cause, shown how many of them were shown.
	code, shown int
	// after, if not nil, is called when the batch was written.
	after func()
	done  chan struct{}
}

// Write appends to what is written about the inputs.
func (b *batch) Write(p []byte) (int, error) {
	b.out = append(b.out, p...)
	return len(p), nil
}

func (b *batch) add(i input) {
	if len(b.bytes)+len(i.raw) > cap(b.bytes) {
		b.bytes = make([]byte, 0, max(2*batchBytes, len(i.raw))) // the inputs keep the old one
	}
	from := len(b.bytes)
	b.bytes = append(b.bytes, i.raw...)
	i.raw = b.bytes[from:len(b.bytes):len(b.bytes)]
	b.inputs = append(b.inputs, i)
}

func (b *batch) full() bool { return len(b.bytes) >= batchBytes || len(b.inputs) >= batchInputs }

// start makes the pipeline work in parallel. With --redact and --fetch-keys there is one
// worker, because what is masked, and which issuers are asked, depends on what came before.
func (p *pipeline) start() {
	workers := min(runtime.GOMAXPROCS(0), maxWorkers)
	if p.redactor != nil || p.judge.keys.fetcher != nil {
		workers = 1
	}
	c := &crew{p: p, todo: make(chan *batch, workers), queue: make(chan *batch, 2*workers), idle: make(chan *batch, 4*workers), written: make(chan struct{})}
	// Little is in use at a time, so that waste costs little memory.
	c.gcPercent, c.memoryLimit = debug.SetGCPercent(gcPercent), debug.SetMemoryLimit(memoryLimit)
	own := *p.output // before the writer changes it
	for range workers {
		go c.work(own)
	}
	go c.write()
	p.crew = c
}

// give passes on an input, whose bytes the caller may overwrite afterwards.
func (p *pipeline) give(i input) {
	if p.crew == nil {
		p.one(i)
		return
	}
	p.crew.add(i)
}

// afterwards calls f when everything that was given before has been shown.
func (p *pipeline) afterwards(f func()) {
	if p.crew == nil {
		f()
		return
	}
	p.crew.batch().after = f
	p.crew.send()
}

// wait returns when everything has been written.
func (p *pipeline) wait() {
	c := p.crew
	if c == nil {
		return
	}
	c.send()
	close(c.todo)
	close(c.queue)
	<-c.written
	debug.SetGCPercent(c.gcPercent)
	debug.SetMemoryLimit(c.memoryLimit)
	p.crew = nil
}

// batch returns the batch that is being filled.
func (c *crew) batch() *batch {
	if c.filling == nil {
		select {
		case c.filling = <-c.idle:
		default:
			c.filling = &batch{done: make(chan struct{}, 1)}
		}
	}
	return c.filling
}

func (c *crew) add(i input) {
	b := c.batch()
	if b.add(i); b.full() {
		c.send()
	}
}

// send hands over what was added. It waits if too much is in work.
func (c *crew) send() {
	if b := c.filling; b != nil {
		c.filling = nil
		c.queue <- b
		c.todo <- b
	}
}

// work decodes, judges and renders batches. own is the worker's copy.
func (c *crew) work(own output) {
	p := &pipeline{env: c.p.env, judge: c.p.judge, format: c.p.format, redactor: c.p.redactor, decoder: new(token.Decoder), output: &own}
	p.renderer = p.format.new(p.output)
	for b := range c.todo {
		p.stdout, p.code, p.shown = b, 0, 0
		for _, i := range b.inputs {
			p.one(i)
		}
		b.code, b.shown = p.code, p.shown
		b.done <- struct{}{}
	}
}

// write writes what the workers rendered.
func (c *crew) write() {
	p := c.p
	for b := range c.queue {
		<-b.done
		if len(b.out) > 0 {
			p.write(b.out)
		}
		if p.failed {
			c.stopped.Store(true)
		}
		p.worse(b.code)
		p.shown += b.shown
		if b.after != nil {
			b.after()
		}
		*b = batch{inputs: b.inputs[:0], bytes: b.bytes[:0], out: b.out[:0], done: b.done}
		if cap(b.bytes)+cap(b.out) > 16*batchBytes {
			continue // after unusually long tokens
		}
		select {
		case c.idle <- b:
		default:
		}
	}
	close(c.written)
}

// stoppable is input that ends when the output cannot be written.
type stoppable struct {
	io.Reader
	stopped *atomic.Bool
}

func (s stoppable) Read(b []byte) (int, error) {
	if s.stopped.Load() {
		return 0, io.EOF
	}
	return s.Reader.Read(b)
}
