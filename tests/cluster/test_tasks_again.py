"""Tasks that are run once more: elsewhere, because they ask for it."""

import pytest
from clusters import by_value

from raskr.distributed import Client, Reschedule, get_worker

by_value(__name__)


@pytest.fixture
def client(cluster):
    with Client(cluster, timeout=10) as client:
        yield client


def test_tasks_that_ask_to_begin_again_go_elsewhere(client):
    left = min(client.nthreads())

    def address(number):
        if get_worker().address == left:
            raise Reschedule()
        return get_worker().address

    futures = client.map(address, range(6), pure=False)
    assert set(client.gather(futures)) == set(client.nthreads()) - {left}


def test_functions_of_blocks_begin_again_too(client):
    np = pytest.importorskip("numpy")
    import raskr.array as da

    left = min(client.nthreads())

    def added(block):
        if get_worker().address == left:
            raise Reschedule()
        return block + 1

    assert (da.ones(6, chunks=3).map_blocks(added, dtype=float).compute() == np.full(6, 2)).all()
