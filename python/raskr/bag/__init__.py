"""Bags: sequences of Python objects in partitions, for data without the structure of arrays and tables."""

from raskr.bag import avro, random, text, utils
from raskr.bag.avro import read_avro
from raskr.bag.core import Bag, Item
from raskr.bag.creation import bag_range as range
from raskr.bag.creation import bag_zip as zip
from raskr.bag.creation import concat, from_delayed, from_sequence, from_url
from raskr.bag.elementwise import map_bags as map
from raskr.bag.elementwise import map_partitions
from raskr.bag.output import to_textfiles
from raskr.bag.text import read_text
from raskr.bag.utils import assert_eq
from raskr.base import compute

__all__ = [
    "Bag",
    "Item",
    "assert_eq",
    "avro",
    "compute",
    "concat",
    "from_delayed",
    "from_sequence",
    "from_url",
    "map",
    "map_partitions",
    "random",
    "range",
    "read_avro",
    "read_text",
    "text",
    "to_textfiles",
    "utils",
    "zip",
]
