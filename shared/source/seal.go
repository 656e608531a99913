package source

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"golang.org/x/crypto/nacl/secretbox"
	//lint:ignore SA1019 NaCl defines box with HSalsa20, which only this package offers.
	"golang.org/x/crypto/salsa20/salsa"
)

// seal agrees with oidc-agent on a key and encrypts a message with it (oidc-agent,
// src/ipc/cryptIpc.c): the client sends its X25519 public key in base64, the agent
// answers with its own, and each message is LENGTH:NONCE:CIPHERTEXT, the latter two in
// base64, encrypted with NaCl's box.
func seal(conn net.Conn, message []byte) (sealed []byte, open func([]byte) ([]byte, error), err error) {
	b64 := base64.StdEncoding
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if _, err := io.WriteString(conn, b64.EncodeToString(private.PublicKey().Bytes())); err != nil {
		return nil, nil, err
	}
	answer := make([]byte, b64.EncodedLen(keySize))
	if _, err := io.ReadFull(conn, answer); err != nil {
		return nil, nil, fmt.Errorf("exchange keys: %w", err)
	}
	theirs, err := b64.DecodeString(string(answer))
	if err != nil || len(theirs) != keySize {
		return nil, nil, errors.New("exchange keys: the answer is not a key")
	}
	shared, err := boxKey(private, theirs)
	if err != nil {
		return nil, nil, fmt.Errorf("exchange keys: %w", err)
	}
	var nonce [24]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return nil, nil, err
	}
	text := strconv.Itoa(len(message)) + ":" + b64.EncodeToString(nonce[:]) + ":" +
		b64.EncodeToString(secretbox.Seal(nil, message, &nonce, shared))
	return []byte(text), func(b []byte) ([]byte, error) { return unseal(b, shared) }, nil
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
	out, ok := secretbox.Open(nil, ciphertext, (*[24]byte)(nonce), shared)
	if !ok {
		return nil, errors.New("the answer cannot be decrypted")
	}
	return out, nil
}

// keySize is the length of an X25519 key in bytes.
const keySize = 32

// boxKey returns the key of NaCl's box for two X25519 keys: their shared secret, hashed
// with HSalsa20 (https://nacl.cr.yp.to/box.html). Package nacl/box has the same function,
// but links BLAKE2b, whose initialization slows down every run.
func boxKey(private *ecdh.PrivateKey, theirs []byte) (*[keySize]byte, error) {
	public, err := ecdh.X25519().NewPublicKey(theirs)
	if err != nil {
		return nil, err
	}
	secret, err := private.ECDH(public)
	if err != nil {
		return nil, err
	}
	var key [keySize]byte
	var zero [16]byte
	salsa.HSalsa20(&key, &zero, (*[keySize]byte)(secret), &salsa.Sigma)
	return &key, nil
}
