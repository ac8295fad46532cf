"""Feeds that are pulled from Google Cloud Pub/Sub."""

import os

# gRPC reads it once, when it is imported: errors are told by us, not by lines of its core.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
