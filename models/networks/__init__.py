"""Networks that the field knows: each a function that returns a :class:`snn.Network`, ready to run on the grid."""

from .brunel import brunel, brunel_stdp
from .coba import coba, cobahh
from .cuba import cuba
from .microcircuit import microcircuit

__all__ = ["brunel", "brunel_stdp", "coba", "cobahh", "cuba", "microcircuit"]
