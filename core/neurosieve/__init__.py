"""Find the MLP neurons of a language model that fire when it shows a behaviour, and prove that they do.

>>> import neurosieve
>>> result = neurosieve.find(model="gemma-3-270m", detectors=["backtracking"])  # doctest: +SKIP
>>> result.top(10)  # doctest: +SKIP
"""

import lazy_loader

# The public names stand in `__init__.pyi`, each with the module that defines it. A module is imported when a name of it
# is first asked for, so that the command line need not wait for torch before it can print its help.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
