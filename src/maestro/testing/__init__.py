"""What tests need, shipped: a clock to turn by hand, reference models, strategies, the conformance kit.

Needs the extra ``[testing]`` where hypothesis is used (``strategies``, ``conformance``); importing this package
alone, ``clock`` or ``model`` does not.
"""
