"""Append-only logs whose every step can be proved: Merkle tree (RFC 9162), signed checkpoints, proofs. Pure.

Nothing here needs ``cryptography`` (extra ``[audit]``) until a key signs or verifies.
"""

from maestro.audit.checkpoints import Checkpoint, cosign, issue, open_checkpoint, parse_checkpoint
from maestro.audit.entries import Draft
from maestro.audit.hashing import EMPTY_ROOT, leaf_hash, node_hash
from maestro.audit.judge import Finding, Judge, Verdict
from maestro.audit.keys import (
    Cosigner,
    CosignerKey,
    LogKey,
    LogSigner,
    parse_cosigner,
    parse_cosigner_key,
    parse_log_key,
    parse_log_signer,
)
from maestro.audit.notes import Note, Signature, Verifier, parse_note
from maestro.audit.proofs import InclusionProof, encode_proof, parse_proof, verify_entry
from maestro.audit.reasons import AuditReason
from maestro.audit.tree import CompactRange, TreeHead, consistency_proof, inclusion_proof
from maestro.audit.verification import root_from_inclusion, verify_consistency, verify_inclusion

__all__ = [
    "EMPTY_ROOT",
    "AuditReason",
    "Checkpoint",
    "CompactRange",
    "Cosigner",
    "CosignerKey",
    "Draft",
    "Finding",
    "InclusionProof",
    "Judge",
    "LogKey",
    "LogSigner",
    "Note",
    "Signature",
    "TreeHead",
    "Verdict",
    "Verifier",
    "consistency_proof",
    "cosign",
    "encode_proof",
    "inclusion_proof",
    "issue",
    "leaf_hash",
    "node_hash",
    "open_checkpoint",
    "parse_checkpoint",
    "parse_cosigner",
    "parse_cosigner_key",
    "parse_log_key",
    "parse_log_signer",
    "parse_note",
    "parse_proof",
    "root_from_inclusion",
    "verify_consistency",
    "verify_entry",
    "verify_inclusion",
]
