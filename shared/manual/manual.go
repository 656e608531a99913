// Package manual parses the pages of the documentation that the programs show. They are
// written in a subset of Markdown: headings, paragraphs, lists, code blocks and tables,
// with code, emphasis and links in the text.
package manual

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"example.org/token-helpers/shared/text"
)

// Kind is the kind of a block.
type Kind int

// The kinds of blocks.
const (
	Paragraph Kind = iota
	Heading
	Item
	Code
	Table
)

// Block is a part of a page.
type Block struct {
	Kind Kind
	// Level is the level of a heading; 1 for the title.
	Level int
	// Text is the text of a heading, a paragraph or an item, with its markup.
	Text string
	// Mark precedes an item: a dash, or a number with a period.
	Mark string
	// Lines are the lines of code.
	Lines []string
	// Rows are the rows of a table, the first of which is its header.
	Rows [][]string
}

// Parse splits a page into blocks.
func Parse(page string) []Block {
	var out []Block
	var open *Block // the paragraph or item that the next line continues
	fenced, empty := false, false
	for line := range strings.SplitSeq(page, "\n") {
		last := len(out) - 1
		fence := strings.HasPrefix(line, "```")
		indented := strings.HasPrefix(line, "    ") && open == nil
		trimmed := strings.TrimSpace(line)
		switch {
		case fence:
			fenced = !fenced
			if fenced {
				out = append(out, Block{Kind: Code})
			}
			open = nil
		case fenced:
			out[last].Lines = append(out[last].Lines, line)
		case indented && last >= 0 && out[last].Kind == Code:
			if empty {
				out[last].Lines = append(out[last].Lines, "")
			}
			out[last].Lines = append(out[last].Lines, line[4:])
		case indented:
			out = append(out, Block{Kind: Code, Lines: []string{line[4:]}})
		case trimmed == "":
			open = nil
		case trimmed[0] == '#':
			title := strings.TrimLeft(trimmed, "#")
			out = append(out, Block{Kind: Heading, Level: len(trimmed) - len(title), Text: strings.TrimSpace(title)})
			open = nil
		case trimmed[0] == '|':
			if last < 0 || out[last].Kind != Table {
				out = append(out, Block{Kind: Table})
				last++
			}
			if cells := cells(trimmed); !rule(cells) {
				out[last].Rows = append(out[last].Rows, cells)
			}
			open = nil
		case strings.HasPrefix(trimmed, "- "):
			out = append(out, Block{Kind: Item, Mark: "-", Text: trimmed[2:]})
			open = &out[len(out)-1]
		case numbered(trimmed):
			mark, item, _ := strings.Cut(trimmed, " ")
			out = append(out, Block{Kind: Item, Mark: mark, Text: item})
			open = &out[len(out)-1]
		case open != nil:
			open.Text += " " + trimmed
		default:
			out = append(out, Block{Kind: Paragraph, Text: trimmed})
			open = &out[len(out)-1]
		}
		empty = trimmed == ""
	}
	return out
}

// numbered reports whether a line begins an item such as 1. TEXT.
func numbered(line string) bool {
	n, _, ok := strings.Cut(line, ". ")
	_, err := strconv.Atoi(n)
	return ok && err == nil
}

// cells splits a row of a table. \| is a bar in a cell.
func cells(row string) []string {
	row = strings.ReplaceAll(strings.Trim(row, "|"), `\|`, "\x00")
	var out []string
	for c := range strings.SplitSeq(row, "|") {
		out = append(out, strings.TrimSpace(strings.ReplaceAll(c, "\x00", "|")))
	}
	return out
}

// rule reports whether a row only separates the header of a table from the rest.
func rule(cells []string) bool {
	return strings.Trim(strings.Join(cells, ""), "-:") == ""
}

// Span is a piece of text in one font.
type Span struct {
	Text string
	// Code means that the text is literal, and Strong that it is emphasized.
	Code, Strong bool
}

