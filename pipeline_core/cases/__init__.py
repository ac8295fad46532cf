"""Run the tests inside a spec through the real stages, and say what came of them."""
