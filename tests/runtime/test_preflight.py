"""What a look at code finds without running it, and what it lets pass."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from dllab_hub.runtime import preflight
from dllab_hub.runtime.preflight.check import look
from dllab_hub.runtime.preflight.findings import Findings
from dllab_hub.submission.program import Program
from dllab_hub.submission.shared import with_shared

RANKS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@pytest.fixture
def seen(tmp_path, monkeypatch):
    """Looks at a program: ``[(severity, check, file, line)]``, or whole with ``whole``."""

    path_before = list(sys.path)

    def seen(
        source, *words, files=None, strategy="allreduce", volumes=None, whole=False, seconds=60
    ):
        for name, text in {**(files or {}), "train.py": source}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", list(path_before))
        for name in RANKS:
            if strategy == "ps":
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, "0")
        request = {
            "strategy": strategy,
            "volumes": volumes or {},
            "seconds": seconds,
            "deep": False,
            "gpus": False,
        }
        findings = Findings(str(tmp_path.resolve()))
        look(list(words) or [sys.executable, "train.py"], request, findings, lambda line: None)
        if whole:
            return findings.listed()
        return [
            (one["severity"], one["check"], one["file"], one["line"]) for one in findings.listed()
        ]

    return seen


@pytest.mark.parametrize(
    ("source", "found"),
    [
        pytest.param("x = (\n", ("error", "syntax", "train.py", 1), id="unclosed"),
        pytest.param("return 1\n", ("error", "syntax", "train.py", 1), id="return"),
        pytest.param("import trch_nowhere\n", ("error", "imports", "train.py", 1), id="missing"),
        pytest.param(
            "import os\nfrom trch_nowhere.nn import x\n",
            ("error", "imports", "train.py", 2),
            id="missing-from",
        ),
        pytest.param(
            "from .model import Net\n", ("error", "imports", "train.py", 1), id="relative-in-script"
        ),
        pytest.param(
            "if __name__ == '__main__':\n    import trch_nowhere\n",
            ("error", "imports", "train.py", 2),
            id="main-guard",
        ),
        pytest.param(
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import json\n"
            "else:\n    import trch_nowhere\n",
            ("error", "imports", "train.py", 5),
            id="not-type-checking",
        ),
        pytest.param(
            "try:\n    import trch_nowhere\nexcept ValueError:\n    pass\n",
            ("error", "imports", "train.py", 2),
            id="another-exception",
        ),
        pytest.param(
            "def f():\n    import trch_nowhere\n",
            ("warning", "imports", "train.py", 2),
            id="function",
        ),
        pytest.param(
            "if 1 < len(__file__):\n    import trch_nowhere\n",
            ("warning", "imports", "train.py", 2),
            id="branch",
        ),
        pytest.param(
            "import sys\nif len(sys.argv) > 9:\n    sys.exit(0)\nimport trch_nowhere\n",
            ("warning", "imports", "train.py", 4),
            id="after-an-exit",
        ),
        pytest.param(
            "import sys\nsys.path.append(sys.argv[0])\nimport trch_nowhere\n",
            ("warning", "imports", "train.py", 3),
            id="changed-path",
        ),
        pytest.param(
            "import os\nos.system('pip install trch_nowhere')\nimport trch_nowhere\n",
            ("warning", "imports", "train.py", 3),
            id="installs-it",
        ),
        pytest.param(
            "import os\nx = os.environ['NOWHERE_X']\n",
            ("error", "environment", "train.py", 2),
            id="variable",
        ),
        pytest.param(
            "from os import environ\nx = int(environ['NOWHERE_X'])\n",
            ("error", "environment", "train.py", 2),
            id="variable-by-name",
        ),
        pytest.param(
            "import httpx, os\nx = os.environ['HTTPX_NOWHERE']\n",
            ("warning", "environment", "train.py", 2),
            id="variable-of-a-library",
        ),
        pytest.param(
            "import os\nx = os.environ['TF_CONFIG']\n",
            ("error", "environment", "train.py", 2),
            id="tf-config",
        ),
        pytest.param(
            "import os\ndef f():\n    return os.environ['TF_CONFIG']\n",
            ("warning", "environment", "train.py", 3),
            id="tf-config-in-function",
        ),
        pytest.param(
            "def f(tf):\n    return tf.distribute.ParameterServerStrategy(1)\n",
            ("warning", "environment", "train.py", 2),
            id="parameter-server-strategy",
        ),
        pytest.param("open('nowhere.csv')\n", ("warning", "paths", "train.py", 1), id="file"),
        pytest.param(
            "import os\nD = 'nowhere'\nfor f in os.listdir(os.path.join(D, 'in')):\n    pass\n",
            ("warning", "paths", "train.py", 3),
            id="folder-by-constants",
        ),
        pytest.param(
            "from pathlib import Path\nx = (Path(__file__).parent / 'no.txt').read_text()\n",
            None,
            id="a-path-that-is-not-followed",
        ),
        pytest.param(
            "from pathlib import Path\nx = Path('nowhere.txt').read_text()\n",
            ("warning", "paths", "train.py", 2),
            id="read-text",
        ),
    ],
)
def test_what_would_fail_is_named_with_its_line(seen, source, found):
    """What is sure to fail is an error, what may fail a warning; each names file and line."""
    assert ([found] if found else []) == seen(source)


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    import nowhere_a\nexcept ImportError:\n    nowhere_a = None\n",
        "try:\n    import nowhere_a\nexcept (OSError, ModuleNotFoundError):\n    pass\n",
        "try:\n    import nowhere_a\nexcept:\n    pass\n",
        "from contextlib import suppress\nwith suppress(ImportError):\n    import nowhere_a\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import nowhere_a\n",
        "if False:\n    import nowhere_a\n",
        "import sys\nif sys.platform == 'win32':\n    import nowhere_a\n",
        "def is_wandb_available(): ...\nif is_wandb_available():\n    import nowhere_a\n",
        "def f(x):\n    if x:\n        import nowhere_a\n",
        "import os.path, xml.dom.minidom, collections.abc, concurrent.futures as c\n",
        "import httpx, pydantic.fields\nfrom pydantic.nowhere_lazy import x\n",
        "from __future__ import annotations\nimport __main__\n",
        "import os\nx = os.environ.get('NOWHERE_X')\ny = os.environ['RANK']\n",
        "import os\nif 'NOWHERE_X' in os.environ:\n    x = os.environ['NOWHERE_X']\n",
        "import os\nx = os.environ['NOWHERE_X'] if 'NOWHERE_X' in os.environ else 1\n",
        "import os\nx = 'NOWHERE_X' in os.environ and os.environ['NOWHERE_X']\n",
        "import os\ntry:\n    x = os.environ['NOWHERE_X']\nexcept KeyError:\n    x = 1\n",
        "import os\nos.environ['NOWHERE_X'] = '1'\nx = os.environ['NOWHERE_X']\n",
        "import os\nos.environ.setdefault('NOWHERE_X', '1')\nx = os.environ['NOWHERE_X']\n",
        "import os\nos.environ.update(NOWHERE_X='1')\nx = os.environ['NOWHERE_X']\n",
        "import os\nfor k in 'ab':\n    os.environ[k] = k\nx = os.environ['NOWHERE_X']\n",
        "import os\nload_dotenv = print\nload_dotenv()\nx = os.environ['NOWHERE_X']\n",
        "import os\ndef f():\n    return os.environ['NOWHERE_X']\n",
        "open('out.csv', 'w')\nopen('out.csv')\n",
        "open('out.csv', mode='a')\n",
        "open('train.py')\nopen('https://a.b/c')\nopen('/etc/hostname')\n",
        "import os\nif os.path.exists('nowhere.csv'):\n    open('nowhere.csv')\n",
        "def fetch(x): ...\nF = 'nowhere.csv'\nfetch(F)\nopen(F)\n",
        "import subprocess\nsubprocess.run(['wget', 'http://a/nowhere.csv'])\nopen('nowhere.csv')\n",
        "import os\nos.chdir('/tmp')\nopen('nowhere.csv')\n",
        "def f():\n    open('nowhere.csv')\n",
        "try:\n    open('nowhere.csv')\nexcept FileNotFoundError:\n    pass\n",
        "import torch_nowhere as t\n".replace("torch_nowhere", "json") + "x = t.load(open(0))\n",
        "match 1:\n    case {'a': b}:\n        import nowhere_a\n".replace("import nowhere_a", "b"),
        "x = " + " + ".join(["'a'"] * 900) + "\n",
        "\ufeffprint('a mark of the byte order')\n",
        "# -*- coding: latin-1 -*-\nx = 'a'\n",
    ],
)
def test_what_may_run_is_let_pass(seen, source):
    """Nothing is said of code that is prepared for what is missing, or that makes it itself."""
    assert [] == seen(source)


@pytest.mark.parametrize(
    ("files", "source", "found"),
    [
        pytest.param({"a.py": "x = ("}, "import a", ("error", "syntax", "a.py", 1), id="syntax"),
        pytest.param(
            {"a.py": "import nowhere_a"}, "import a", ("error", "imports", "a.py", 1), id="import"
        ),
        pytest.param(
            {"p/__init__.py": "", "p/a.py": "\nimport nowhere_a"},
            "from p import a",
            ("error", "imports", "p/a.py", 2),
            id="submodule",
        ),
        pytest.param(
            {"p/__init__.py": "", "p/a.py": "from .b import x", "p/b.py": "y = 1"},
            "import p.a",
            ("error", "imports", "p/a.py", 1),
            id="relative-name",
        ),
        pytest.param(
            {"a.py": "class Net: ..."},
            "\nfrom a import Nte",
            ("error", "imports", "train.py", 2),
            id="name",
        ),
        pytest.param(
            {"p/__init__.py": ""}, "import p.a", ("error", "imports", "train.py", 1), id="no-file"
        ),
        pytest.param(
            {"p/a.py": ""}, "from p import b", ("error", "imports", "train.py", 1), id="namespace"
        ),
        pytest.param(
            {"a.py": ""}, "import a.b", ("error", "imports", "train.py", 1), id="no-package"
        ),
        pytest.param(
            {"a.py": "import nowhere_a"},
            "def f():\n    import a",
            ("warning", "imports", "a.py", 1),
            id="reached-by-a-function",
        ),
        pytest.param(
            {"a.py": "import os\nX = os.environ['NOWHERE_X']"},
            "import a",
            ("error", "environment", "a.py", 2),
            id="variable",
        ),
    ],
)
def test_local_modules_are_followed(seen, files, source, found):
    """What the code's own modules import, define and read is looked at as well."""
    assert [found] == seen(source, files=files)


