// The table of tables.
#include "conformance.h"

namespace conformance {

const Topic* const kTopics[] = {
    &kSizes,        &kZeroing,     &kFailures,      &kInPlaceResizing, &kFlags,
    &kExceptions,   &kExecutable,  &kChecking,      &kFixedHeaps,      &kWalking,
    &kWalkMerging,  &kWalkEntries, &kEnumeration,   &kValidation,      &kHandles,
    &kBadHandles,   &kLocks,       &kSerialization, &kInformation,     &kUserValues,
    &kGlobalMemory, &kLocalMemory, &kErrors,        &kRegions,         &kCRuntimes,
};
const size_t kTopicCount = sizeof kTopics / sizeof kTopics[0];

}  // namespace conformance
