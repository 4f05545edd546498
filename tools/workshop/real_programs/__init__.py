"""Runs real, unmodified programs plain and on Strata, and compares: tools/demo.sh, tools/programs.sh, the benchmarks.

    paths, files    where things are; comparing files
    npm             fetches programs and what they work on
    program         what there is to say about one program
    system          what a world, Windows under Wine or Linux, has to say about its programs
    watch           starts a program and measures it from outside
    servers         the same for servers and their clients
    outputs         what a program has printed
    compare         one program, plain and on Strata, again and again
    verdict         figures, and what they say
    report          the tables
    session         all programs that were chosen, one after the other
    demo, programs  the commands of tools/demo.sh and tools/programs.sh
    windows, linux  the programs, and how each of the two worlds runs them
    scripts/        what interpreters among the programs are given to run
"""