@pytest.mark.parametrize(
    ("files", "source"),
    [
        ({"a.py": "def __getattr__(name): ..."}, "from a import x"),
        ({"a.py": "from json import *"}, "from a import loads"),
        ({"a.py": "globals()['x'] = 1"}, "from a import x"),
        ({"a.py": "def f():\n    global x\n    x = 1\nf()"}, "from a import x"),
        ({"a.py": "for x in (1, 2): pass\nwith open(0) as y: pass"}, "from a import x, y"),
        ({"a.py": "try:\n    import x\nexcept ImportError:\n    x = None"}, "from a import x"),
        ({"a.py": "(x := 1)\ny: int = 2\nimport os.path as z"}, "from a import x, y, z"),
        (
            {"a.py": "match 1:\n    case [*x]: pass\n    case {'k': 1, **y}: pass"},
            "from a import x, y",
        ),
        ({"a.py": "", "b.py": "import a\na.x = 1"}, "import b\nfrom a import x"),
        ({"p/__init__.py": "", "p/a.py": ""}, "from p import a, __version__"),
        ({"p/__init__.py": "from .a import f", "p/a.py": "f = 1"}, "from p import a, f"),
        ({"p/a.py": "", "p/q/b.py": "x = 1"}, "from p import a\nfrom p.q.b import x\nimport p.q"),
        ({"lib/a.py": "x = 1"}, "import sys\nsys.path.append('lib')\nfrom a import x"),
        ({"httpx/notes.txt": ""}, "from httpx import Client"),
        ({"train_not.py": "import nowhere_a"}, "import json"),
        ({"a.py": "from train import X"}, "X = 1\nimport a"),
        ({"json.py": "x = 1"}, "from json import loads"),
    ],
)
def test_names_that_cannot_be_read_off_are_let_pass(seen, files, source):
    """A name that a module may have is not missed."""
    assert [] == seen(source, files=files)


