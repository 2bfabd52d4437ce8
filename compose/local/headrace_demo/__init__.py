"""What `make demo` shows: headrace at work on the local stack, from three job files to changes that arrive in Kafka.

The law: this package uses headrace as a user does, by its command line and its programs; it never imports headrace.
Unlike headrace_local it needs the virtual environment (pymysql, confluent_kafka, rich). `compose/local/demo.py` is
its command line.

Map, in the order of reading:

    place      folders, addresses and the environment of headrace's programs
    daemon     one background program, remembered by its pid file
    fleet      the five programs of the demo: start them, see them up, stop them
    sample     the database order_dw
    jobs       the three job files, submitted by `scheduler`
    reader     one reader of all topics, from their beginning and on
    history    what the topics hold
    changes    what is changed in MySQL, and what must arrive in Kafka
    screen     everything that the user sees
    closing    the last screen: where everything is, what to try next
    show       the demo itself, step by step
"""
