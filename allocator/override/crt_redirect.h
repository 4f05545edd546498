// Redirecting the C runtimes' allocation functions, in those that are loaded and in those that
// come.
#pragma once

#include "heap/heap.h"
#include "override/settings.h"

namespace strata::override {

// Once, when ntdll's functions are redirected, under the loader lock. A runtime that cannot be
// redirected is left as it is: it comes to Strata through HeapAlloc, only more slowly. With
// settings.verbose, says what became of each.
void RedirectCrts(const Settings& settings) noexcept;

// `heap` is about to be destroyed: a runtime that had it allocates from it no more.
void ForgetCrtHeap(const heap::Heap* heap) noexcept;

}  // namespace strata::override