def test_hints_say_what_to_do(seen):
    """A misspelt name gets the one that was meant; a missing package the command that brings it."""
    files = {"model.py": "class Network: ...", "sub/train.py": "import model"}
    (missing,) = seen("import htttpx", whole=True)
    (itself,) = seen("import traine", whole=True)
    (name,) = seen("from model import Netwrk", files=files, whole=True)
    (other,) = seen("import cv2", whole=True)
    (place,) = seen("", sys.executable, "sub/train.py", files=files, whole=True)

    assert "there is no module htttpx." == missing["message"]
    assert missing["hint"].startswith("Did you mean httpx?")
    assert ("model.py has no Netwrk.", "Did you mean Network?") == (name["message"], name["hint"])
    assert "Did you mean" not in itself["hint"]
    assert "%pip install opencv-python-headless" in other["hint"]
    assert "lies at the top of the workspace" in place["hint"]


def test_a_volume_that_the_job_has_not_is_named(seen, tmp_path):
    """A path below data/ names the volume; files of the job's volumes are looked for on them."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.csv").write_text("")
    volumes = {"mnist": {"place": "data/mnist", "path": str(tmp_path / "there")}}
    source = "open('data/mnist/a.csv')\nopen('data/cifar/b.csv')\nopen('data/mnist/c.csv')\n"

    missing, absent = seen(source, volumes=volumes, whole=True)

    assert ("warning", 2) == (missing["severity"], missing["line"])
    assert "the job has no volume cifar." in missing["message"]
    assert "--volumes cifar" in missing["hint"]
    assert ("warning", 3, "the volume mnist has no c.csv.") == (
        absent["severity"],
        absent["line"],
        absent["message"],
    )


@pytest.mark.parametrize(
    ("source", "severity"),
    [
        ("import os\nx = os.environ['RANK']\n", "error"),
        ("import os\ndef f():\n    return os.environ['LOCAL_RANK']\n", "warning"),
        ("def f(dist):\n    dist.init_process_group('gloo')\n", "warning"),
    ],
)
def test_ps_has_no_variables_of_torchrun(seen, source, severity):
    """Code that was written for torchrun is told so when its strategy is ps."""
    (found,) = seen(source, strategy="ps", whole=True)

    assert (severity, "environment") == (found["severity"], found["check"])
    assert "ps" in found["message"]
    assert [] == seen(source)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["nowhere-program"], [("error", "paths", "", None)]),
        (["./run.sh"], [("error", "paths", "run.sh", None)]),
        (["data/mnist/bin/tool"], []),
        (["env", "A=1"], []),
        (["bash", "run.sh"], [("error", "syntax", "run.sh", 3)]),
        (["bash", "late.sh"], [("warning", "syntax", "late.sh", 4)]),
        (["bash", "-c", "if"], []),
        (["bash", "none.sh"], [("error", "paths", "", None)]),
        ([sys.executable, "-u", "-X", "utf8", "bad.py"], [("error", "imports", "bad.py", 1)]),
        ([sys.executable, "none.py"], [("error", "paths", "", None)]),
        ([sys.executable, "-c", "import nowhere_a"], []),
        ([sys.executable, "-m", "json.tool"], []),
        ([sys.executable, "-m", "pkg.mod"], [("error", "imports", "pkg/mod.py", 2)]),
        ([sys.executable, "-m", "pkg"], [("error", "imports", "", None)]),
        ([sys.executable, "-m", "pkg.nowhere"], [("error", "imports", "", None)]),
        ([sys.executable, "-m", "nowhere_a.b"], [("error", "imports", "", None)]),
    ],
)
def test_programs(seen, words, found):
    """The program must be there and be executable; scripts that it runs are looked into."""
    files = {
        "run.sh": "echo a\nfi=1\nif then\n",
        "late.sh": "echo a\nexit 0\n\nif then\n",
        "bad.py": "import nowhere_a\n",
        "pkg/__init__.py": "",
        "pkg/mod.py": "from . import other\nimport nowhere_a\n",
        "pkg/other.py": "",
    }
    volumes = {"mnist": {"place": "data/mnist", "path": "/"}}

    assert found == seen("", *words, files=files, volumes=volumes)


def test_marked_cells_are_looked_at_as_one_program(seen):
    """Cells that run before the training cell are looked at, each under its own name."""
    cell = Program("script", "train", "import os\nimport nowhere_a\n", "cell.py")
    program = with_shared(cell, [("net", "\nx = os = __import__\nimport nowhere_b\n")])
    words = (sys.executable, program.filename)

    found = seen("", *words, files={program.filename: program.source, **program.parts})

    assert [
        ("error", "imports", "cell.py", 2),
        ("error", "imports", "shared-1-net.py", 3),
    ] == found


def test_large_code_is_looked_at_in_part(seen):
    """What takes too long to read is left out, and that is said."""
    assert [("warning", "limits", "", None)] == seen("import nowhere_a", seconds=-1)


def test_a_look_ends_by_itself(tmp_path):
    """When whoever asked is gone it does not wait for ever for an import that does not end."""
    (tmp_path / "train.py").write_text("import slow\n")
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(600)\n")
    request = {
        "programs": [[sys.executable, "train.py"]],
        "strategy": "single",
        "volumes": {},
        "gpus": False,
        "deep": True,
        "seconds": 1,
        "alarm": 1,
        "cpu": 60,
        "memory": 2**40,
    }
    program = [sys.executable, "-P", f"{preflight.__path__[0]}/__main__.py", "1"]

    done = subprocess.run(
        program, input=json.dumps(request).encode(), cwd=tmp_path, check=False, timeout=60
    )

    assert -signal.SIGALRM == done.returncode


def test_the_examples_of_this_project_are_let_pass(seen):
    """No cell that the README and the notebook for beginners would submit is refused."""
    root = Path(__file__).parents[2]
    notebook = json.loads((root / "dllab_hub" / "notebooks" / "welcome.ipynb").read_text())
    texts = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    texts += [
        part.partition("```")[0]
        for part in (root / "README.md").read_text().split("```python\n")[1:]
    ]
    cells = [text.partition("\n")[2] for text in texts if text.startswith("%%train")]
    assert len(cells) >= 2

    for text in cells:
        errors = [one for one in seen(text, whole=True) if one["severity"] == "error"]
        # The environment of these tests has no framework; images have.
        missing = ("there is no module torch.", "there is no module sklearn.")
        assert [] == [one for one in errors if one["message"] not in missing]
