package testscripts

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

// htgettokenMain is a fake htgettoken, because the real one needs a Vault server. It accepts
// the options that the helpers use, and reads three environment variables: FAKE_TOKEN is the
// file with the token to return, FAKE_WAIT makes it wait after it has written the token until
// it is killed, and FAKE_LOG is the file to which it writes its command line.
func htgettokenMain() {
	outfile := flag.String("outfile", "", "")
	flag.String("audience", "", "")
	flag.String("scopes", "", "")
	flag.String("minsecs", "", "")
	flag.String("vaultserver", "", "")
	nooidc := flag.Bool("nooidc", false, "")
	flag.Parse()
	exit := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "htgettoken:", err)
			os.Exit(1)
		}
	}
	if name := os.Getenv("FAKE_LOG"); name != "" {
		exit(os.WriteFile(name, []byte(strings.Join(os.Args[1:], "\n")+"\n"), 0o600))
	}
	fmt.Println("Storing the token")
	name := os.Getenv("FAKE_TOKEN")
	if name == "" {
		if *nooidc {
			exit(fmt.Errorf("no refresh token in the vault, and --nooidc was given"))
		}
		return
	}
	b, err := os.ReadFile(name)
	exit(err)
	exit(os.WriteFile(*outfile, b, 0o600))
	if os.Getenv("FAKE_WAIT") != "" {
		r, w, err := os.Pipe()
		exit(err)
		fmt.Fprintln(os.Stderr, "htgettoken: waiting")
		_, _ = r.Read(make([]byte, 1)) // blocks
		_ = w.Close()
	}
}
