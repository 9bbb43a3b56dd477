"""Maestro Conductor: the control layer beside the runners of many tenants.

Importing this package loads the error classes and nothing else; every room is imported by name, for
example ``from maestro.runtime import BlockingLimits``.
"""

from maestro.kernel.errors import BadInputError, ConflictError, MaestroError, PortError, UntrustedError

__all__ = ["BadInputError", "ConflictError", "MaestroError", "PortError", "UntrustedError", "__version__"]

__version__ = "0.1.0"
