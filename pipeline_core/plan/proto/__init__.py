"""The event as protobuf: what partners and other languages read, and which changes break them."""
