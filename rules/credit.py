"""Credit pathways: how what is known at the readout becomes a learning signal at a hidden neuron.

Between layers, "symmetric", "sign-symmetric", "fa", "kolen-pollack" and "weight-mirror" lead from each layer to the one
below; the others from the readout to every layer. With one hidden layer FA and DFA are the same.
"""

from __future__ import annotations

import math

import numpy as np

from snn.errors import ParameterError
from snn.plugin import Credit, param


class Frozen(Credit):
    """No signal: the hidden weights stay as they were drawn. The control for what width alone achieves."""

    carries = "none"

    def feedback(self, w: float, b: float) -> float:
        return 0.0


class Symmetric(Credit):
    """L_j = sum_k w_jk e_k, the forward weights read backwards: backprop's own pathway, which is not local."""

    carries = "W^T"
    layerwise = True

    def feedback(self, w: float, b: float) -> float:
        return w


class SignSymmetric(Credit):
    """L_j = scale sum_k sign(w_jk) e_k: of each forward weight only the sign is read backwards, which is not local.

    References
    ----------
    Liao, Leibo & Poggio (2016) AAAI, "uniform sign-concordant feedback".
    """

    scale: float = param(1.0, above=0, doc="size of every feedback weight")
    carries = "sign(W)"
    layerwise = True

    def feedback(self, w: float, b: float) -> float:
        return math.copysign(self.scale, w) if w != 0.0 else 0.0


class DFA(Credit):
    """L_j = sum_k b_jk e_k with fixed random b, drawn from a normal distribution of mean 0 and s.d. `scale`.

    References
    ----------
    Nokland (2016) NeurIPS, eq. 6.
    """

    scale: float = param(1.0, above=0, doc="standard deviation of the fixed feedback weights")
    carries = "B fixed"

    def feedback(self, w: float, b: float) -> float:
        return self.scale * b


class FA(DFA):
    """The same from each layer to the one below, through random matrices in the place of the transposed weights.

    References
    ----------
    Lillicrap et al. (2016) Nat. Commun. 7, 13276, eq. 2.
    """

    layerwise = True


class Uniform(Credit):
    """L_j = scale sum_k e_k: every neuron hears the same sum of errors.

    The errors of a softmax add up to zero, and so does this signal: a control that shows what the feedback weights'
    differences are for.

    References
    ----------
    Zenke & Ganguli (2018) Neural Comput. 30, 1514 ("uniform feedback").
    """

    scale: float = param(1.0, above=0, doc="size of every feedback weight")
    carries = "B fixed"

    def feedback(self, w: float, b: float) -> float:
        return self.scale


class KolenPollack(Credit):
    """Feedback weights that learn as the forward weights do, from what both ends of the synapse know.

    L_j = sum_k b_jk e_k;  b_jk <- b_jk - eta (e_k x_j + decay b_jk), where x_j counts the spikes of neuron j. Forward
    synapses with the rule Delta of the same `eta` and `decay` change alike, so that w - b shrinks by 1 - eta decay in
    every presentation in which neuron j fires, and the pathway becomes the symmetric one without reading a weight.
    Between hidden layers e is the signal times the gain, which stands for the forward synapse's eligibility.

    References
    ----------
    Kolen & Pollack (1994) Proc. ICNN; Akrout et al. (2019) NeurIPS, eq. 16-17.
    """

    scale: float = param(0.1, above=0, doc="standard deviation of the feedback weights at first")
    eta: float = param(0.01, min=0, doc="learning rate: that of the forward synapses' rule")
    decay: float = param(0.01, min=0, doc="decay: that of the forward synapses' rule")
    carries = "B learned"
    layerwise = True

    def feedback(self, w: float, b: float) -> float:
        return self.scale * b

    def learn(self, b: float, x: float, e: float) -> float:
        change = self.eta * e * x / self.scale
        if self.decay > 0.0:
            change += self.eta * self.decay * b
        return b - change


class WeightMirror(Credit):
    """Feedback weights that learn the forward weights from noise sent through them.

    Between two presentations the neurons of the lower population are driven by noise x of mean 0 and s.d. 1; their
    synapses carry it to y_k = sum_j w_jk x_j, and the feedback weights take up the correlation, whose mean is w_jk:
    b_jk <- b_jk + eta_mirror (x_j y_k - b_jk).

    References
    ----------
    Akrout et al. (2019) NeurIPS, eq. 7.
    """

    eta_mirror: float = param(0.01, min=0, max=1, doc="share of the correlation that is taken up each time")
    scale: float = param(0.1, above=0, doc="standard deviation of the feedback weights at first")
    carries = "B learned"
    layerwise = True

    def feedback(self, w: float, b: float) -> float:
        return self.scale * b

    def mirror(self, b: float, x: float, y: float) -> float:
        return b + self.eta_mirror * (x * y / self.scale - b)


