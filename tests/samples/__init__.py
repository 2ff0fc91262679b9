"""The sample assembly, through the whole tool: checked, expanded, assembled."""
