"""Parts for the tests of rules."""

from __future__ import annotations

from typing import Any

from snn.plugin import Rule


class Signal(Rule):
    """Adds the learning signal to the weight: what has arrived can be read there."""

    def on_signal(self, syn: Any, pre: Any, post: Any, signal: float, t: float) -> None:
        syn.w += signal
