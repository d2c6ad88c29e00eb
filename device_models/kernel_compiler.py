"""How numba compiles kernels that are called by kernels: once, as part of their callers.

By default every function becomes a program of its own, optimised and with two wrappers, although
only the kernels that Python calls are ever entered that way: three quarters of the time.
"""

import gc
from typing import Any

from numba.core import event, typed_passes
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass


class _Part(JITCodeLibrary):
    """Code that is linked into that of its callers, optimised there, and never run by itself."""

    def _optimize_final_module(self) -> None:
        """Leave it to the callers."""

    def _finalize_final_module(self) -> None:
        """Make no machine code."""
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerPart(typed_passes.NativeLowering):
    """Makes a `_Part`."""

    _name = "lower_part"

    def run_pass(self, state: Any) -> bool:
        """See numba."""
        context = state.targetctx
        state.library = _Part(context.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        entry = [state.library].append  # numba wants a builtin as its name, and never calls it
        context.insert_user_function(entry, state["cr"].fndesc, [state.library])
        state["cr"] = state["cr"]._replace(cfunc=entry)
        return True


class PartCompiler(CompilerBase):
    """Compiles kernels for their callers alone."""

    def define_pipelines(self) -> list[Any]:
        """See numba."""
        steps = DefaultPassBuilder.define_nopython_pipeline(self.state)
        steps.passes = [
            (_LowerPart if step is typed_passes.NativeLowering else step, text)
            for step, text in steps.passes
        ]
        steps.finalize()
        return [steps]


class _PauseCollector(event.Listener):
    """No garbage collection while numba compiles: it looks at millions of objects, in vain."""

    def __init__(self) -> None:
        self._depth, self._was_enabled = 0, False

    def on_start(self, event: Any) -> None:
        """See numba."""
        if self._depth == 0:
            self._was_enabled = gc.isenabled()
            gc.disable()
        self._depth += 1

    def on_end(self, event: Any) -> None:
        """See numba."""
        self._depth -= 1
        if self._depth == 0 and self._was_enabled:
            gc.enable()


event.register("numba:compile", _PauseCollector())


def for_callers(**options: Any) -> Any:
    """Options of numba by which a kernel is compiled for the kernels that call it, and more."""
    wrappers = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return {"pipeline_class": PartCompiler} | wrappers | options
