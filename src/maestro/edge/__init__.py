"""Edge policy: which bundle decides, which one is refused, and when nobody may decide. Pure.

A *candidate* is what was fetched, *serving* is what decides, *earlier* ones are what it may fall back on.
"""
