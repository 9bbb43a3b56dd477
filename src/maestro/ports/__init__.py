"""Small Protocols between the rooms and the world, one file a port, each with its contract in the docstring.

An adapter declares what it can as ``capabilities``; the conformance kit (``maestro.testing.conformance``) proves
each declared one and checks that what is not declared refuses.
"""
