// Replaces the global operator new and delete of a program by Strata's: every form that the
// standard lets a program replace. One of two ways to get them:
//
//   - link the CMake target strata::new_delete;
//   - include this header in exactly one source file of the program, and link Strata.
//
// On Windows each module (the program, each DLL) has operators of its own: a DLL that is to use
// Strata's does the same. A block may be deleted in any module that uses them.
//
// Sized delete checks the size: one that is not what new was asked for ends the process with a
// message. new calls the new handler as the standard says, and throws std::bad_alloc without one.
#ifndef STRATA_NEW_DELETE_H
#define STRATA_NEW_DELETE_H

#include <cstddef>
#include <new>
#include <strata/strata.h>

namespace strata::internal {

// As the standard says: ask the new handler for memory until there is some or no handler.
inline void* AllocateOrHandle(std::size_t size, std::size_t alignment) {
    for (;;) {
        void* block = alignment <= 16 ? strata_malloc(size) : strata_aligned_alloc(alignment, size);
        if (block != nullptr) return block;
        const std::new_handler handler = std::get_new_handler();
        if (handler == nullptr) throw std::bad_alloc();
        handler();
    }
}

inline void* AllocateOrNull(std::size_t size, std::size_t alignment) noexcept {
    try {
        return AllocateOrHandle(size, alignment);
    } catch (...) {
        return nullptr;
    }
}

}  // namespace strata::internal

void* operator new(std::size_t size) { return strata::internal::AllocateOrHandle(size, 0); }
void* operator new[](std::size_t size) { return strata::internal::AllocateOrHandle(size, 0); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return strata::internal::AllocateOrNull(size, 0);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return strata::internal::AllocateOrNull(size, 0);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return strata::internal::AllocateOrHandle(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
    return strata::internal::AllocateOrHandle(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return strata::internal::AllocateOrNull(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return strata::internal::AllocateOrNull(size, static_cast<std::size_t>(alignment));
}

void operator delete(void* block) noexcept { strata_free(block); }
void operator delete[](void* block) noexcept { strata_free(block); }
void operator delete(void* block, const std::nothrow_t&) noexcept { strata_free(block); }
void operator delete[](void* block, const std::nothrow_t&) noexcept { strata_free(block); }
void operator delete(void* block, std::size_t size) noexcept { strata_free_sized(block, size); }
void operator delete[](void* block, std::size_t size) noexcept { strata_free_sized(block, size); }
void operator delete(void* block, std::align_val_t) noexcept { strata_free(block); }
void operator delete[](void* block, std::align_val_t) noexcept { strata_free(block); }
void operator delete(void* block, std::align_val_t, const std::nothrow_t&) noexcept {
    strata_free(block);
}
void operator delete[](void* block, std::align_val_t, const std::nothrow_t&) noexcept {
    strata_free(block);
}
void operator delete(void* block, std::size_t size, std::align_val_t) noexcept {
    strata_free_sized(block, size);
}
void operator delete[](void* block, std::size_t size, std::align_val_t) noexcept {
    strata_free_sized(block, size);
}

#endif
