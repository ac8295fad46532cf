"""What a run says of itself: metrics, health and readiness."""
