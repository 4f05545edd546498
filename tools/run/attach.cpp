#include "run/attach.h"

#include <cstddef>

#include "override/attach_block.h"
#include "run/command_line.h"
#include "run/errors.h"
#include "run/handle.h"
#include "run/target.h"

namespace strata::run {

namespace {

using override::AttachBlock;
using override::ReportState;

// The block in the process; goes with this object unless somebody there still needs it.
class RemoteBlock {
public:
    RemoteBlock(const Target& target, const ProcessCalls& calls) : target_(target), calls_(calls) {
        DWORD error = 0;
        for (size_t i = 0; address_ == nullptr && i < override::kAttachPlaces; ++i) {
            address_ = calls.virtual_alloc(
                target.process(), reinterpret_cast<void*>(override::AttachPlace(i)),
                sizeof(AttachBlock), MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
            if (address_ == nullptr) error = GetLastError();
        }
        if (address_ == nullptr) target.Failed("VirtualAllocEx", error);
    }
    ~RemoteBlock() {
        if (address_ != nullptr) calls_.virtual_free(target_.process(), address_, 0, MEM_RELEASE);
    }
    RemoteBlock(const RemoteBlock&) = delete;
    RemoteBlock& operator=(const RemoteBlock&) = delete;

    void* At(size_t offset) const { return static_cast<uint8_t*>(address_) + offset; }
    void Leave() { address_ = nullptr; }

    void Write(AttachBlock& block) const {
        block.self = reinterpret_cast<uintptr_t>(address_);
        SIZE_T written = 0;
        if (!calls_.write(target_.process(), address_, &block, sizeof block, &written) ||
            written != sizeof block) {
            target_.Failed("WriteProcessMemory", GetLastError());
        }
    }
    void Read(AttachBlock& block) const {
        SIZE_T read = 0;
        if (!calls_.read(target_.process(), address_, &block, sizeof block, &read) ||
            read != sizeof block) {
            target_.Failed("ReadProcessMemory", GetLastError());
        }
        block.reason[sizeof block.reason - 1] = 0;
        block.served[sizeof block.served - 1] = 0;
    }

private:
    const Target& target_;
    const ProcessCalls& calls_;
    void* address_ = nullptr;
};

void PutPath(const Target& target, const std::wstring& path, wchar_t* to) {
    if (path.size() >= override::kAttachPathLength) {
        target.Refuse(kExitLauncher, "this path is too long: " + ToUtf8(path));
    }
    memcpy(to, path.c_str(), (path.size() + 1) * sizeof(wchar_t));
}

void Fill(const Target& target, const AttachRequest& request, AttachBlock& block) {
    block.magic = override::kAttachMagic;
    block.bytes = sizeof block;
    block.flags = (request.require ? override::kAttachRequire : 0) |
                  (request.children ? override::kAttachChildren : 0) |
                  (request.verbose ? override::kAttachVerbose : 0) |
                  (request.stats ? override::kAttachStatistics : 0);
    block.state = static_cast<uint32_t>(ReportState::kPending);
    PutPath(target, request.dll, block.dll_path);
    PutPath(target, request.stats_file, block.statistics_file);
}

// Runs LoadLibraryW(path) in the process; whether it succeeded.
bool Load(const Target& target, const AttachRequest& request, RemoteBlock& block,
          const ProcessCalls& calls) {
    const Handle thread(calls.create_thread(target.process(), nullptr, 0, target.load_library(),
                                            block.At(offsetof(AttachBlock, dll_path)), 0, nullptr));
    if (thread.get() == nullptr) target.Failed("CreateRemoteThread", GetLastError());
    const HANDLE either[] = {thread.get(), target.process()};
    switch (calls.wait(2, either, FALSE, request.timeout_ms)) {
        case WAIT_OBJECT_0:
        case WAIT_OBJECT_0 + 1:
            break;
        case WAIT_TIMEOUT:
            // The thread goes on as soon as it can, and needs what it was given.
            block.Leave();
            target.Refuse(kExitLauncher,
                          "it has not loaded the override within " +
                              std::to_string(request.timeout_ms) +
                              " ms: one of its threads keeps the loader lock, or it is suspended; "
                              "the override will become active when it goes on");
        default: {
            const DWORD error = GetLastError();
            block.Leave();
            target.Failed("WaitForMultipleObjects", error);
        }
    }
    target.CheckAlive();
    DWORD loaded = 0;
    if (!calls.get_exit_code(thread.get(), &loaded)) {
        target.Failed("GetExitCodeThread", GetLastError());
    }
    return loaded != 0;
}

void Answer(const Target& target, const AttachRequest& request, const AttachBlock& block,
            bool loaded) {
    switch (static_cast<ReportState>(block.state)) {
        case ReportState::kActive:
            // Who only wants it done hears of what is missing.
            if (request.verbose || request.stats || block.unserved != 0) {
                const std::string who = "process " + std::to_string(target.pid()) + ": ";
                Say(who + "active, " + std::to_string(block.redirected) +
                    " entry points redirected in ntdll.dll");
                Say(who + block.served);
            }
            return;
        case ReportState::kDeclined:
            if (request.require) {
                target.Refuse(kExitLauncher, std::string("declined: ") + block.reason);
            }
            Say("process " + std::to_string(target.pid()) +
                ": declined, it goes on with its own heap: " + block.reason);
            return;
        case ReportState::kPending:
            break;
    }
    if (loaded) {
        target.Refuse(kExitLauncher,
                      "the DLL is loaded, but does not report: it was there already, or is no "
                      "override DLL of this version");
    }
    target.Refuse(kExitLauncher, "LoadLibraryW failed in it: it has no access to " +
                                     ToUtf8(request.dll) +
                                     ", or does not allow the DLL to be loaded");
}

}  // namespace

void Attach(const AttachRequest& request, const ProcessCalls& calls) {
    const Target target(request.pid, request.dll, calls);
    AttachBlock block = {};
    Fill(target, request, block);
    RemoteBlock remote(target, calls);
    remote.Write(block);
    const bool loaded = Load(target, request, remote, calls);
    remote.Read(block);
    Answer(target, request, block, loaded);
}

}  // namespace strata::run
