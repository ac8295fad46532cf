"""Commands: words in, calls down, tables out."""
