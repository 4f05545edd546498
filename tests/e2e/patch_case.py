"""What the tests of strata-patch share."""

import os

from harness import Case, Setup, run, windows_path

DLL = "strata-override.dll"
DONE, NOT_RIGHT, USAGE, REFUSED, FILE = 0, 1, 2, 3, 4


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


class PatchCase(Case):
    def is_native(self):
        return not os.path.exists(os.path.join(Setup.bin, "strata-patch.exe"))

    def as_argument(self, path):
        """A path as strata-patch takes it; Wine's programs know Linux's files as drive Z."""
        return path if self.is_native() else windows_path(path)

    def patch(self, *arguments):
        """Runs strata-patch; arguments that are files below the test's folder are given as it takes them."""
        name = "strata-patch" if self.is_native() else "strata-patch.exe"
        arguments = [self.as_argument(a) if a.startswith(self.folder) else a for a in arguments]
        result = run([os.path.join(Setup.bin, name), *arguments])
        prefix = self.as_argument(os.path.join(self.folder, ""))
        if not prefix.endswith(("/", "\\")):
            prefix += "\\"
        result.out = result.out.replace(prefix, "")
        result.err = result.err.replace(prefix, "")
        return result

    def done(self, *arguments):
        result = self.patch(*arguments)
        self.assertEqual((DONE, ""), (result.code, result.err.strip()), result.out)
        return result.out

    def refused(self, message, *arguments, code=REFUSED):
        result = self.patch(*arguments)
        self.assertEqual(code, result.code, result.out + result.err)
        self.assertIn(message, result.err)
        self.assertEqual("", result.out)