// Spans splits text at its markup. A link becomes its text, followed by its address if
// that is a URL.
func Spans(s string) []Span {
	var out []Span
	plain := ""
	flush := func() {
		if plain != "" {
			out = append(out, Span{Text: plain})
		}
		plain = ""
	}
	for s != "" {
		span, rest, ok := marked(s)
		if !ok {
			_, n := utf8.DecodeRuneInString(s)
			plain, s = plain+s[:n], s[n:]
			continue
		}
		flush()
		out, s = append(out, span), rest
	}
	flush()
	return out
}

// marked parses a span with markup from the start of s.
func marked(s string) (span Span, rest string, ok bool) {
	switch {
	case s[0] == '`':
		code, rest, ok := strings.Cut(s[1:], "`")
		return Span{Text: code, Code: true}, rest, ok
	case strings.HasPrefix(s, "**"):
		strong, rest, ok := strings.Cut(s[2:], "**")
		return Span{Text: strong, Strong: true}, rest, ok
	case s[0] == '*' && len(s) > 1 && s[1] != ' ':
		strong, rest, ok := strings.Cut(s[1:], "*")
		return Span{Text: strong, Strong: true}, rest, ok
	case s[0] == '[':
		label, rest, ok := strings.Cut(s[1:], "](")
		address, rest, closed := strings.Cut(rest, ")")
		if strings.ContainsAny(label, "[]") {
			return Span{}, "", false
		}
		if strings.Contains(address, "://") && address != label {
			label += " (" + address + ")"
		}
		return Span{Text: label}, rest, ok && closed
	}
	return Span{}, "", false
}

// Plain returns the text without its markup.
func Plain(s string) string {
	var b strings.Builder
	for _, span := range Spans(s) {
		b.WriteString(span.Text)
	}
	return b.String()
}

// Text formats a page for a terminal with lines of width columns.
func Text(page string, width int) string {
	var b strings.Builder
	last := Kind(-1)
	for _, block := range Parse(page) {
		if last >= 0 && (block.Kind != Item || last != Item) {
			b.WriteString("\n")
		}
		last = block.Kind
		block.write(&b, width)
	}
	return b.String()
}

func (block Block) write(b *strings.Builder, width int) {
	switch block.Kind {
	case Heading:
		title := Plain(block.Text)
		if block.Level == 1 {
			title = strings.ToUpper(title)
		}
		b.WriteString(title + "\n")
	case Code:
		for _, line := range block.Lines {
			b.WriteString(strings.TrimRight("    "+line, " ") + "\n")
		}
	case Item:
		row(b, len(block.Mark)+1, block.Mark, Plain(block.Text), width)
	case Table:
		block.table(b, width)
	default:
		row(b, 0, "", Plain(block.Text), width)
	}
}

// table writes a table as a list: the first column, and the others beside it.
func (block Block) table(b *strings.Builder, width int) {
	left := 0
	for _, r := range block.Rows[1:] {
		if n := utf8.RuneCountInString(Plain(r[0])); n <= 30 {
			left = max(left, n)
		}
	}
	for _, r := range block.Rows[1:] {
		row(b, left+4, "  "+Plain(r[0]), Plain(Rest(r)), width)
	}
}

// Rest joins the cells of a row after the first one.
func Rest(row []string) string { return strings.Join(row[1:], ". ") }

// row writes s beside a label, or below it if the label is too long.
func row(b *strings.Builder, indent int, label, s string, width int) {
	if label != "" && utf8.RuneCountInString(label) >= indent {
		b.WriteString(label + "\n")
		label = ""
	}
	for _, line := range text.Wrap(s, max(width-indent, 20)) {
		pad := max(indent-utf8.RuneCountInString(label), 0)
		b.WriteString(strings.TrimRight(label+strings.Repeat(" ", pad)+strings.TrimSpace(line), " ") + "\n")
		label = ""
	}
}
