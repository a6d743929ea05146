"""Imported by the process from which workers are forked, and by nothing else.

Disables the garbage collector during the imports and freezes the objects: otherwise it would write to memory pages
that the workers share.
"""

import gc

gc.disable()

import torch.multiprocessing  # noqa: E402, F401

import harness.engines.execution  # noqa: E402
import harness.engines.stacking  # noqa: E402, F401

gc.freeze()
gc.enable()
