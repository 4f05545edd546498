// A loaded module as its bytes in memory: what it exports, read without the loader's help. The
// loader is busy with the module when we hear of it, and nothing here takes a lock or allocates.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strata::override {

struct ModuleImage {
    uintptr_t begin = 0;
    uintptr_t bytes = 0;

    bool Exists() const noexcept { return begin != 0; }
    bool Contains(const void* address) const noexcept {
        return reinterpret_cast<uintptr_t>(address) - begin < bytes;
    }
};

// REQUIRES: `base` is where an x64 image is mapped, or null: then there is no image.
ModuleImage ImageAt(const void* base) noexcept;

// The loaded module of this name, if there is one.
ModuleImage FindImage(const wchar_t* name) noexcept;

// The function exported by this name; nullptr when there is none, and when the export is a
// forwarder to another module, whose function it is then.
void* FindExport(const ModuleImage& image, const char* name) noexcept;

}  // namespace strata::override
