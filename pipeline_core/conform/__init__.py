"""Whether a plug-in does what its contract says, asked of the plug-in itself."""
