"""How kernels are compiled: serial, without the GIL, without reference counting.

Kernels never allocate, and what they read belongs to Python, which keeps it alive: there is nothing to count.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from numba import config, njit, typeof, types
from numba.core.caching import FunctionCache
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.typing.templates import AbstractTemplate, infer, infer_global, signature
from numba.extending import lower_builtin, overload

from ..collector import uncollected
from .disk import keep

COMPILED = not config.DISABLE_JIT


class _Merged(JITCodeLibrary):
    """A function that is only ever part of entries, kept as it was before optimisation.

    Left to itself, Numba optimises each function with all that it calls and makes machine code of it, and does so again
    for each function that calls it.
    """

    @property
    def codegen(self) -> Any:
        return self

    def set_env(self, name: str, env: Any) -> None:
        """There is no machine code whose environment could be set; Numba asks `library.codegen` to."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


class _MergedCompiler(Compiler):
    def compile_extra(self, func: Any) -> Any:
        self.state.library = _Merged(self.state.targetctx.codegen(), func.__qualname__)
        return super().compile_extra(func)


OPTIONS = {"error_model": "numpy", "nogil": True, "_nrt": False}
MERGED = OPTIONS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "pipeline_class": _MergedCompiler}


def _for_any_value(dispatcher: Any) -> Any:
    """Compile a function once for arguments of some types, not once more for each constant that it is called with."""
    if COMPILED:
        with_constants = dispatcher.get_call_template

        def get_call_template(args: Any, kws: Any) -> Any:
            return with_constants(tuple(map(types.unliteral, args)), kws)

        dispatcher.get_call_template = get_call_template
    return dispatcher


def kernel(function: Any) -> Any:
    """Compile a function that only other kernels call: without the wrapper that Python would need."""
    return _for_any_value(njit(**MERGED)(function))


def inlined(function: Any) -> Any:
    """Compile a function so that it is part of every kernel that calls it, before loops are looked at.

    Numba's optimiser is left to judge the rest. A call would keep a loop over cells from being done several at a time.
    """
    return _for_any_value(njit(forceinline=True, **MERGED)(function))


def callable_kernel(function: Any) -> Any:
    """The same function so that Python can call it too, for tests."""
    return njit(**OPTIONS)(getattr(function, "py_func", function))


def entry(function: Any) -> Any:
    """Compile an outermost kernel, whose machine code is kept on disk."""
    dispatcher = njit(**OPTIONS)(function)
    if COMPILED:
        dispatcher._cache = keep(function)
    return dispatcher


def loop(**options: Any) -> Callable[[Any], Any]:
    """Numba's own njit, its machine code on disk as Numba keeps it: for functions that are no part of an engine."""

    def decorate(function: Any) -> Any:
        dispatcher = njit(error_model="numpy", nogil=True, **options)(function)
        if COMPILED:
            dispatcher._cache = keep(function, FunctionCache)
        return dispatcher

    return decorate


def specialise(function: Any) -> Callable[[Any], Any]:
    """Register the compiled form of a plain Python function, chosen by the types of its arguments."""
    function.specialised = True
    return overload(function, jit_options=MERGED)


def nothing(*args: Any) -> None:
    """What is done where there is nothing to do: not even compiled."""


@lower_builtin(nothing, types.VarArg(types.Any))
def _nothing(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return context.get_dummy_value()


def choose(function: Any) -> Callable[[Any], Any]:
    """Register what takes the place of a plain Python function: a function for the types of the arguments.

    Numba's overload would want the same names of arguments, which for any number of them means one more function each
    time, that calls the chosen one (measured: 0.5 s of a cold start of 9 s).
    """

    def register(chosen_for: Any) -> Any:
        compiled: dict[Any, Any] = {}

        class Chosen(AbstractTemplate):
            key = function

            def generic(self, args: Any, kws: Any) -> Any:
                target = chosen_for(*args)
                if target is nothing:
                    return signature(types.none, *args)
                dispatcher = types.Dispatcher(_inlined_form(target))
                sig: Any = dispatcher.get_call_type(self.context, args, kws)
                compiled[sig.args] = dispatcher.get_overload(sig)
                return sig

            def get_impl_key(self, sig: Any) -> Any:
                return compiled.get(sig.args, nothing)

        infer(Chosen)
        infer_global(function, types.Function(Chosen))
        return chosen_for

    return register


@functools.cache
def _inlined_form(function: Any) -> Any:
    return inlined(getattr(function, "py_func", function))


def bind(function: Any, *arguments: Any) -> Any:
    """The machine code of an entry for arguments of these types, to be called without looking the types up again.

    The types of a network's structs never change, so that they need not be looked up at each of hundreds of calls.
    """
    if not COMPILED:
        return function
    signature = tuple(typeof(a) for a in arguments)
    with uncollected():
        function.compile(signature)
    return function.overloads[signature].entry_point


def entry_address(function: Any, signature: tuple[Any, ...]) -> Any:
    """Address at which an entry for arguments of these types can be called; without Numba the function itself."""
    if not COMPILED:
        return function
    with uncollected():
        function.compile(signature)
    compiled = function.overloads[signature]
    return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_cfunc_wrapper_name)
