"""Where things are in the source tree, and under which names Windows programs see them."""

import os

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..', '..'))
SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'scripts')
DEMO = os.path.join(ROOT, 'build', 'demo')
PACKAGES = os.path.join(DEMO, 'packages')


def script(name):
    """One of what interpreters are given to run."""
    return os.path.join(SCRIPTS, name)


def windows_path(path):
    """The name under which Wine shows a file of this system."""
    return 'Z:' + path.replace('/', '\\')
