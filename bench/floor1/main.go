// Command floor1 prints one line. It has net/http and crypto/tls linked, which every Go program
// that can get a token must initialize.
package main

import (
	"crypto/tls"
	"net/http"
	"os"
)

func main() {
	if len(os.Args) > 1 {
		client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}}
		resp, err := client.Get(os.Args[1])
		if err != nil {
			os.Exit(1)
		}
		_ = resp.Body.Close()
	}
	_, _ = os.Stdout.WriteString("one line\n")
}
