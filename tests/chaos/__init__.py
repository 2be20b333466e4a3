"""Whole days of trouble in minutes: ``python -m tests.chaos --minutes N --seed S``, or ``make chaos``.

Processes of the program load, plan and apply, while a workspace changes, a proxy in between breaks
connections, processes are killed, and disks, databases, clocks and keys fail. After each quiet point the
promises are held against what the sandbox knows.

    __main__      arguments, time, the report
    episode       one workspace and one warehouse through several rounds and quiet points
    script        what happens in a round: a function of the seed, the same whenever it is asked
    operations    carries out what a script says, with processes
    troubles      what happens to one process: killed, a full disk, another clock, ...
    processes     the program as a process, its output kept
    child         the program in a process whose clock and disk are not what they were
    proxy         between program and sandbox; keeps a ledger of what it passed on
    workspace     a sandbox that changes, and remembers
    wishes        what people want to be in Dub
    promises      P1, P2, P3, P5: the warehouse is what the sandbox is
    pushes        P6: every change has one outcome, and it is true
    quiet         P7: no word about people, no key, anywhere
    report        what was done, and what was broken
"""
