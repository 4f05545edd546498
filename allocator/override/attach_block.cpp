#include "override/attach_block.h"

namespace strata::override {

AttachBlock* FindAttachBlock() noexcept {
    for (size_t i = 0; i < kAttachPlaces; ++i) {
        auto* const block = reinterpret_cast<AttachBlock*>(AttachPlace(i));
        MEMORY_BASIC_INFORMATION information;
        if (VirtualQuery(block, &information, sizeof information) == 0 ||
            information.State != MEM_COMMIT || information.Type != MEM_PRIVATE ||
            information.Protect != PAGE_READWRITE || information.AllocationBase != block ||
            information.RegionSize < sizeof(AttachBlock)) {
            continue;
        }
        if (block->magic == kAttachMagic && block->self == AttachPlace(i) &&
            block->bytes == sizeof(AttachBlock) &&
            block->state == static_cast<uint32_t>(ReportState::kPending)) {
            return block;
        }
    }
    return nullptr;
}

}  // namespace strata::override
