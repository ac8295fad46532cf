"""What a person writes: loading, typing and diagnosing specs."""
