"""Lets pip install a checkout, as pre-commit and prek do for a hook in Python (PEP 517).

The result is empty. `.pre-commit-hooks.yaml` names the wheel with the program as an additional
dependency, because a team can replace that in its own configuration, with a file or a URL.
"""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import project  # noqa: E402 (needs the path)
import wheel  # noqa: E402


def build_wheel(directory, config_settings=None, metadata_directory=None):
    """Writes the wheel, and returns its file name."""
    del config_settings, metadata_directory
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    name, data = wheel.wheel("bakstop_hooks", project.read(root), 0, ["any"], {})
    with open(os.path.join(directory, name), "wb") as file:
        file.write(data)
    return name


def build_sdist(directory, config_settings=None):
    """Part of the interface: source distributions are not made."""
    del directory, config_settings
    raise NotImplementedError("install the checkout itself")
