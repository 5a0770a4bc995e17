"""Small statements, from the AIR to the trace: read them beside docs/stark-tutorial.md."""
