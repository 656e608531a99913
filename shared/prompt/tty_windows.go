package prompt

const ttyName = "CONIN$"

// echoOff leaves the console as it is: reading the passphrase turns the echo off.
func echoOff(int) {}
