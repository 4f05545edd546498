// All heaps of the process, alive or not. Internal to this folder.
#pragma once

#include "heap/heap_record.h"
#include "os/lock.h"

namespace strata::heap {

// Guards the list of heaps and their lives. The outermost lock.
extern constinit os::Lock g_registry_lock;
extern constinit Heap* g_first_heap;  // by creation; guarded by g_registry_lock

// The process heap once it exists, for the fast paths.
extern constinit std::atomic<Heap*> g_process_heap;

}  // namespace strata::heap
