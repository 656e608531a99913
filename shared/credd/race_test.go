//go:build linux && race

package credd

// raceDetector reports whether the race detector is on, which is about ten times slower.
const raceDetector = true
