"""What to say of a package that is not there."""

from __future__ import annotations

from collections.abc import Collection

__all__ = ("close_to", "hint_for")

#: Packages whose name to install differs from the name to import.
_INSTALL_AS = {
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "faiss": "faiss-cpu",
    "git": "GitPython",
    "hydra": "hydra-core",
    "OpenGL": "PyOpenGL",
    "PIL": "pillow",
    "pytorch_lightning": "pytorch-lightning",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "soundfile": "soundfile",
    "timm": "timm",
    "umap": "umap-learn",
    "yaml": "pyyaml",
}


def close_to(name: str, known: Collection[str]) -> str:
    """The name that was probably meant, or an empty string."""
    if len(name) < 3:
        return ""
    import difflib  # Not at the top: most code needs no such hint.

    close = difflib.get_close_matches(name, known, 1, 0.8)
    return close[0] if close else ""


def hint_for(name: str, known: Collection[str]) -> str:
    """What to do when there is no package of this name."""
    meant = close_to(name, known)
    first = f"Did you mean {meant}? Else run" if meant else "Run"
    return (
        f"{first} %pip install {_INSTALL_AS.get(name, name.replace('_', '-'))} in the lab and "
        "submit from there, or choose an image that has it; a module of your own travels with "
        "--with FILE or --workspace DIR."
    )
