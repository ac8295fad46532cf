"""National Hockey League for oddspipe: a spec and an odds model."""
