"""Back-test: recorded games through the stages of a run, and what the forecasts were worth."""
