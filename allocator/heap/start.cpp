#include "heap/start.h"

#include "heap/report.h"
#include "os/memory.h"
#include "os/message.h"
#include "slab/guarded_block.h"
#include "store/options.h"

namespace strata::heap {

Start::Start() noexcept
    : modes_(store::ReadModes(complaints_)),
      purge_(store::ReadPurgePolicy(complaints_)),
      slot_(os::AllocateSystemSlot()) {
    os::PrepareMemory();
    store::CheckNames(complaints_);
    uint32_t error = 0;
    if (os::OpenLog(error) != os::AppendFile::Result::kFailed) return;
    complaints_.Put("strata: the file of STRATA_LOG cannot be opened (error ").PutDecimal(error);
    complaints_.Put(")\n");
}

Start::~Start() {
    if (!complete_) {
        if (HasSlot()) os::FreeSystemSlot(slot_);
        return;
    }
    if (complaints_.length() == 0) return;
    os::WriteMessage(complaints_.text(), complaints_.length());
}

void Start::SetModes() const noexcept {
    store::g_modes = modes_;
    slab::LimitGuardedBlocks(modes_.guarded_blocks);
}

void Start::Complete(void (*on_thread_exit)(void*) noexcept) noexcept {
    arena::g_purge_policy = purge_;
    os::UseThreadSlot(slot_, on_thread_exit);
    StartReports();
    complete_ = true;
}

}  // namespace strata::heap
