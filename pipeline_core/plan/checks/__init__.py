"""Cross-checks of a spec: each module yields every problem of its subject, and raises none."""
