"""What the process imports of which workers are forked. Nothing else imports this.

Python's garbage collector would look through all that is imported again and again, and in each worker touch, and so
copy, pages that the workers share.
"""

import gc

gc.disable()

import torch.multiprocessing  # noqa: E402, F401

import harness.engines.execution  # noqa: E402
import harness.engines.stacking  # noqa: E402, F401

gc.freeze()
gc.enable()
