"""Checkpoints: everything that changes while a network runs, so that a run can go on elsewhere, bit for bit.

What a network was declared with is not saved but compared: a checkpoint belongs to one network, seed and engine.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from .build import Pathway
from .engine.digest import engine_digest
from .engine.struct import Struct
from .errors import ExportError, NetworkError
from .hdf5 import opened, replacing
from .threads import merged, share

if TYPE_CHECKING:
    import h5py

    from .simulator import Simulator

# Members that follow from the declarations, or are addresses of this process.
_FIXED = {
    "block_of", "block_g0", "group_r1", "plastic_ptr", "plastic", "ring_ptr", "ring_groups", "row_delay",
    "even_ptr", "even_row", "even_delay", "out_ptr", "out_r0", "out_r1", "given_t", "given_i",
    "block_kernels", "blocks", "group_kernels", "groups",
    "ptr", "tgt", "ticks", "watch_row", "watch_cell", "watching", "part", "n_parts", "first", "lo", "hi",
    "sent", "ahead", "spikes", "times", "ends", "published", "merging", "rec_t", "rec_i", "n_rec", "n_sending",
    "known",
}  # fmt: skip


def _identity(sim: Simulator) -> dict[str, str]:
    """What has to be the same where a checkpoint is restored."""
    engine = f"{sim.engine}, dt {sim.grid.dt if sim.grid else None}, ties {sim.ties}, window {sim.window}"
    if sim.built.drawn:
        engine += f", spikes of {' and '.join(sim.built.drawn)} not recorded and drawn as numbers of arrivals"
    return {
        "network": json.dumps(sim._described, sort_keys=True, default=str),
        "engine": engine,
        "version": engine_digest(),
    }


def _members(struct: Struct) -> dict[str, Any]:
    """Numbers and arrays of a struct that can change, by name; the weights once, as `w`."""
    found: dict[str, Any] = {}
    for name in struct.type_.lookup:
        value = getattr(struct, name)
        if name in _FIXED:
            continue
        if isinstance(value, (bool, int, float, np.ndarray)):
            found[name] = value
        elif isinstance(value, tuple):
            found |= {f"{name}.{k}": v for k, v in enumerate(value) if isinstance(v, np.ndarray)}
    found.pop("syn.0", None)
    return found


def _structs(sim: Simulator) -> dict[str, Struct]:
    named = {"engine": sim.built.engine}
    named |= {f"blocks/{k}": block for k, block in enumerate(sim.built.blocks)}
    named |= {f"currents/{k}": current for k, current in enumerate(sim.built.currents)}
    return named | {f"groups/{k}": group for k, group in enumerate(sim.built.groups)}


def save(sim: Simulator, path: Any, overwrite: bool = False) -> None:
    """Write a checkpoint; the file has its name when it is complete.

    Raises
    ------
    ExportError
        If the file exists or cannot be written; nothing is left behind then.
    """
    sim.built.settle()
    with replacing(path, overwrite) as file:
        own = file.create_group("snn/checkpoint")
        own.attrs["format"] = 1
        for key, text in _identity(sim).items():
            own.create_dataset(f"identity/{key}", data=text)
        own.attrs.update(presented=sim.presented, offset=sim._offset, stale=sim._stale)
        own.create_dataset("rules", data=json.dumps({n: p.rule.params() for n, p in sim.built.projections.items()}))
        for name, pathway in sim.built.pathways.items():
            kept = own.create_group(f"pathways/{name}")
            for member, value in vars(pathway).items():
                kept.create_dataset(member, data=value)
        whole = merged(sim.built)
        for name, struct in _structs(sim).items():
            group = own.create_group(name)
            for member, value in (_members(struct) | whole.get(struct, {})).items():
                group.create_dataset(member, data=value)


def restore(sim: Simulator, path: Any) -> None:
    """Bring a simulator to the state of a checkpoint.

    Raises
    ------
    ExportError
        If the file cannot be read or holds no checkpoint.
    NetworkError
        If it was made by another network, engine or version; the simulator is as it was.
    """
    with opened(path) as file:
        if "snn/checkpoint" not in file:
            raise ExportError(f"{path} holds no checkpoint. Give a file that Simulator.checkpoint has written.")
        own = file["snn/checkpoint"]
        for key, mine in _identity(sim).items():
            theirs = own[f"identity/{key}"].asstr()[()]
            if theirs != mine:
                raise NetworkError(_difference(str(path), key, mine, theirs))
        sim.presented = int(own.attrs["presented"])
        sim._offset, sim._stale = float(own.attrs["offset"]), bool(own.attrs["stale"])
        for name, params in json.loads(own["rules"].asstr()[()]).items():
            for parameter, value in params.items():
                setattr(sim.built.projections[name].rule, parameter, value)
        for name, struct in _structs(sim).items():
            _fill(struct, own[name])
        sim.built.pathways = {
            name: Pathway(**{member: value[()] for member, value in kept.items()})
            for name, kept in own.get("pathways", {}).items()
        }
        for built in sim.built.projections.values():
            group = sim.built.groups[built.group]
            built.weight, built.w_kind = group.w, group.w_kind
            sim.built.put_weights(built)
    share(sim.built, sim.threads)
    sim.built.refresh()


def _fill(struct: Struct, saved: h5py.Group) -> None:
    for member in saved:
        value = saved[member][()]
        name, _, k = member.partition(".")
        if k:
            getattr(struct, name)[int(k)][...] = value
        elif isinstance(value, np.ndarray):
            old = getattr(struct, name)
            # In place where possible: other structs may hold the same array. Queues may have grown.
            if old.shape == value.shape:
                old[...] = value
            else:
                setattr(struct, name, np.ascontiguousarray(value))
        else:
            setattr(struct, name, value)


def _difference(path: str, key: str, mine: str, theirs: str) -> str:
    if key == "version":
        return f"{path} was written by another version of the engine. Run it there, or run the network from its start."
    if key == "engine":
        return f"{path} was written with the engine {theirs}; this simulator has {mine}. Make them the same."
    ours, other = json.loads(mine), json.loads(theirs)
    for part in ("seed", "populations", "projections", "credits", "currents"):
        if ours[part] == other[part]:
            continue
        if isinstance(ours[part], dict):
            names = [n for n in (*ours[part], *other[part]) if ours[part].get(n) != other[part].get(n)]
            return f"{path} is of another network: {part[:-1]} {names[0]!r} is declared differently. Declare the same."
        return f"{path} is of another network: its {part} is {other[part]}, here {ours[part]}. Declare the same."
    return f"{path} is of another network. Declare the same."


__all__ = ["restore", "save"]
