"""Declarations that cannot be meant are refused where they are written, with object, field, value and remedy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse

from snn.connect import (
    all_to_all,
    distance_dependent,
    fixed_in_degree,
    fixed_out_degree,
    fixed_probability,
    fixed_total_number,
    from_arrays,
    from_sparse,
    one_to_one,
    small_world,
)
from snn.distance import boxcar, exponential, gaussian
from snn.errors import NetworkError, ParameterError
from snn.network import Network, Population, Projection
from snn.plugin import Credit, Model, Rule, Source, param, state
from snn.random import Streams, normal
from snn.synapses import expand


class LIF(Model):
    drive: float = param(0.0, unit="V")
    v = state("cell", unit="V")


class Spikes(Source):
    rate: float = param(10.0, unit="Hz", min=0)


class ThreeFactor(Rule):
    eta: float = param(0.1)

    def on_signal(self, syn, pre, post, signal, t):
        syn.w += self.eta * signal


class Feedback(Credit):
    carries = "B fixed"

    def feedback(self, w, b):
        return b


@pytest.fixture
def net():
    made = Network(seed=1)
    made.population("inputs", Spikes(), 4)
    made.population("cells", LIF(), 3)
    return made


def connect(net, *args, **options):
    return net.connect(net.populations["inputs"], net.populations["cells"], *args, **options)


def refused(error, *words):
    """Expect an error whose message holds these words in this order."""
    return pytest.raises(error, match="(?s)" + ".*".join(words))


# Populations


@pytest.mark.parametrize("seed", [-1, 1.5, "one", True])
def test_a_seed_that_is_no_whole_number(seed):
    with refused(ParameterError, "Network.seed is", str(seed), "0 or more, or None"):
        Network(seed=seed)


def test_a_population_constructed_directly():
    with refused(NetworkError, "Population belongs to a network", r"net.population\(name, model, size\)"):
        Population("cells", LIF(), 3)


def test_a_projection_constructed_directly():
    with refused(NetworkError, "Projection belongs to a network", r"net.connect\(source, target, connector\)"):
        Projection()


@pytest.mark.parametrize("name", ["", "a/b", ".", 3, None])
def test_a_name_that_no_file_could_hold(net, name):
    with refused(NetworkError, "name of a population is", "non-empty text without '/'"):
        net.population(name, LIF(), 3)


def test_a_population_name_that_is_taken(net):
    with refused(NetworkError, "population named 'cells' already", "another name"):
        net.population("cells", LIF(), 3)


@pytest.mark.parametrize("size", [0, -3, 2.5, "ten", True, 2**31])
def test_a_size_that_is_no_count(net, size):
    with refused(ParameterError, "size of population 'more' is", "whole number of neurons from 1 to 2147483647"):
        net.population("more", LIF(), size)


def test_a_model_class_in_place_of_an_instance(net):
    with refused(NetworkError, "model of population 'more'", r"Did you mean LIF\(\)\?"):
        net.population("more", LIF, 3)


def test_a_rule_in_place_of_a_model(net):
    with refused(NetworkError, "model of population 'more' is ThreeFactor", "Give a Model or Source"):
        net.population("more", ThreeFactor(), 3)


def test_a_parameter_array_of_the_wrong_length(net):
    with refused(ParameterError, "LIF.drive of population 'more' has 2 values for 5 neurons", "one number or 5 values"):
        net.population("more", LIF(drive=[0.1, 0.2]), 5)


def test_an_initial_value_of_an_unknown_state(net):
    with refused(ParameterError, r"init\['u'\] of population 'more' is no state of LIF", "It has: v"):
        net.population("more", LIF(), 3, init={"u": 0.0})


def test_an_initial_value_in_the_wrong_unit(net):
    with refused(ParameterError, r"init\['v'\] of population 'more' is -65 V", r"Did you mean -65 \* mV\?"):
        net.population("more", LIF(), 3, init={"v": -65.0})


def test_initial_values_of_the_wrong_length(net):
    with refused(
        ParameterError, r"init\['v'\] of population 'more' has shape \(2,\), expected \(3,\)", "one per neuron"
    ):
        net.population("more", LIF(), 3, init={"v": [0.0, 1.0]})


@pytest.mark.parametrize("value", [math.nan, [0.0, math.nan, 0.0]])
def test_an_initial_value_that_is_nan(net, value):
    with refused(ParameterError, r"init\['v'\] of population 'more' is nan", "finite numbers"):
        net.population("more", LIF(), 3, init={"v": value})


# Ends of a projection


def test_a_source_population_as_a_target(net):
    with refused(NetworkError, "target of projection 'cells->inputs' is population 'inputs' of Spikes", "neuron model"):
        net.connect(net.populations["cells"], net.populations["inputs"])


@pytest.mark.parametrize("role", ["source", "target"])
def test_a_population_of_another_network(net, role):
    ends = dict.fromkeys(("source", "target"), net.populations["cells"])
    ends[role] = Network(seed=1).population("foreign", LIF(), 3)
    with refused(NetworkError, f"{role} is population 'foreign' of another network", r"net.population\(...\)"):
        net.connect(**ends)


def test_a_population_given_by_name(net):
    with refused(NetworkError, "source is 'inputs'", r"made by net.population\(...\)"):
        net.connect("inputs", net.populations["cells"])


def test_a_projection_name_that_is_taken(net):
    connect(net, name="feed")
    with refused(NetworkError, "projection named 'feed' already", "another name"):
        connect(net, name="feed")


def test_an_unknown_port(net):
    with refused(NetworkError, "port of projection 'inputs->cells' is 'error'", "LIF has: 'exc', 'inh'"):
        connect(net, port="error")


def test_a_rule_class_in_place_of_an_instance(net):
    with refused(NetworkError, "rule of projection 'inputs->cells'", r"Did you mean ThreeFactor\(\)\?"):
        connect(net, rule=ThreeFactor)


def test_a_rule_parameter_per_neuron(net):
    with refused(ParameterError, "ThreeFactor.eta of projection 'inputs->cells' has 3 values", "one number"):
        connect(net, rule=ThreeFactor(eta=[0.1, 0.2, 0.3]))


def test_an_unknown_dtype(net):
    with refused(ParameterError, "dtype of projection 'inputs->cells' is 'float16'", "'float64' or 'float32'"):
        connect(net, dtype="float16")


def test_a_refused_projection_leaves_no_trace(net):
    with pytest.raises(ParameterError):
        connect(net, weight=math.nan)
    assert not net.projections


# Connectors


def test_a_connector_function_that_was_not_called(net):
    with refused(NetworkError, "connector of projection 'inputs->cells'", r"Did you mean all_to_all\(\)\?"):
        connect(net, all_to_all)


def test_a_probability_in_place_of_a_connector(net):
    with refused(NetworkError, "connector of projection 'inputs->cells' is 0.2", "such as"):
        connect(net, 0.2)


@pytest.mark.parametrize("p", [-0.1, 1.5, math.nan, "often", True])
def test_a_probability_outside_its_range(p):
    with refused(ParameterError, "fixed_probability.p is", str(p), "from 0 to 1"):
        fixed_probability(p)


@pytest.mark.parametrize("k", [-1, 1.5, True])
def test_an_in_degree_that_is_no_count(k):
    with refused(ParameterError, "fixed_in_degree.k is", str(k), "whole number"):
        fixed_in_degree(k)


def test_an_option_that_is_neither_true_nor_false():
    with refused(ParameterError, "all_to_all.self_connections is 3", "True or False"):
        all_to_all(3)


def test_more_different_sources_than_there_are(net):
    with refused(NetworkError, "Projection 'inputs->cells'", "needs 5 different sources", "there are 4", "Lower k"):
        connect(net, fixed_in_degree(5, multapses=False))


def test_a_lone_neuron_that_must_not_reach_itself(net):
    alone = net.population("alone", LIF(), 1)
    with refused(NetworkError, "Projection 'alone->alone'", "there are 0", "Lower k"):
        net.connect(alone, alone, fixed_in_degree(1, self_connections=False))


@pytest.mark.parametrize(
    ("make", "field", "what"),
    [
        (fixed_out_degree, "fixed_out_degree.k", "synapses per source"),
        (fixed_total_number, "fixed_total_number.n", "synapses"),
    ],
)
@pytest.mark.parametrize("number", [-1, 2.5, True, None])
def test_a_number_of_synapses_that_is_none(make, field, what, number):
    with refused(ParameterError, f"{field} is", str(number), f"whole number of {what}, 0 or more"):
        make(number)


@pytest.mark.parametrize("make", [fixed_in_degree, fixed_out_degree, fixed_total_number])
@pytest.mark.parametrize("option", ["self_connections", "multapses"])
def test_an_option_of_a_connector_that_is_no_flag(make, option):
    with refused(ParameterError, rf"{make.__name__}\.{option} is 'no'", "True or False"):
        make(1, **{option: "no"})


def test_more_different_targets_than_there_are(net):
    with refused(
        NetworkError, "Projection 'inputs->cells'", "needs 4 different targets per source, but there are 3", "Lower k"
    ):
        connect(net, fixed_out_degree(4, multapses=False))


def test_more_different_pairs_than_there_are(net):
    with refused(
        NetworkError, "Projection 'inputs->cells'", "needs 13 different pairs, but there are 12", "multapses=True"
    ):
        connect(net, fixed_total_number(13, multapses=False))


@pytest.mark.parametrize("make", [fixed_out_degree, fixed_total_number])
def test_a_lone_neuron_that_must_reach_another(net, make):
    alone = net.population("alone", LIF(), 1)
    with refused(NetworkError, "Projection 'alone->alone'", "needs 1 different", "there are 0"):
        net.connect(alone, alone, make(1, self_connections=False))


@pytest.mark.parametrize("k", [-2, 2.0, True])
def test_a_small_world_of_a_wrong_number_of_neighbours(k):
    with refused(ParameterError, "small_world.k is", str(k), "whole number of synapses per source"):
        small_world(k, 0.1)


def test_a_small_world_of_an_odd_number_of_neighbours():
    with refused(ParameterError, "small_world.k is 3", "an even number"):
        small_world(3, 0.1)


@pytest.mark.parametrize("p", [-0.1, 1.5, math.nan, "often", True])
def test_a_small_world_rewired_with_no_probability(p):
    with refused(ParameterError, "small_world.p is", str(p), "from 0 to 1"):
        small_world(2, p)


def test_a_small_world_between_two_populations(net):
    with refused(NetworkError, "Projection 'inputs->cells': small_world", "of one population", "another connector"):
        connect(net, small_world(2, 0.1))


def test_a_small_world_of_too_few_neurons(net):
    cells = net.populations["cells"]
    with refused(
        NetworkError, "Projection 'cells->cells'", "needs 4 other neurons per neuron, but there are 2", "Lower"
    ):
        net.connect(cells, cells, small_world(4, 0.1))


@pytest.mark.parametrize(
    ("make", "field", "value", "remedy"),
    [
        (lambda x: gaussian(x), "gaussian.sigma", 0.0, "a length above 0"),
        (lambda x: gaussian(x), "gaussian.sigma", math.inf, "a length above 0"),
        (lambda x: gaussian(1.0, x), "gaussian.p_max", 1.5, "from 0 to 1"),
        (lambda x: gaussian(1.0, cutoff=x), "gaussian.cutoff", -1.0, "a length above 0"),
        (lambda x: exponential(x), "exponential.length", math.nan, "a length above 0"),
        (lambda x: exponential(1.0, x), "exponential.p_max", "often", "from 0 to 1"),
        (lambda x: boxcar(x), "boxcar.radius", "far", "a length above 0"),
        (lambda x: boxcar(1.0, x), "boxcar.p_max", True, "from 0 to 1"),
    ],
)
def test_a_profile_that_is_none(make, field, value, remedy):
    with refused(ParameterError, f"{field} is", str(value), remedy):
        make(value)


@pytest.mark.parametrize("probability", [0.5, gaussian])
def test_a_distance_dependence_without_a_profile(probability):
    with refused(ParameterError, "distance_dependent.probability is", r"gaussian\(sigma, p_max\)"):
        distance_dependent(probability, np.zeros((4, 2)))


@pytest.mark.parametrize(
    ("positions", "words"),
    [
        ("here", ["is 'here'", "neurons, coordinates"]),
        (np.zeros((2, 2, 2)), [r"has shape \(2, 2, 2\)", "neurons, coordinates"]),
        (np.zeros((0, 2)), [r"has shape \(0, 2\)", "neurons, coordinates"]),
        ([[0.0, 0.0], [0.0, math.nan]], [r"\[1\] is \[0.0, nan\]", "finite numbers"]),
    ],
)
def test_positions_that_are_none(positions, words):
    with refused(ParameterError, "distance_dependent.source_positions", *words):
        distance_dependent(gaussian(1.0), positions)


def test_positions_in_two_spaces():
    with refused(ParameterError, "source_positions have 2 coordinates and target_positions 3", "same space"):
        distance_dependent(gaussian(1.0), np.zeros((4, 2)), np.zeros((3, 3)))


@pytest.mark.parametrize("periodic", [0.0, -1.0, "round", (1.0,), (1.0, 1.0, 1.0), (1.0, None)])
def test_a_period_that_is_none(periodic):
    with refused(ParameterError, "distance_dependent.periodic is", "one for each of the 2 coordinates"):
        distance_dependent(gaussian(1.0), np.zeros((4, 2)), periodic=periodic)


def test_positions_outside_the_period():
    with refused(ParameterError, "periodic is 1 on axis 1", "positions span 2", "wrap the positions"):
        distance_dependent(gaussian(1.0), [[0.0, 0.0], [0.0, 2.0]], periodic=1.0)


def test_too_few_positions(net):
    with refused(
        NetworkError, "Projection 'inputs->cells': target_positions", "has 4 rows", "target population has 3 neurons"
    ):
        connect(net, distance_dependent(gaussian(1.0), np.zeros((4, 2))))


def test_one_population_in_two_places(net):
    cells = net.populations["cells"]
    with refused(NetworkError, "Projection 'cells->cells'", "positions", "differ", "Leave target_positions out"):
        net.connect(cells, cells, distance_dependent(gaussian(1.0), np.zeros((3, 2)), np.ones((3, 2))))


def test_one_to_one_between_different_sizes(net):
    with refused(NetworkError, "Projection 'inputs->cells': one_to_one", "4 and 3 neurons", "another connector"):
        connect(net, one_to_one())


def test_ids_beyond_the_population(net):
    with refused(NetworkError, r"Projection 'inputs->cells': target\[1\] of from_arrays is 3", "3 neurons", "0 to 2"):
        connect(net, from_arrays([0, 3], [0, 3]))


@pytest.mark.parametrize("bad", [-1, 2**31])
def test_ids_that_no_population_can_have(bad):
    with refused(ParameterError, f"from_arrays.source holds {bad}", "from 0 to 2147483647"):
        from_arrays([0, bad], [0, 0])


def test_ids_that_are_not_integers():
    with refused(ParameterError, r"from_arrays.source has dtype float64 and shape \(1,\)", "array of ints"):
        from_arrays([0.5], [0])


def test_lists_of_pairs_that_differ_in_length():
    with refused(ParameterError, "source has 2 ids and target has 1", "one of each per synapse"):
        from_arrays([0, 1], [0])


def test_a_sparse_matrix_of_the_wrong_shape(net):
    with refused(NetworkError, "Projection 'inputs->cells'", r"shape \(3, 4\), expected \(4, 3\)", "Transpose"):
        connect(net, from_sparse(scipy.sparse.eye_array(3, 4)))


def test_a_dense_matrix_in_place_of_a_sparse_one():
    with refused(ParameterError, "from_sparse.matrix is a ndarray", r"scipy.sparse.csr_array\(weights\)"):
        from_sparse(np.eye(3))


# Weights and delays


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_weight_that_is_not_finite(net, value):
    with refused(ParameterError, f"weight of projection 'inputs->cells' is {value}", "finite numbers"):
        connect(net, weight=value)


def test_one_bad_weight_among_many(net):
    weight = np.ones((4, 3))
    weight[2, 1] = math.nan
    with refused(ParameterError, r"weight\[2, 1\] of projection 'inputs->cells' is nan", "finite numbers"):
        connect(net, weight=weight)


def test_a_bad_weight_in_a_sparse_matrix(net):
    matrix = scipy.sparse.csr_array(([1.0, math.inf], ([0, 3], [0, 2])), shape=(4, 3))
    with refused(ParameterError, r"weight\[1\] of projection 'inputs->cells' is inf", "finite numbers"):
        connect(net, from_sparse(matrix))


def test_a_weight_that_is_no_number(net):
    with refused(ParameterError, "weight of projection 'inputs->cells' is 'strong'", r"normal\(mean, sd\)"):
        connect(net, weight="strong")


@pytest.mark.parametrize("name", ["weight", "delay"])
@pytest.mark.parametrize("shape", [(11,), (3, 4)])
def test_values_of_the_wrong_shape(net, name, shape):
    projection = connect(net, **{name: np.zeros(shape)})
    with refused(
        ParameterError,
        f"{name} of projection 'inputs->cells' has shape",
        str(shape).replace("(", r"\(").replace(")", r"\)"),
        r"expected \(12,\)",
        r"\(4, 3\)",
    ):
        expand(projection, Streams(1))


def test_a_negative_delay(net):
    with refused(ParameterError, "delay of projection 'inputs->cells' is -0.001 s", "0 s or more"):
        connect(net, delay=-1e-3)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_delay_that_is_not_finite(net, value):
    with refused(ParameterError, f"delay of projection 'inputs->cells' is {value} s", "finite numbers"):
        connect(net, delay=value)


def test_a_delay_in_milliseconds(net):
    with refused(ParameterError, "delay of projection 'inputs->cells' is 20 s", r"Did you mean 20 \* ms\?"):
        connect(net, delay=20)


def test_one_bad_delay_among_many(net):
    with refused(ParameterError, r"delay\[3\] of projection 'inputs->cells' is -1 s", "0 s or more"):
        connect(net, from_arrays(range(4), [0] * 4), delay=[0.0, 0.0, 0.0, -1.0])


def test_a_distribution_that_draws_negative_delays(net):
    projection = connect(net, delay=normal(1e-3, 1e-2))
    with refused(
        ParameterError,
        r"delay\[\d+\] of projection 'inputs->cells', drawn from normal\(mean=0.001, sd=0.01\), is -0.0",
        "give low=0",
    ):
        expand(projection, Streams(1))


def test_a_distribution_that_draws_delays_in_milliseconds(net):
    projection = connect(net, delay=normal(20, 1))
    with refused(
        ParameterError, "delay of projection 'inputs->cells', drawn from normal", r"Did you mean 2\d.* \* ms\?"
    ):
        expand(projection, Streams(1))


# The network as a whole


def test_a_network_without_populations():
    with refused(NetworkError, "has no population", r"net.population\(name, model, size\)"):
        Network(seed=1).check()


def test_a_cycle_of_zero_delays(net):
    cells, more = net.populations["cells"], net.population("more", LIF(), 2)
    connect(net)
    net.connect(cells, more)
    net.connect(more, cells)
    with refused(NetworkError, "Populations cells -> more -> cells form a cycle without delay", "delay above 0"):
        net.check()


def test_a_rule_that_waits_for_a_signal_in_vain(net):
    connect(net, rule=ThreeFactor())
    with refused(NetworkError, "ThreeFactor of projection 'inputs->cells'", "population 'cells'", r"net.credit\("):
        net.check()


def test_a_signal_that_nothing_learns_from(net):
    readout = net.population("readout", LIF(), 2)
    connect(net)
    net.connect(net.populations["cells"], readout)
    net.credit(Feedback(), error=readout, to=net.populations["cells"])
    with refused(NetworkError, "Feedback brings a learning signal to population 'cells'", "leave the link out"):
        net.check()


def test_a_credit_class_in_place_of_an_instance(net):
    with refused(NetworkError, "pathway of a credit link", r"Did you mean Feedback\(\)\?"):
        net.credit(Feedback, error=net.populations["cells"], to=net.populations["cells"])


def test_credit_to_a_population_of_sources(net):
    with refused(NetworkError, "'to' of a credit link is population 'inputs' of sources", "neuron model"):
        net.credit(Feedback(), error=net.populations["cells"], to=net.populations["inputs"])


def test_credit_from_a_population_to_itself(net):
    with refused(NetworkError, "from population 'cells' to itself", "leave the link out"):
        net.credit(Feedback(), error=net.populations["cells"], to=net.populations["cells"])


def test_credit_declared_twice(net):
    readout, cells = net.population("readout", LIF(), 2), net.populations["cells"]
    net.credit(Feedback(), error=readout, to=cells)
    with refused(NetworkError, "'readout' and 'cells' have a credit link already", "Keep one"):
        net.credit(Feedback(), error=readout, to=cells)


def test_credit_to_a_population_of_another_network(net):
    foreign = Network(seed=1).population("foreign", LIF(), 3)
    with refused(NetworkError, "to is population 'foreign' of another network", r"net.population\(...\)"):
        net.credit(Feedback(), error=net.populations["cells"], to=foreign)
