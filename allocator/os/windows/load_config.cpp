// The load configuration of a DLL without a C runtime, whose part this is elsewhere: it says that
// the DLL was built for Control Flow Guard and where its list of call targets is (Microsoft, "PE
// Format", The Load Configuration Structure). A process with strict control flow guard loads
// nothing else. The DLL's own calls are not checked: the functions behind the two pointers below
// are replaced by the loader, and called by nobody.
//
// For clang alone: MinGW's GCC has no such lists, and Microsoft's linker takes the runtime's
// structure. In assembler because one of the linker's symbols is a number of 32 bits, which C++
// cannot say.
asm(R"(
    .section .00cfg,"dr"
    .p2align 3
check_pointer:
    .quad check
dispatch_pointer:
    .quad dispatch

    .text
    .p2align 4
check:
    ret
    .p2align 4
dispatch:
    jmp *%rax

    .section .rdata,"dr"
    .globl _load_config_used
    .p2align 4
_load_config_used:
    .long 0x100
    .fill 108, 1, 0
    .quad check_pointer
    .quad dispatch_pointer
    .quad __guard_fids_table
    .quad __guard_fids_count
    .long __guard_flags
    .fill 12, 1, 0
    .quad __guard_iat_table
    .quad __guard_iat_count
    .quad __guard_longjmp_table
    .quad __guard_longjmp_count
    .fill 64, 1, 0
)");
