"""``maestro edge``: the publisher's and the verifier's commands, each in a module beside this one."""

from __future__ import annotations

import argparse

from maestro_sidecar.cli import edge_bundle, edge_node, edge_publish, edge_serve, edge_verify
from maestro_sidecar.cli.parsing import Parser

__all__ = ["add_to"]

_DESCRIPTION = """\
Policy bundles that an edge can trust: sign and publish them with update metadata, make deltas, verify; and look
after a running edge.
"""
_EXAMPLE = """\
  mkdir -p policy && printf 'package limits\\n\\nallow if input.ok\\n' > policy/limits.rego
  maestro edge keygen keys
  maestro edge publish policy repository --keys keys
  maestro edge verify repository/bundle.tar.gz --key keys/bundle-1.pub"""


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the group and its commands."""
    group = commands.add_parser(
        "edge",
        help="publish and verify policy bundles, run an edge",
        description=_DESCRIPTION,
        example=_EXAMPLE,
    )
    below = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    edge_publish.add_to(below)
    edge_bundle.add_to(below)
    edge_verify.add_to(below)
    edge_serve.add_to(below)
    edge_node.add_to(below)
