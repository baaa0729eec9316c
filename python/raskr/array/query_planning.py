"""A question that programs written for Dask ask: is its second array implementation in use?"""


def array_expr_enabled():
    """Always False: there is one implementation here, and it plans by itself.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.array_expr_enabled()
    False
    """
    return False
