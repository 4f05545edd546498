// What of a process that ran already the override serves, and what not: for who attaches to it.
// What was made before stays with whoever made it: a C runtime that allocates from a heap of its
// own goes on doing so.
#pragma once

#include <cstddef>

#include "os/text.h"

namespace strata::override {

// What became of a runtime's functions; the last that is told counts. `crt` and `why` are kept by
// pointer or copied as far as there is room; under the loader lock.
void NoteRuntimeRedirected(const char* crt, size_t functions) noexcept;
void NoteRuntimeLeft(const char* crt, const char* function, const char* why) noexcept;

// Clauses, separated by "; ", of every C runtime that is loaded and of heaps from before. The
// number of runtimes of which nothing is served. REQUIRES: the override is active.
size_t PutCoverage(os::TextSink& text) noexcept;

}  // namespace strata::override
