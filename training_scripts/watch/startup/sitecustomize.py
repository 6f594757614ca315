"""Starts the watching inside a script: Python imports this by itself from PYTHONPATH, before the script.

It must be quick, silent and harmless in every Python process that the script starts. torch is not imported here: when
the script imports it, the hooks go in.
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [path for path in sys.path if os.path.abspath(path or os.curdir) != _HERE]


def _others() -> None:
    """Let the sitecustomize that stood here before us do its work too."""
    from importlib.machinery import PathFinder

    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is None or spec.loader is None or spec.origin == os.path.abspath(__file__):
        return
    from importlib.util import module_from_spec

    module = module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


def _begin() -> None:
    from importlib.util import module_from_spec, spec_from_file_location

    root = os.path.dirname(os.path.dirname(_HERE))
    name = "_sagehound_scripts"
    spec = spec_from_file_location(name, os.path.join(root, "__init__.py"), submodule_search_locations=[root])
    assert spec is not None
    assert spec.loader is not None
    package = module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)
    from importlib import import_module

    import_module(f"{name}.watch.start").begin()


try:
    _others()
finally:
    if os.environ.get("SAGEHOUND_WATCH"):
        try:
            _begin()
        except Exception as error:  # the script is worth more than the watching
            print(f"sagehound: the script is not watched: {error}", file=sys.stderr)
