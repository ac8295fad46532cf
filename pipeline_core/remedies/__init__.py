"""What mends a running deployment by itself: called by jobs in the cluster, or by a person."""
