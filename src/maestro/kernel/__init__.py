"""What every system shares: errors, instants, identifiers, events. Pure values, no I/O, no clock."""
