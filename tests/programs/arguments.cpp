// Prints its arguments and its whole command line, in escaped ASCII; then standard input, as it is.
#include <windows.h>

#include <cstdio>
#include <cwchar>

namespace {

void Print(const wchar_t* text) {
    std::putchar('[');
    for (; *text != 0; ++text) {
        if (*text >= 0x20 && *text < 0x7f) {
            std::putchar(static_cast<char>(*text));
        } else {
            std::printf("\\u%04x", static_cast<unsigned>(*text));
        }
    }
    std::puts("]");
}

}  // namespace

int wmain(int count, wchar_t** arguments) {
    for (int i = 1; i < count; ++i) Print(arguments[i]);
    const wchar_t* rest = GetCommandLineW();
    // Without the program's own name, which differs between the ways to start it.
    bool quoted = false;
    for (; *rest != 0 && (quoted || *rest != L' '); ++rest) {
        if (*rest == L'"') quoted = !quoted;
    }
    Print(rest);
    int c;
    if (count > 1 && std::wcscmp(arguments[1], L"-") == 0) {
        while ((c = std::getchar()) != EOF) std::putchar(c);
    }
    return 0;
}
