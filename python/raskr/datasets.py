"""Made-up data to try things on."""

import random
from functools import partial
from typing import Any

from raskr.utils import import_required

__all__ = ["make_people", "timeseries"]

_MISSING = "The mimesis module is required for this function.  Try:\n  python -m pip install mimesis"


def _people(count: int, locale: str, seed: int) -> list[dict[str, Any]]:
    """Records of people who don't exist, the same for the same seed."""
    from mimesis import Address, Locale, Payment, Person

    language = Locale(locale)
    source = random.Random(seed)

    def part() -> int:
        return source.getrandbits(32)

    person, address = Person(language, seed=part()), Address(language, seed=part())
    payment = Payment(seed=part())
    return [
        {
            "age": source.randint(16, 66),
            "name": (person.first_name(), person.last_name()),
            "occupation": person.occupation(),
            "telephone": person.phone_number(),
            "address": {"address": address.address(), "city": address.city()},
            "credit-card": {
                "number": payment.credit_card_number(),
                "expiration-date": payment.credit_card_expiration_date(),
            },
        }
        for _ in range(count)
    ]


def make_people(
    npartitions: int = 10, records_per_partition: int = 1000, seed: int | None = None, locale: str = "en"
) -> Any:
    """A bag of records of people who don't exist.

    The package mimesis makes them; RuntimeError where it is missing.

    Parameters
    ----------
    npartitions : int
        How many partitions there are.
    records_per_partition : int
        How many people a partition has.
    seed : int, optional
        For the same people every time.
    locale : str
        The language of the names, such as 'en', 'fr' or 'zh'.

    Returns
    -------
    Bag
        Of dicts with 'age', 'name', 'occupation', 'telephone', 'address' and 'credit-card'.

    Examples
    --------
    >>> import raskr
    >>> people = raskr.datasets.make_people(npartitions=2)  # doctest: +SKIP
    >>> people.pluck("age").mean().compute()  # doctest: +SKIP
    41.2
    """
    import_required("mimesis", _MISSING)
    from raskr.bag.core import Bag
    from raskr.bag.layers import Tasks
    from raskr.bag.steps import MapPartitions, Part
    from raskr.core import literal
    from raskr.tokenize import tokenize

    seed = random.getrandbits(64) if seed is None else seed
    source = random.Random(seed)
    name = f"make-people-{tokenize(npartitions, records_per_partition, seed, locale)}"
    step = MapPartitions(partial(_people, records_per_partition, locale), (Part(0),), {})
    dsk = {(name, i): (step, literal(source.getrandbits(64))) for i in range(npartitions)}
    return Bag(Tasks(dsk), name, npartitions)


def timeseries(
    start: str = "2000-01-01",
    end: str = "2000-01-31",
    freq: str = "1s",
    partition_freq: str = "1D",
    dtypes: dict | None = None,
    seed: int | None = None,
    **kwargs: Any,
) -> Any:
    """A frame of made-up values at regular times: names, counts around a thousand, and numbers from -1 to 1.

    Parameters
    ----------
    start, end : str
        The first time, and the one before which the series ends.
    freq : str
        How far rows are apart.
    partition_freq : str
        How long a partition is.
    dtypes : dict, optional
        Types by column; `name`, `id`, `x` and `y` by default.
    seed : int, optional
        For the same values every time.
    **kwargs
        Options of columns, as `column_option`: `id_lam=500`.

    Examples
    --------
    >>> import raskr
    >>> df = raskr.datasets.timeseries(end="2000-01-03", freq="1h", seed=1)
    >>> len(df), df.npartitions
    (48, 2)
    """
    from raskr.dataframe.io.demo import make_timeseries

    return make_timeseries(
        start=start, end=end, dtypes=dtypes, freq=freq, partition_freq=partition_freq, seed=seed, **kwargs
    )
