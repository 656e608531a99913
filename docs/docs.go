// Package docs holds the documentation, and generates the pages that are made from code.
package docs

//go:generate go run ./causes
