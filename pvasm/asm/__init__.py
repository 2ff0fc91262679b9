"""Assembly as the processor meets it: statements joined to instructions."""
