"""Imported by the process from which workers are forked, and by nothing else.

Python's garbage collector would visit all imported objects, and so copy pages that the workers share.
"""

import gc

gc.disable()

import torch.multiprocessing  # noqa: E402, F401

import harness.engines.execution  # noqa: E402
import harness.engines.stacking  # noqa: E402, F401

gc.freeze()
gc.enable()
