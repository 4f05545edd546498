"""The Linux programs, for the commands."""

import os
import platform

from real_programs.linux import preload
from real_programs.linux.catalogue import PROGRAMS, QUICK
from real_programs.program_set import ProgramSet


class LinuxSet(ProgramSet):
    programs = PROGRAMS
    quick = QUICK
    system = preload.Linux()
    results = preload.PLACE
    begin = '<!-- begin of the native results: tools/programs.sh --native --update-docs writes them -->'
    end = '<!-- end of the native results -->'
    files = (preload.PRELOAD, preload.COUNT)
    preset = 'native'

    def about(self):
        release = platform.freedesktop_os_release() if os.path.exists('/etc/os-release') else {}
        return f'{release.get("PRETTY_NAME", "Linux")}, {" ".join(platform.libc_ver())}'

    def origin(self, program):
        return preload.version(program)

    def describe(self, program):
        return f'{program.what} ({", ".join(program.debian)})'
