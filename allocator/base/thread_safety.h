// What a lock guards, and which locks a function needs, takes and gives back, written so that clang
// checks it (-Wthread-safety; the presets thread-safety and thread-safety-windows make what it
// finds errors). Other compilers read nothing.
//
// A member names its lock: `size_t count_ STRATA_GUARDED_BY(lock_);` A function that expects its
// caller to hold it: `void Remove(size_t position) noexcept STRATA_REQUIRES(lock_);`
//
// Not said this way, as no expression names the lock where the member is declared: what stands in a
// record whose lock belongs to somebody else (arena/arena.h: the set's; slab/slab.h: the heap's).
#pragma once

#if defined(__clang__)
#define STRATA_THREAD_SAFETY(x) __attribute__((x))
#else
#define STRATA_THREAD_SAFETY(x)
#endif

// ---- types: locks, and guards that hold one as long as they live --------------------------------
#define STRATA_CAPABILITY(kind) STRATA_THREAD_SAFETY(capability(kind))
#define STRATA_SCOPED_CAPABILITY STRATA_THREAD_SAFETY(scoped_lockable)

// ---- members and variables: read and written with the lock held only ----------------------------
#define STRATA_GUARDED_BY(lock) STRATA_THREAD_SAFETY(guarded_by(lock))
// Of a pointer: what it points to.
#define STRATA_PT_GUARDED_BY(lock) STRATA_THREAD_SAFETY(pt_guarded_by(lock))

// ---- functions ----------------------------------------------------------------------------------
// The caller holds the lock, before and after.
#define STRATA_REQUIRES(...) STRATA_THREAD_SAFETY(requires_capability(__VA_ARGS__))
// The caller does not hold it: the function takes it, or something behind it in rank.
#define STRATA_EXCLUDES(...) STRATA_THREAD_SAFETY(locks_excluded(__VA_ARGS__))
#define STRATA_ACQUIRE(...) STRATA_THREAD_SAFETY(acquire_capability(__VA_ARGS__))
#define STRATA_RELEASE(...) STRATA_THREAD_SAFETY(release_capability(__VA_ARGS__))
// The first argument: what the function returns when it has taken the lock.
#define STRATA_TRY_ACQUIRE(...) STRATA_THREAD_SAFETY(try_acquire_capability(__VA_ARGS__))
#define STRATA_RETURN_CAPABILITY(lock) STRATA_THREAD_SAFETY(lock_returned(lock))

// The body is not looked at, its contract is. For what the analysis cannot express, all the locks
// in an array for one; each use says why.
#define STRATA_NO_THREAD_SAFETY_ANALYSIS STRATA_THREAD_SAFETY(no_thread_safety_analysis)
