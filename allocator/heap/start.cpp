#include "heap/start.h"

#include "heap/options.h"
#include "heap/report.h"
#include "os/memory.h"
#include "os/process.h"
#include "slab/guarded_block.h"

namespace strata::heap {

Start::Start() noexcept
    : modes_(ReadModes(complaints_)),
      purge_(ReadPurgePolicy(complaints_)),
      slot_(os::AllocateSystemSlot()) {
    os::PrepareMemory();
}

Start::~Start() {
    if (!complete_) {
        if (HasSlot()) os::FreeSystemSlot(slot_);
        return;
    }
    if (complaints_.length() == 0) return;
    os::WriteStandardError(complaints_.text(), complaints_.length());
}

void Start::SetModes() const noexcept {
    g_modes = modes_;
    slab::LimitGuardedBlocks(modes_.guarded_blocks);
}

void Start::Complete(void (*on_thread_exit)(void*) noexcept) noexcept {
    arena::g_purge_policy = purge_;
    os::UseThreadSlot(slot_, on_thread_exit);
    StartReports();
    complete_ = true;
}

}  // namespace strata::heap
