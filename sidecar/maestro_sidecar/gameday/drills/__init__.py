"""The drills: one module each, with the parts it starts and the actions and probes that its experiment names."""
