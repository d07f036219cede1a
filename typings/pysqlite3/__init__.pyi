# pysqlite3 is the standard library's sqlite3 with a newer SQLite inside, and ships no types.
from sqlite3 import *
