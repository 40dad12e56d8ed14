"""Float constants for the SI units that simulations use: `20 * ms`, `-65 * mV`.

There are no quantity objects: every number inside the package is a plain float in SI base units, and these
constants only make scripts readable.
"""

s, ms, us, ns = 1.0, 1e-3, 1e-6, 1e-9
V, mV, uV = 1.0, 1e-3, 1e-6
A, uA, nA, pA = 1.0, 1e-6, 1e-9, 1e-12
F, uF, nF, pF = 1.0, 1e-6, 1e-9, 1e-12
S, mS, uS, nS = 1.0, 1e-3, 1e-6, 1e-9
ohm, kohm, Mohm, Gohm = 1.0, 1e3, 1e6, 1e9
Hz, kHz = 1.0, 1e3
J, mJ, uJ, nJ, pJ, fJ = 1.0, 1e-3, 1e-6, 1e-9, 1e-12, 1e-15
