"""Evaluation by the field's protocols: each a file with a version and a hash."""

from glance3d.evaluation.protocols.protocol import (
    Protocol,
    load_protocol,
    parse_protocol,
    protocol_names,
)
from glance3d.evaluation.protocols.result import ProtocolResult, SceneResult
from glance3d.evaluation.protocols.run import RunOptions, run_protocol

__all__ = [
    "Protocol",
    "ProtocolResult",
    "RunOptions",
    "SceneResult",
    "load_protocol",
    "parse_protocol",
    "protocol_names",
    "run_protocol",
]
