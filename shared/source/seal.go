package source

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"golang.org/x/crypto/nacl/box"
)

// seal agrees with oidc-agent on a key and encrypts a message under it
// (oidc-agent, src/ipc/cryptIpc.c): the client sends its X25519 public key in
// base64, the agent answers with its own, and each message is
// LENGTH:NONCE:CIPHERTEXT, the latter two in base64, made by NaCl's box.
func seal(conn net.Conn, message []byte) (sealed []byte, open func([]byte) ([]byte, error), err error) {
	b64 := base64.StdEncoding
	public, private, err := box.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if _, err := io.WriteString(conn, b64.EncodeToString(public[:])); err != nil {
		return nil, nil, err
	}
	answer := make([]byte, b64.EncodedLen(len(public)))
	if _, err := io.ReadFull(conn, answer); err != nil {
		return nil, nil, fmt.Errorf("exchange keys: %w", err)
	}
	theirs, err := b64.DecodeString(string(answer))
	if err != nil || len(theirs) != 32 {
		return nil, nil, errors.New("exchange keys: the answer is not a key")
	}
	var shared [32]byte
	box.Precompute(&shared, (*[32]byte)(theirs), private)
	var nonce [24]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return nil, nil, err
	}
	text := strconv.Itoa(len(message)) + ":" + b64.EncodeToString(nonce[:]) + ":" +
		b64.EncodeToString(box.SealAfterPrecomputation(nil, message, &nonce, &shared))
	return []byte(text), func(b []byte) ([]byte, error) { return unseal(b, &shared) }, nil
}

func unseal(b []byte, shared *[32]byte) ([]byte, error) {
	parts := strings.Split(strings.TrimRight(string(b), "\x00\n"), ":")
	if len(parts) != 3 {
		return nil, errors.New("the answer is not an encrypted message")
	}
	nonce, err := base64.StdEncoding.DecodeString(parts[1])
	if err != nil || len(nonce) != 24 {
		return nil, errors.New("the answer has no nonce")
	}
	ciphertext, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, errors.New("the answer is not base64")
	}
	out, ok := box.OpenAfterPrecomputation(nil, ciphertext, (*[24]byte)(nonce), shared)
	if !ok {
		return nil, errors.New("the answer cannot be decrypted")
	}
	return out, nil
}
