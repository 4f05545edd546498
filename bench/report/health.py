"""Is the baseline in working order? A mimalloc that was built carelessly for Windows runs, but up to
thirty times slower: its start-up hooks get lost, or each call looks its thread up in a table. Then
any comparison with it is worth nothing, and has to say so."""

import os
import re
import subprocess

from programs import Failure

HOT_FUNCTIONS = ('mi_malloc', 'mi_free')


def _start_up(label):
    """(good, what was seen): the start-up code ran, and made an arena where this version has them."""
    _, messages = label.start('strata_bench', ['--benchmark_filter=^pair/16', '--benchmark_min_time=0.001'],
                              extra={'MIMALLOC_VERBOSE': '1'})
    if 'process init' not in messages:
        return False, 'its start-up code did not run'
    if 'arena_reserve' not in messages:
        return True, 'start-up code ran (this version reserves no arena by default)'
    reserved = re.search(r'reserved (\d+) KiB memory', messages)
    if not reserved:
        return False, 'it reserved no arena'
    return True, f'start-up code ran, arena of {reserved[1]} KiB reserved'


def _disassembly(library, objdump):
    """{function: text} of the hot functions, with the names of what they call."""
    text = subprocess.run([objdump, '-dr', '--no-show-raw-insn', library],
                          capture_output=True, encoding='utf-8', errors='replace', check=True).stdout
    found = {}
    for function in HOT_FUNCTIONS:
        match = re.search(rf'^[0-9a-f]+ <{function}>:\n(.*?)(?:\n\n|\n[0-9a-f]+ <|\Z)', text,
                          re.DOTALL | re.MULTILINE)
        if match:
            found[function] = match[1]
    return found


def _thread_local(library, objdump):
    """(good, what was seen): the hot functions reach their thread's data without a call."""
    try:
        functions = _disassembly(library, objdump)
    except (OSError, subprocess.CalledProcessError) as error:
        return False, f'the disassembly could not be had: {error}'
    missing = [name for name in HOT_FUNCTIONS if name not in functions]
    if missing:
        return False, f'no {" and ".join(missing)} in the library'
    slow = [name for name, text in functions.items()
            if '__emutls_get_address' in text or '__tls_get_addr' in text]
    if slow:
        return False, f'emulated thread-local storage in {" and ".join(slow)}'
    return True, 'no emulated thread-local storage in mi_malloc and mi_free'


def check(label, objdump):
    """{'healthy': bool, 'seen': [text]}"""
    results = []
    try:
        results.append(_start_up(label))
    except Failure as failure:
        results.append((False, str(failure)))
    library = os.path.join(label.folder.libraries, 'libstrata_mimalloc.a')
    results.append(_thread_local(library, objdump))
    return {'healthy': all(good for good, _ in results), 'seen': [text for _, text in results]}
