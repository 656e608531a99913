//go:build linux && !race

package credd

const raceDetector = false
