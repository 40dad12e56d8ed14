"""Delayed feedback: an ordinary task whose error comes late."""

from __future__ import annotations

from dataclasses import replace

from snn.arguments import duration_of

from .digits import digits
from .task import Task


def delayed_feedback(delay: float = 0.05) -> Task:
    """The digits, with `delay` seconds of silence between a sample's end and its error.

    A rule whose eligibility decays before the error comes loses what it would have learned; run it for several delays.
    """
    delay = duration_of("Task 'delayed-feedback': delay", delay)
    return replace(digits(), name=f"delayed-feedback {1e3 * delay:g} ms", feedback_delay=delay)
