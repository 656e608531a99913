//go:build linux && race

package credd

// raceDetector makes everything ten times as slow.
const raceDetector = true
