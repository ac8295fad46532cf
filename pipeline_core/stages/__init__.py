"""Pure steps over batches."""
