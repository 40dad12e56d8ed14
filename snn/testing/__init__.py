"""What plugin authors need: the plain-Python twin of the engine, and certificates for rules and models.

    from snn.testing import check_rule
    def test_rule():
        check_rule(SoftSTDP)

The twin runs a declared network with one event queue and the plugins' own uncompiled methods. It is slow and written
to be read: where the compiled engine and the twin differ, the engine is wrong.
"""

from __future__ import annotations

from .checks import Check, CheckFailed, Report
from .grid import GridTwin
from .model import check_model
from .parts import Broadcast, Follower, Sum, Train, network_with
from .record import Record
from .rule import check_rule
from .twin import HELD, Twin, TwinResult, simulate

__all__ = [
    "HELD",
    "Broadcast",
    "Check",
    "CheckFailed",
    "Follower",
    "GridTwin",
    "Record",
    "Report",
    "Sum",
    "Train",
    "Twin",
    "TwinResult",
    "check_model",
    "check_rule",
    "network_with",
    "simulate",
]
