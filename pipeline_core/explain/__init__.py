"""What a plan means when it runs: stages, guarantees, bounds and budgets, for people."""
