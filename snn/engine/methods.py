"""The methods of models, sources and currents as functions of the plugin as one cell sees it (`at(plugin, j)`).

A kernel that calls them so compiles each as a part of itself; as a method it would be one more function (50 ms each).
"""

from __future__ import annotations

from .dispatch import hook

advance, hold, above, fire = hook("advance"), hook("hold"), hook("above"), hook("fire")
receive, receive_held = hook("receive"), hook("receive_held")
noise, hazard = hook("noise"), hook("hazard")
time_to_threshold, next_spike, value = hook("time_to_threshold"), hook("next_spike"), hook("value")
