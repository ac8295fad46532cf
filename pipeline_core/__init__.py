"""The framework: spec, plan, batches, stages, ports, runtime and adapters."""
