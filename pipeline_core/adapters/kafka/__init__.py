"""Topics of a sport, their records, and the clients that move them."""
