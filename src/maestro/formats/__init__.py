"""Bytes to values of public formats and back: strict JSON, RFC 9457 problems, CloudEvents, OPA bundles. No sockets."""
