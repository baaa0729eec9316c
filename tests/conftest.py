"""What all tests share."""

import signal

# Jobs in the background of a shell are begun with interrupts ignored, and Python keeps that: tests of Ctrl-C would wait.
signal.signal(signal.SIGINT, signal.default_int_handler)
