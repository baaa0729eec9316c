"""Where Dask keeps its frames' expressions: the few public names that programs import from there."""

from raskr.dataframe.dask_expr import datasets as datasets
