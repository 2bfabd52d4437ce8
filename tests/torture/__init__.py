"""Torture: real servers, random writers, and a fault every few seconds; at the end every topic must be its table.

Map, in the order of reading:

    tables     ten tables with every kind of key, and what their rows must look like in Kafka
    writers    threads that change them without rest
    proxy      a TCP proxy that cuts, stalls and slows connections
    place      the servers and headrace's processes
    faults     what can go wrong, by name
    check      every row of every topic against MySQL
    campaign   rounds of one job each: submit, torture, settle, compare, cancel
    report     what happened, as Markdown
"""
