package inspect

import (
	"io"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"example.org/token-helpers/shared/token"
)

// pool processes inputs on all processors, and writes the results in the order of the
// inputs. Inputs are processed in batches. The number of batches is limited, so that memory
// does not grow with the input.
//
// One goroutine, the caller of [pool.add], reads and splits the input. The workers decode,
// judge and render whole batches. Another goroutine writes them.
type pool struct {
	p *pipeline
	// filling is the batch to which inputs are added, or nil if it has none yet.
	filling *batch
	// todo has the batches for the workers, queue all batches in the order in which they are
	// written. idle has batches to be reused.
	todo, queue, idle chan *batch
	written           chan struct{}
	// gcPercent and memoryLimit are the settings of the garbage collector to restore.
	gcPercent   int
	memoryLimit int64
	// stopped is set if the output cannot be written, so that reading stops.
	stopped atomic.Bool
}

const (
	// batchBytes and batchInputs are the size of a batch. Smaller batches need more
	// synchronization, larger ones more memory.
	batchBytes  = 64 << 10
	batchInputs = 1000
	// maxWorkers limits memory on machines with many processors. More workers would wait
	// for the goroutine that reads.
	maxWorkers = 32
	// gcPercent is how much memory may grow, in percent of the memory in use, before it is
	// collected. memoryLimit is a soft limit in bytes, because the collector lags behind on a
	// busy machine.
	gcPercent   = 400
	memoryLimit = 40 << 20
)

// batch is a number of consecutive inputs, and the output for them.
type batch struct {
	inputs []input
	// bytes has the contents of the inputs.
	bytes []byte
	out   []byte
	// code is the exit code for the inputs, shown the number of those that were shown.
	code, shown int
	// after, if not nil, is called after the batch was written.
	after func()
	done  chan struct{}
}

// Write appends to the output for the inputs.
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

// start makes the pipeline process inputs in parallel. With --redact or --fetch-keys there is
// one worker, because the masks and the issuers that are contacted depend on earlier inputs.
func (p *pipeline) start() {
	workers := min(runtime.GOMAXPROCS(0), maxWorkers)
	if p.redactor != nil || p.judge.keys.fetcher != nil {
		workers = 1
	}
	c := &pool{p: p, todo: make(chan *batch, workers), queue: make(chan *batch, 2*workers), idle: make(chan *batch, 4*workers), written: make(chan struct{})}
	// Little memory is in use at a time, so a high percentage does not waste much.
	c.gcPercent, c.memoryLimit = debug.SetGCPercent(gcPercent), debug.SetMemoryLimit(memoryLimit)
	own := *p.output // copied before the writer changes it
	for range workers {
		go c.work(own)
	}
	go c.write()
	p.pool = c
}

// submit processes an input, or adds it to the pool. The caller may overwrite the input's
// bytes afterwards.
func (p *pipeline) submit(i input) {
	if p.pool == nil {
		p.process(i)
		return
	}
	p.pool.add(i)
}

// afterwards calls f after all inputs that were submitted before have been shown.
func (p *pipeline) afterwards(f func()) {
	if p.pool == nil {
		f()
		return
	}
	p.pool.batch().after = f
	p.pool.send()
}

// wait waits until all output is written, and stops the pool.
func (p *pipeline) wait() {
	c := p.pool
	if c == nil {
		return
	}
	c.send()
	close(c.todo)
	close(c.queue)
	<-c.written
	debug.SetGCPercent(c.gcPercent)
	debug.SetMemoryLimit(c.memoryLimit)
	p.pool = nil
}

// batch returns the batch that is being filled.
func (c *pool) batch() *batch {
	if c.filling == nil {
		select {
		case c.filling = <-c.idle:
		default:
			c.filling = &batch{done: make(chan struct{}, 1)}
		}
	}
	return c.filling
}

func (c *pool) add(i input) {
	b := c.batch()
	if b.add(i); b.full() {
		c.send()
	}
}

// send passes the batch that is being filled to the workers. It blocks if too many batches
// are being processed.
func (c *pool) send() {
	if b := c.filling; b != nil {
		c.filling = nil
		c.queue <- b
		c.todo <- b
	}
}

// work decodes, judges and renders batches. own is the worker's copy of the output.
func (c *pool) work(own output) {
	p := &pipeline{env: c.p.env, judge: c.p.judge, format: c.p.format, redactor: c.p.redactor, decoder: new(token.Decoder), output: &own}
	p.renderer = p.format.new(p.output)
	for b := range c.todo {
		p.stdout, p.code, p.shown = b, 0, 0
		for _, i := range b.inputs {
			p.process(i)
		}
		b.code, b.shown = p.code, p.shown
		b.done <- struct{}{}
	}
}

// write writes the output of the workers.
func (c *pool) write() {
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
			continue // do not keep the memory of unusually long tokens
		}
		select {
		case c.idle <- b:
		default:
		}
	}
	close(c.written)
}

// stoppable is a reader that returns io.EOF if the output cannot be written.
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