class DRTP(Credit):
    """L_j = -b_jc for a sample of class c: the label alone, through fixed random b; nobody waits for the readout.

    b is normal with mean 0 and s.d. `scale`, or of three values: each neuron is told to fire for `n_for` classes drawn
    at random (b_jc = scale), not to for `n_against` others (-scale), and nothing of the rest (0). What it has to learn
    is then easier than to tell one half of the classes from the other.

    References
    ----------
    Frenkel, Lefebvre & Bol (2021) Front. Neurosci. 15, 629892, eq. 3; Allwein, Schapire & Singer (2000) J. Mach. Learn.
    Res. 1, 113 (codes of three values).
    """

    scale: float = param(0.1, above=0, doc="standard deviation of the fixed feedback weights, or their size")
    n_for: float = param(0, min=0, doc="classes that a neuron is told to fire for; 0: normal feedback weights")
    n_against: float = param(0, min=0, doc="classes that a neuron is told not to fire for, where n_for is above 0")
    carries = "label only"
    hears = "label"

    def feedback(self, w: float, b: float) -> float:
        return self.scale * b

    def draw(self, rng: np.random.Generator, n: int, n_error: int) -> np.ndarray:
        if self.n_for == 0:
            return super().draw(rng, n, n_error)
        if self.n_for % 1 != 0 or self.n_against % 1 != 0 or self.n_for + self.n_against > n_error:
            raise ParameterError(
                f"DRTP.n_for is {self.n_for:g} and n_against {self.n_against:g}; give whole numbers that add up to "
                f"{n_error}, the number of classes, or less."
            )
        b = np.zeros(n_error)
        b[: int(self.n_for)] = 1.0
        b[n_error - int(self.n_against) :] = -1.0
        return rng.permuted(np.tile(b, (n, 1)), axis=1)


class Reward(Credit):
    """One number for all: each neuron is nudged at random, and asks whether the nudge was followed by more reward.

    Neuron j starts each presentation with an arrival of weight sigma xi_j; L_j = (R_mean - R) xi_j scale, where R is
    the logarithm of the probability that the readout gives to the right class, and R_mean what it was of late:
    R_mean <- R_mean + rate (R - R_mean).

    References
    ----------
    Fiete & Seung (2006) Phys. Rev. Lett. 97, 048104 (node perturbation); Williams (1992) Mach. Learn. 8, 229
    (baseline).
    """

    sigma: float = param(0.1, above=0, unit="V", doc="standard deviation of the nudge")
    scale: float = param(1.0, above=0, doc="size of the signal")
    rate: float = param(0.01, above=0, max=1, doc="share of each reward in the expectation")
    carries = "scalar reward"
    hears = "reward"

    def feedback(self, w: float, b: float) -> float:
        return self.scale * b

    def perturb(self, xi: float) -> float:
        return self.sigma * xi

    def expect(self, mean: float, reward: float) -> float:
        return mean + self.rate * (reward - mean)


class LocalReadout(Credit):
    """A local loss: each layer guesses the class by itself, and learns from its own error.

    o_k = sum_j b_jk x_j, with the spike counts x_j;  e = softmax(o) - onehot(label);  L_j = sum_k b_jk e_k;
    b_jk <- b_jk - eta e_k x_j. With eta = 0 the readout is fixed and random, as in DECOLLE.

    References
    ----------
    Mostafa, Ramesh & Cauwenberghs (2018) Front. Neurosci. 12, 608 (fixed); Nokland & Eidnes (2019) ICML (learned);
    Kaiser, Mostafa & Neftci (2020) Front. Neurosci. 14, 424 (DECOLLE).
    """

    scale: float = param(0.1, above=0, doc="standard deviation of the layer's own readout at first")
    eta: float = param(0.01, min=0, doc="learning rate of the layer's own readout; 0: fixed")
    carries = "label only"
    hears = "own"

    def feedback(self, w: float, b: float) -> float:
        return self.scale * b

    def learn(self, b: float, x: float, e: float) -> float:
        return b - self.eta * e * x / self.scale


PATHWAYS: dict[str, type[Credit]] = {
    "frozen": Frozen,
    "symmetric": Symmetric,
    "sign-symmetric": SignSymmetric,
    "fa": FA,
    "dfa": DFA,
    "uniform": Uniform,
    "kolen-pollack": KolenPollack,
    "weight-mirror": WeightMirror,
    "drtp": DRTP,
    "reward": Reward,
    "local": LocalReadout,
}
