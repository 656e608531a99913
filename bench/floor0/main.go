// Command floor0 prints one line. It measures the minimum start time of a Go program.
package main

import "os"

func main() { _, _ = os.Stdout.WriteString("one line\n") }
