// Where an exported function is to be redirected, which is not always where its export leads.
//
// Linkers make one function out of two by letting the first be a jump to the second: those inside
// the module are followed. A hotpatched function begins with `jmp short` to five bytes before it,
// from where a jump leads, by way of a pointer, to its new code in another image: there that jump
// is what is overwritten and what the trampoline repeats, and the other image is part of the
// module. Any other jump that leads out of the module is somebody else's redirect.
#pragma once

#include "override/module_image.h"
#include "override/relocate.h"

namespace strata::override {

struct EntryPoint {
    void* at;                               // what is to be overwritten
    FirstJump first = FirstJump::kRefused;  // kMoved: a jump of the module's own stands there
    ModuleImage hotpatch = {};              // where its code lies, if that is elsewhere
};

// The hotpatch image that an address lies in, if it lies in one.
using HotpatchFinder = ModuleImage (*)(const void* address) noexcept;
ModuleImage FindHotpatch(const void* address) noexcept;

EntryPoint FindEntryPoint(const ModuleImage& image, void* exported,
                          HotpatchFinder find_hotpatch = FindHotpatch) noexcept;

}  // namespace strata::override
