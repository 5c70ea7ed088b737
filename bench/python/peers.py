"""What other tools need to profile every column of the trip events, once these are decoded and in memory.

    python3 bench/python/peers.py EVENTS.ndjson TOOL

TOOL is one of whylogs, duckdb, polars. Prints {"cpuNs", "version"}: CPU time of all threads for each event, the best of three;
reading the file and building the table is not counted.
"""
import importlib.metadata
import json
import sys
import time

path, tool = sys.argv[1:]


def best_of(runs, profile):
    best = float("inf")
    for _ in range(runs):
        before = time.process_time_ns()
        profile()
        best = min(best, time.process_time_ns() - before)
    return best


def with_whylogs():
    import pandas
    import whylogs

    frame = pandas.read_json(path, lines=True, convert_dates=False)
    return len(frame), lambda: whylogs.log(pandas=frame)


def with_duckdb():
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE trips AS SELECT * FROM read_json_auto('{path}')")
    (count,) = connection.execute("SELECT count(*) FROM trips").fetchone()
    return count, lambda: connection.execute("SUMMARIZE trips").fetchall()


def with_polars():
    """Count, nulls, distinct values, mean, spread, bounds and quartiles: about what SUMMARIZE tells."""
    import polars

    frame = polars.read_ndjson(path)
    return len(frame), lambda: (frame.describe(), frame.select(polars.all().approx_n_unique()))


count, profile = {"whylogs": with_whylogs, "duckdb": with_duckdb, "polars": with_polars}[tool]()
print(json.dumps({"cpuNs": best_of(3, profile) / count, "version": importlib.metadata.version(tool)}))
