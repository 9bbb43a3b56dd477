"""The contract registry: subjects, their versions, what each must be compatible with; a log of changes, folded (ADR-1124)."""
