"""``python -P .../__main__.py FD``: see the package."""

import importlib.util
import os
import sys

NAME = "_dllab_preflight"

if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    # Not through sys.path: whatever lies beside this package would be importable.
    spec = importlib.util.spec_from_file_location(
        NAME, os.path.join(here, "__init__.py"), submodule_search_locations=[here]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = package
    spec.loader.exec_module(package)
    main = importlib.import_module(f"{NAME}.check").main
    sys.exit(main(int(sys.argv[1])))
