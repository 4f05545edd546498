// Heaps: what the layers above use. Sizes in bytes; all functions may be called from any thread
// and, unless they say otherwise, with any pointer value; a pointer that is not what it should be
// ends the process through os/fatal.h. The last error / errno is set on failure only.
#pragma once

#include "heap/allocate.h"
#include "heap/free.h"
#include "heap/lifetime.h"
#include "heap/process.h"
#include "heap/purge.h"
#include "heap/query.h"
#include "heap/resize.h"
#include "heap/validate.h"
#include "store/heap_lock.h"
#include "store/heap_records.h"
#include "store/registry.h"

namespace strata::heap {

using store::ForEachHeap;
using store::FromHandle;
using store::GuestCall;
using store::ListHeaps;
using store::LockHeap;
using store::UnlockHeap;

}  // namespace strata::heap
