#include "override/status.h"

#include <cstring>

#include "os/message.h"
#include "os/process.h"
#include "override/import_directory.h"
#include "override/windows_api.h"

namespace strata::override {

constinit Status g_status;

void SetDeclined(const char* reason) noexcept {
    g_status.state = STRATA_OVERRIDE_DECLINED;
    g_status.redirected = 0;
    os::TextSink(g_status.reason, sizeof g_status.reason).Put(reason);
}

void PutProgramName(os::TextSink& text) noexcept {
    wchar_t path[512];
    const DWORD length = GetModuleFileNameW(nullptr, path, 512);
    DWORD name = length;
    while (name > 0 && path[name - 1] != L'\\' && path[name - 1] != L'/') --name;
    char utf8[512];
    const int bytes = WideCharToMultiByte(CP_UTF8, 0, path + name, static_cast<int>(length - name),
                                          utf8, sizeof utf8, nullptr, nullptr);
    if (bytes > 0) text.Put(utf8, static_cast<size_t>(bytes));
}

void PutPrefix(os::TextSink& text) noexcept {
    text.Put("strata: ");
    PutProgramName(text);
    text.Put(" (").PutDecimal(os::ProcessId()).Put("): ");
}

void Say(const char* message) noexcept {
    os::TextBuffer<1024> text;
    PutPrefix(text);
    text.Put(message).Put("\n");
    os::WriteMessage(text.text(), text.length());
}

}  // namespace strata::override

extern "C" int StrataOverrideStatus(StrataOverrideInfo* info) noexcept {
    const strata::override::Status& status = strata::override::g_status;
    if (info != nullptr && info->size >= sizeof info->size) {
        StrataOverrideInfo full = {};
        full.size = info->size;
        full.state = static_cast<uint32_t>(status.state);
        full.redirected = status.redirected;
        full.children = status.children ? 1 : 0;
        memcpy(full.reason, status.reason, sizeof full.reason);
        memcpy(info, &full, info->size < sizeof full ? info->size : sizeof full);
    }
    return static_cast<int>(status.state);
}

extern "C" void StrataOverrideMarker() noexcept {}

extern "C" const uint32_t StrataOverrideProtocol;
extern "C" const uint32_t StrataOverrideProtocol = strata::override::kProtocolVersion;
