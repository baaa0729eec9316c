"""The methods of frames that move rows between partitions or write them, gathered for the classes to inherit."""

from raskr.dataframe.distinct import Deduplicating, Sampling, SeriesDistinct
from raskr.dataframe.explaining import Explaining
from raskr.dataframe.io.methods import BagOutput, FrameOutput, TableOutput
from raskr.dataframe.merging import Merging
from raskr.dataframe.repartitioning import Repartitioning
from raskr.dataframe.shuffle import Shuffling
from raskr.dataframe.sorting import Sorting


class TableMoves(Explaining, Repartitioning, Shuffling, Sampling, TableOutput):
    """What frames and series have."""


class FrameMoves(TableMoves, Sorting, Merging, Deduplicating, FrameOutput):
    """What frames have."""


class SeriesMoves(TableMoves, SeriesDistinct):
    """What series have."""


class IndexMoves(SeriesDistinct, BagOutput):
    """What indexes have."""
