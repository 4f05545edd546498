"""Programs built by Microsoft's compiler that share the C runtime (/MD), run with Microsoft's own DLLs of it.

Their import tables name api-ms-win-crt-*.dll, which is ucrtbase.dll, and but for the .NET one vcruntime140.dll.
"""

import os

from real_programs.npm import Package
from real_programs.paths import DEMO, windows_path
from real_programs.program import Program, Step, contains
from real_programs.windows import inputs, microsoft


def _has(name, *texts, at_least=0):
    """A file in the work folder with these texts, and of at least so many bytes."""
    def check(folders):
        path = os.path.join(folders.work, name)
        if not os.path.exists(path):
            return f'{name} is not there'
        with open(path, encoding='utf-8', errors='replace') as file:
            text = file.read()
        missing = [wanted for wanted in texts if wanted not in text]
        if missing:
            return f'{name} has no "{missing[0]}"'
        return None if len(text) >= at_least else f'{name} has {len(text)} characters, {at_least} expected'
    return check


PROGRAMS = (
    Program(
        name='hermes',
        what='Hermes (C++) compiles and runs JavaScript with 1,500 functions',
        executable='hermes.exe',
        path='win64-bin/hermes.exe',
        package=Package('hermes-engine', '0.4.3'),
        sha256='6e9e54b705aa14482344c529ed0fdb6e4be61c6fcc002051c0feb7d84332b8a1',
        make=inputs.script,
        tree='made-hermes',
        steps=(Step('run', ('-O', '{tree}\\script.js')),),
        check=contains('run', '15000 things'),
        runtime=(microsoft.UCRT, *microsoft.VC_14_26),
    ),
    Program(
        name='sarif',
        what='the SARIF multitool (.NET Core 3.1, self-contained) rewrites a log of 3,000 results',
        executable='sarif.multitool.exe',
        path='Sarif.Multitool.exe',
        package=microsoft.SARIF,
        sha256=microsoft.SARIF_SHA256,
        make=inputs.sarif_log,
        tree='made-sarif',
        steps=(Step('rewrite', ('rewrite', '{tree}\\log.sarif', '--output', 'new.sarif', '--pretty-print')),),
        check=_has('new.sarif', '"imagined"', '"R039"', at_least=1_500_000),
        masks=(r'completed in [0-9:.]+',),
        runtime=(microsoft.UCRT,),
        # It unpacks itself there at its first start.
        variables=(('DOTNET_BUNDLE_EXTRACT_BASE_DIR',
                    windows_path(os.path.join(DEMO, 'microsoft', 'sarif', 'unpacked'))),),
    ),
    Program(
        name='poppler',
        what='Poppler\'s pdftotext (C++, with 15 DLLs of C and C++) reads a document of 300 pages',
        executable='pdftotext.exe',
        path='src/lib/win32/poppler-24.02.0/Library/bin/pdftotext.exe',
        package=Package('node-poppler', '7.2.0'),
        sha256='b9eff2ca0264b5b1f3265d02ea0d9592562f8944a10acaf6d56f391c94376467',
        make=inputs.document,
        tree='made-poppler',
        steps=(Step('layout', ('-layout', '{tree}\\document.pdf', 'layout.txt')),
               Step('boxes', ('-bbox-layout', '{tree}\\document.pdf', 'boxes.html'))),
        check=_has('layout.txt', 'word7919', at_least=1_000_000),
        runtime=(microsoft.UCRT, *microsoft.VC_14_26),
    ),
    Program(
        name='tidy',
        what='HTML Tidy (C) makes XHTML of a page of 1.5 MB',
        executable='tidy.exe',
        path='bin/win64/tidy.exe',
        package=Package('htmltidy2', '1.2.0'),
        sha256='619ac8bb4438eb33b046b09c5726a6efb7d516228235a7e18ffc6e43866d76ac',
        make=inputs.page,
        tree='made-tidy',
        steps=(Step('xhtml', ('-quiet', '-indent', '-asxhtml', '--show-warnings', 'no', '-output', 'page.xhtml',
                              '{tree}\\page.html'), exit_code=1),),  # there were warnings
        check=_has('page.xhtml', '</html>', 'word7919', at_least=1_500_000),
        runtime=(microsoft.UCRT, microsoft.VC_14_26[0]),
    ),
)
