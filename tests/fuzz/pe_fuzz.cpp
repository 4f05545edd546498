// Fuzzes the reading and patching of PE files: whatever the bytes, strata-patch either refuses with
// a reason or makes a file that its own --verify finds right and that --undo takes back to the
// byte.
//
// Input: the first byte chooses the name of the DLL and --force; the rest is the file.
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "input.h"
#include "patch/describe.h"
#include "patch/patch.h"

namespace {

using namespace strata::patch;

// Runs `action`; false when it is refused. Any other exception ends the fuzzer.
template <typename Action>
bool Accepted(Action action) {
    try {
        action();
        return true;
    } catch (const Refused& refused) {
        FUZZ_CHECK(refused.what()[0] != 0);
        return false;
    }
}

void PatchAndUndo(Bytes original, const PatchRequest& request) {
    PatchedFile patched;
    if (!Accepted([&] { patched = ApplyPatch(original, request); })) return;
    FUZZ_CHECK(patched.bytes.size() > original.size());
    FUZZ_CHECK(ApplyPatch(original, request).bytes == patched.bytes);
    const Verification verification = VerifyPatch(patched.bytes);
    FUZZ_CHECK(verification.Right());
    FUZZ_CHECK(verification.dll == request.dll);
    const Original restored = RestoreOriginal(patched.bytes);
    FUZZ_CHECK(restored.identical);
    FUZZ_CHECK(
        std::equal(original.begin(), original.end(), restored.bytes.begin(), restored.bytes.end()));
    FUZZ_CHECK(!Describe(patched.bytes, request.dll).empty());
    // A second time is refused, and says so.
    FUZZ_CHECK(!Accepted([&] { ApplyPatch(patched.bytes, request); }));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
    if (size == 0) return 0;
    PatchRequest request;
    request.force = (bytes[0] & 1) != 0;
    if ((bytes[0] & 0xF0) == 0x10) request.dll = std::string(bytes[0] >> 1 & 7, 'x') + "/..";
    // A copy of exactly this size, so that a read behind it is seen.
    std::vector<uint8_t> file(bytes + 1, bytes + size);
    file.shrink_to_fit();
    Accepted([&] { FUZZ_CHECK(!Describe(file, request.dll).empty()); });
    Accepted([&] { VerifyPatch(file); });
    Accepted([&] { RestoreOriginal(file); });
    PatchAndUndo(file, request);
    return 0;
}
