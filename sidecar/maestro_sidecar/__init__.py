"""The composition root: the HTTP server, its settings, the command line and the demo.

Nothing imports this package from below. It alone reads the environment, and it alone chooses which adapters stand
behind which port. Importing it loads nothing heavy: each command and the server load what they need when called.
"""
