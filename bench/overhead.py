"""What a task costs beside its own work: small native blocks, small Python calls, and the start of a million chunks.

    python bench/overhead.py

Prints microseconds of processor time per task, the calls themselves included, for 10^5 and 10^6 tasks on two threads, and
the seconds from `compute` to the first task of an array of 10^6 chunks. Believe ratios: other work on the machine shows.
"""

import time

import raskr
import raskr.array as da

WORKERS = {"scheduler": "threads", "num_workers": 2}


def processor_time(work):
    start = time.process_time()
    work()
    return time.process_time() - start


def native_tasks(count):
    """Two native tasks a chunk of one element: one makes it, one puts it into the result."""
    array = da.ones(count, chunks=1) + 1
    seconds = processor_time(lambda: array.compute(**WORKERS))
    print(f"native tasks      {2 * count:9,}  {seconds / (2 * count) * 1e6:6.2f} us each")


def python_tasks(count):
    increment = raskr.delayed(lambda x: x + 1, pure=False)
    calls = []
    seconds = processor_time(lambda: calls.extend(increment(number) for number in range(count)))
    print(f"delayed calls     {count:9,}  {seconds / count * 1e6:6.2f} us each to build")
    seconds = processor_time(lambda: raskr.compute(*calls, **WORKERS))
    print(f"                  {count:9,}  {seconds / count * 1e6:6.2f} us each to run")


def first_block(count):
    """Seconds from `compute` to the first call, with all other chunks planned."""
    started = []

    def note(block):
        started.append(time.perf_counter())
        return block

    array = da.ones(count, chunks=1)
    begun = time.perf_counter()
    noted = (array + 1).map_blocks(note, dtype=array.dtype)
    started.clear()  # the function was asked once what it makes of an empty block
    noted.sum().compute(**WORKERS)
    print(f"first of {count:,} chunks: built, planned and started after {min(started) - begun:.2f} s")
    print(f"all of them: {(time.perf_counter() - begun) / count * 1e6:.2f} us of wall time each")


def main():
    for count in (10**5, 10**6):
        native_tasks(count // 2)
        python_tasks(count)
    first_block(10**6)


if __name__ == "__main__":
    main()
