"""The classifier as an estimator of scikit-learn, for its pipelines, cross-validation and searches."""

from __future__ import annotations

import copy
import importlib
import json
import math
from types import SimpleNamespace
from typing import Any

import numpy as np

from rules import PATHWAYS, Delta, KolenPollack, ThreeFactor
from snn.errors import ExportError, ParameterError
from snn.hdf5 import opened, replacing
from snn.plugin import Credit, Plugin, Rule, is_whole
from snn.units import ms

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError("models.estimator needs scikit-learn 1.6 or newer: pip install 'localspike[demo]'.") from error

from .classifier import LatencyClassifier

_FORMAT = 1


class SpikingClassifier(ClassifierMixin, BaseEstimator):
    """A spiking network that learns online, one sample at a time, by a three-factor rule and a credit pathway.

    Inputs are scaled to 0 to 1 by the training samples' range and shown in a latency code: the larger, the earlier.
    With `mirror` each input is also shown as 1 - x, beside a bias, so that small values make spikes as well. The class
    is that of the largest readout. See :class:`models.classifier.LatencyClassifier`.

    Parameters
    ----------
    rule : "three-factor", "frozen" or Rule
        Of the synapses onto hidden layers. "three-factor" is ThreeFactor with `eta`, `width`, `rate_cost` and
        `rate_target`; a rule object brings its own, and learns at a constant rate without an `eta`; "frozen" leaves
        the weights as drawn.
    credit : str or Credit
        Pathway to the hidden layers by its name in ``rules.PATHWAYS``, with its default parameters, or an object.
        KolenPollack learns at the rate `eta_readout`, and the readout with its decay, whatever its own rate is.
    hidden : tuple of int, or int
        Neurons of each hidden layer.
    epochs : int
        Passes over the training samples.
    eta, eta_readout : float
        Learning rates at the start, of hidden layers and of the readout; both fall to zero along half a cosine.
    width, rate_cost, rate_target : float
        See :class:`rules.ThreeFactor`.
    scaling : "feature", "global" or None
        Each feature by its own range; all by one range (images); none: samples lie in 0 to 1 already. What lies outside
        the range is clipped.
    mirror : bool
        Whether inputs are shown as 1 - x as well.
    w_in, w_hidden, w_out, tau_m, t_last, duration, period, low, jitter, steps
        See :class:`models.classifier.LatencyClassifier`.
    random_state : int, RandomState or None
        Seed of weights, feedback, jitter and the order of samples.

    Attributes
    ----------
    classes_ : (n_classes,) array
    weights_ : list of arrays
        Of each projection, from the inputs on, by (source, target).
    seed_ : int
    n_features_in_ : int
    """

    def __init__(
        self,
        rule: Any = "three-factor",
        credit: Any = "symmetric",
        hidden: Any = (30,),
        epochs: int = 30,
        eta: float = 0.01,
        eta_readout: float = 0.01,
        width: float = 0.5,
        rate_cost: float = 0.0,
        rate_target: float = 1.0,
        scaling: str | None = "feature",
        mirror: bool = True,
        w_in: tuple[float, float] = (0.4, 1.2),
        w_hidden: tuple[float, float] = (0.4, 1.2),
        w_out: float = 0.05,
        tau_m: float = 20 * ms,
        t_last: float = 20 * ms,
        duration: float = 30 * ms,
        period: float = math.inf,
        low: float = 0.0,
        jitter: float = 0.0,
        steps: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.rule = rule
        self.credit = credit
        self.hidden = hidden
        self.epochs = epochs
        self.eta = eta
        self.eta_readout = eta_readout
        self.width = width
        self.rate_cost = rate_cost
        self.rate_target = rate_target
        self.scaling = scaling
        self.mirror = mirror
        self.w_in = w_in
        self.w_hidden = w_hidden
        self.w_out = w_out
        self.tau_m = tau_m
        self.t_last = t_last
        self.duration = duration
        self.period = period
        self.low = low
        self.jitter = jitter
        self.steps = steps
        self.random_state = random_state

    # ------------------------------------------------------------------------------------------------ learning

    def fit(self, X: Any, y: Any) -> SpikingClassifier:
        """Learn from samples (n, n_features) and their classes (n,), starting afresh."""
        if not is_whole(self.epochs, 1):
            raise ParameterError(f"SpikingClassifier.epochs is {self.epochs!r}; give a whole number, 1 or more.")
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if self.classes_.size < 2:
            raise ParameterError(f"SpikingClassifier: y has one class, {self.classes_[0]!r}; give two or more.")
        given = self.random_state
        is_seed = isinstance(given, (int, np.integer)) and not isinstance(given, bool)
        self.seed_ = int(given) if is_seed else int(check_random_state(given).randint(2**31 - 1))
        self._find_range(X)
        self._keep_params()
        net = self._network()
        self.passes_ = net.fit(self._encoded(X), labels, int(self.epochs))
        self.weights_ = [net.sim.weights(p) for p in net.projections]
        self._net = net
        return self

    def _keep_params(self) -> None:
        """Note the parameters that the weights belong to, whatever set_params says later."""
        self._fitted = SimpleNamespace(**copy.deepcopy(self.get_params(deep=False)))

    def _find_range(self, X: np.ndarray) -> None:
        if self.scaling == "feature":
            self.low_, high = X.min(axis=0), X.max(axis=0)
        elif self.scaling == "global":
            self.low_, high = np.full(X.shape[1], X.min()), np.full(X.shape[1], X.max())
        elif self.scaling is None:
            self.low_, high = np.zeros(X.shape[1]), np.ones(X.shape[1])
            if X.min() < 0 or X.max() > 1:
                raise ParameterError(
                    f"SpikingClassifier: X lies in {X.min():g} to {X.max():g}; without scaling, give values from 0 to "
                    "1, or set scaling='feature'."
                )
        else:
            raise ParameterError(f"SpikingClassifier.scaling is {self.scaling!r}; give 'feature', 'global' or None.")
        # A feature that is always the same says nothing, whatever its scale.
        self.range_ = np.where(high > self.low_, high - self.low_, 1.0)

    def _encoded(self, X: np.ndarray) -> np.ndarray:
        """Samples as values of the inputs, 0 to 1."""
        x = np.clip((X - self.low_) / self.range_, 0.0, 1.0)
        return np.hstack([x, 1.0 - x, np.ones((len(x), 1))]) if self._fitted.mirror else x

    def _rules(self) -> tuple[Rule | None, Rule, Credit | None]:
        """Hidden rule, readout rule and pathway."""
        own = self._fitted
        if isinstance(own.rule, str) and own.rule == "three-factor":
            rule: Rule | None = ThreeFactor(
                eta=own.eta, width=own.width, rate_cost=own.rate_cost, rate_target=own.rate_target
            )
        elif isinstance(own.rule, str) and own.rule == "frozen":
            rule = None
        elif isinstance(own.rule, Rule):
            rule = own.rule.replace()
        else:
            raise ParameterError(
                f"SpikingClassifier.rule is {own.rule!r}; give 'three-factor', 'frozen' or a rule, "
                "such as ThreeFactor(width=0.7)."
            )
        if isinstance(own.credit, Credit):
            credit = own.credit
        elif isinstance(own.credit, str) and own.credit in PATHWAYS:
            credit = PATHWAYS[own.credit]()
        else:
            raise ParameterError(
                f"SpikingClassifier.credit is {own.credit!r}; give a pathway or one of: {', '.join(PATHWAYS)}."
            )
        readout = Delta(eta=own.eta_readout)
        if isinstance(credit, KolenPollack):
            # Forward and feedback weights have to learn alike.
            credit, readout = credit.replace(eta=readout.eta), readout.replace(decay=credit.decay)
        return rule, readout, None if rule is None or not rule.needs_signal else credit

    def _network(self) -> LatencyClassifier:
        """A network of the parameters that are kept, untrained."""
        own = self._fitted
        hidden = own.hidden if isinstance(own.hidden, (tuple, list, np.ndarray)) else (own.hidden,)
        for n in hidden:
            if not is_whole(n, 1):
                raise ParameterError(f"SpikingClassifier.hidden is {own.hidden!r}; give whole numbers, 1 or more.")
        rule, readout_rule, credit = self._rules()
        n_in = 2 * self.n_features_in_ + 1 if own.mirror else self.n_features_in_
        return LatencyClassifier(
            (n_in, *map(int, hidden), self.classes_.size),
            rule,
            readout_rule,
            credit,
            seed=self.seed_,
            w_in=own.w_in,
            w_hidden=own.w_hidden,
            w_out=own.w_out,
            tau_m=own.tau_m,
            t_last=own.t_last,
            duration=own.duration,
            period=own.period,
            low=own.low,
            jitter=own.jitter,
            steps=own.steps,
        )

    # ------------------------------------------------------------------------------------------------- judging

    def _outputs(self, X: Any) -> np.ndarray:
        """Readout potentials, (n, n_classes)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        if getattr(self, "_net", None) is None:
            self._net = self._network()
            for projection, w in zip(self._net.projections, self.weights_, strict=True):
                self._net.sim.set_weights(projection, w)
        return self._net.show(self._encoded(X)).outputs

    def decision_function(self, X: Any) -> np.ndarray:
        """Readout potentials, (n, n_classes); for two classes the second's less the first's, (n,)."""
        out = self._outputs(X)
        return out[:, 1] - out[:, 0] if self.classes_.size == 2 else out

    def predict_proba(self, X: Any) -> np.ndarray:
        """Softmax of the readout potentials, (n, n_classes)."""
        out = self._outputs(X)
        p = np.exp(out - out.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """Class of the largest readout, (n,)."""
        best = self._outputs(X).argmax(axis=1)
        return self.classes_[best]

    # --------------------------------------------------------------------------------------------------- files

    def __getstate__(self) -> dict[str, Any]:
        # The network holds machine addresses; it is made anew from the weights when it is needed.
        return {key: value for key, value in super().__getstate__().items() if key not in ("_net", "passes_")}

    def save(self, path: Any, overwrite: bool = False) -> None:
        """Write classes, scaling, weights and the parameters they belong to to an HDF5 file; :meth:`load` reads it.

        Raises
        ------
        ExportError
            If the file exists or cannot be written.
        """
        check_is_fitted(self)
        classes = self.classes_
        is_text = all(isinstance(c, str) for c in classes)
        if not is_text and classes.dtype.kind not in "biuf":
            raise ExportError(f"Classes such as {classes[0]!r} cannot be saved; use numbers or text.")
        params = {name: _plain(name, value) for name, value in vars(self._fitted).items()}
        with replacing(path, overwrite) as file:
            own = file.create_group("snn/classifier")
            own.attrs.update(format=_FORMAT, seed=self.seed_, is_object=classes.dtype == object)
            own.create_dataset("params", data=json.dumps(params))
            own.create_dataset("classes", data=[str(c) for c in classes] if is_text else classes)
            own.create_dataset("low", data=self.low_)
            own.create_dataset("range", data=self.range_)
            if hasattr(self, "feature_names_in_"):
                own.create_dataset("features", data=list(self.feature_names_in_))
            for k, w in enumerate(self.weights_):
                own.create_dataset(f"weights/{k}", data=w)

    @classmethod
    def load(cls, path: Any) -> SpikingClassifier:
        """A classifier that :meth:`save` has written.

        Raises
        ------
        ExportError
            If the file cannot be read or holds no classifier.
        """
        import h5py

        with opened(path) as file:
            if "snn/classifier" not in file:
                raise ExportError(f"{path} holds no classifier. Give a file that SpikingClassifier.save wrote.")
            own = file["snn/classifier"]
            if own.attrs["format"] != _FORMAT:
                raise ExportError(f"{path} has format {own.attrs['format']}; this version reads {_FORMAT}.")
            made = cls(**{name: _object(v) for name, v in json.loads(own["params"].asstr()[()]).items()})
            made._keep_params()
            classes = own["classes"]
            made.classes_ = classes.asstr()[:] if h5py.check_string_dtype(classes.dtype) else classes[:]
            if not own.attrs["is_object"]:
                made.classes_ = np.array(made.classes_.tolist()) if made.classes_.dtype == object else made.classes_
            made.seed_, made.low_, made.range_ = int(own.attrs["seed"]), own["low"][:], own["range"][:]
            made.n_features_in_ = made.low_.size
            if "features" in own:
                made.feature_names_in_ = own["features"].asstr()[:]
            made.weights_ = [own[f"weights/{k}"][:] for k in range(len(own["weights"]))]
        return made


def _plain(name: str, value: Any) -> Any:
    """A parameter as JSON has it."""
    if isinstance(value, Plugin):
        kind = type(value)
        return {"plugin": f"{kind.__module__}:{kind.__qualname__}", "params": value.params()}
    if isinstance(value, (tuple, list, np.ndarray)):
        return [_plain(name, v) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    if name == "random_state" and not isinstance(value, (int, type(None))):
        return None  # the seed that came of it is saved
    return value


def _object(value: Any) -> Any:
    """A parameter from JSON."""
    if isinstance(value, list):
        return tuple(_object(v) for v in value)
    if not isinstance(value, dict):
        return value
    module, _, name = value["plugin"].partition(":")
    try:
        kind: Any = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ExportError(f"The file needs {value['plugin']}, which is not installed here: {error}.") from error
    if not (isinstance(kind, type) and issubclass(kind, Plugin)):
        raise ExportError(f"The file names {value['plugin']}, which is no rule and no credit pathway.")
    return kind(**value["params"])
