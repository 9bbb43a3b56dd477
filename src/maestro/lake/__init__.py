"""The lake: changes of rows become a table that analysts read.

``changes`` is the form in which changes come, ``dedupe`` settles which one of a key counts, ``routing`` decides what
is merged now and what waits in the side log, ``applying`` works out new files from old ones, ``query`` writes the SQL
that reads a table. All pure: bytes, clocks and commits are the adapters'. Arrow is imported when first used.
"""
