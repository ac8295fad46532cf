"""The reference pages, made from the code: `make docs` writes them, a test finds drift."""
