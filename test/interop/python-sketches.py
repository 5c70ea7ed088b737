"""The other side of the interoperability tests: Apache DataSketches for Python.

    python3 python-sketches.py golden | gzip -9n > fixtures/golden.json.gz   sketches that Python wrote, and what it reads off them
    python3 python-sketches.py write < REQUESTS                               the same for [{"kind", "n"}, ...], as JSON lines
    python3 python-sketches.py read < SKETCHES                                reads [{"kind", "bytes"}, ...], as JSON lines

Needs `pip install datasketches==5.2.0`. Bytes are base64. The values of a sketch of size n are those of `values(n)`.
"""

import base64
import json
import struct
import sys
from importlib.metadata import version

import datasketches as ds

RANKS = [0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999]
HLL_TYPES = {
    "hll4": ds.tgt_hll_type.HLL_4,
    "hll6": ds.tgt_hll_type.HLL_6,
    "hll8": ds.tgt_hll_type.HLL_8,
}
KINDS = ["kll", "items", *HLL_TYPES]
GOLDEN_SIZES = [0, 1, 2, 7, 8, 10, 100, 384, 385, 1000, 10_000, 100_000]


def values(n):
    """0 to n - 1, each once, in an order that is neither sorted nor random."""
    return ((i * 7919) % n if n % 7919 else i for i in range(n))


def kll_of(n):
    sketch = ds.kll_doubles_sketch(200)
    for value in values(n):
        sketch.update(float(value))
    return sketch


def hll_of(kind, n):
    sketch = ds.hll_sketch(12, HLL_TYPES[kind])
    for value in values(n):
        sketch.update(value)
    return sketch


def item_of(value):
    """Few items that are frequent, many that are not, and text that is not ASCII."""
    return f"é-{value % 8}" if value % 4 else f"item {value}"


def items_of(n):
    sketch = ds.frequent_strings_sketch(8)
    for value in values(n):
        sketch.update(item_of(value))
    return sketch


def encoded(data):
    return base64.b64encode(bytes(data)).decode()


def told(kind, sketch):
    """What Python reads off a sketch."""
    if kind == "kll":
        if sketch.is_empty():
            return {"n": 0}
        quantiles = [sketch.get_quantile(rank, True) for rank in RANKS]
        return {
            "n": sketch.n,
            "min": sketch.get_min_value(),
            "max": sketch.get_max_value(),
            "retained": sketch.num_retained,
            "quantiles": quantiles,
            "ranks": [sketch.get_rank(value, True) for value in quantiles],
        }
    if kind == "items":
        rows = sketch.get_frequent_items(ds.frequent_items_error_type.NO_FALSE_NEGATIVES, 0)
        return {
            "totalWeight": sketch.total_weight,
            "items": sorted([item, estimate, lower, upper] for item, estimate, lower, upper in rows),
        }
    return {"estimate": sketch.get_estimate(), "type": str(sketch.tgt_type).split(".")[-1]}


def written(kind, n):
    if kind == "kll":
        sketch = kll_of(n)
        unsorted = encoded(sketch.serialize())
        # The first question sorts level 0 in place.
        figures = told(kind, sketch)
        return [
            {"form": "update", "bytes": unsorted, **figures},
            {"form": "sorted", "bytes": encoded(sketch.serialize()), **figures},
        ]
    if kind == "items":
        sketch = items_of(n)
        return [{"form": "update", "bytes": encoded(sketch.serialize()), **told(kind, sketch)}]
    sketch = hll_of(kind, n)
    union = ds.hll_union(12)
    union.update(sketch)
    merged = union.get_result(HLL_TYPES[kind])
    # A union with another sketch: the estimate is then read off the registers.
    union.update(hll_of("hll8", 2000))
    overlapped = union.get_result(HLL_TYPES[kind])
    forms = [
        {"form": "compact", "bytes": encoded(sketch.serialize_compact()), **told(kind, sketch)},
        {"form": "updatable", "bytes": encoded(sketch.serialize_updatable()), **told(kind, sketch)},
        {"form": "union", "bytes": encoded(merged.serialize_compact()), **told(kind, merged)},
    ]
    if n > 384:
        overlap = {"form": "union with 2000", "bytes": encoded(overlapped.serialize_compact())}
        forms.append({**overlap, **told(kind, overlapped)})
    return forms


def hash_of(value):
    """Coupon of the HLL, and the upper 31 bits of the first half, which a theta sketch keeps without its lowest bit."""
    sketch = ds.hll_sketch(12)
    sketch.update(value)
    coupon = struct.unpack("<I", bytes(sketch.serialize_compact())[8:12])[0]
    theta = ds.update_theta_sketch()
    theta.update(value)
    (first,) = list(theta)
    return {"coupon": coupon, "hi": (first >> 31) & 0xFFFFFFFF}


def hashes():
    longs = [0, 1, -1, 42, 2**31, 2**32, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)]
    doubles = [0.5, -1.5, 1e-300, 5e-324, -5e-324, 1.7976931348623157e308, 2.0**64, float("inf"), float("-inf"), float("nan")]
    texts = ["a", "é🚀", "12345678", "123456789", "x" * 15, "x" * 16, "x" * 17, "x" * 31, "x" * 32, "x" * 2000]
    texts += ["".join(chr(97 + (i * j) % 26) for i in range(j)) for j in range(1, 41)]
    return {
        "longs": [{"value": str(value), **hash_of(value)} for value in longs],
        "doubles": [{"bits": encoded(struct.pack("<d", value)), **hash_of(value)} for value in doubles],
        "texts": [{"text": text, **hash_of(text)} for text in texts],
    }


def golden():
    cases = [{"kind": kind, "n": n, **form} for kind in KINDS for n in GOLDEN_SIZES for form in written(kind, n)]
    head = {"generator": "test/interop/python-sketches.py golden", "version": f"datasketches {version('datasketches')}"}
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    print(f'{{"head": {json.dumps(head)},\n"hashes": {json.dumps(hashes(), ensure_ascii=False)},\n"cases": [\n{lines}\n]}}')


def read(kind, data):
    if kind == "kll":
        return told(kind, ds.kll_doubles_sketch.deserialize(data))
    if kind == "items":
        return told(kind, ds.frequent_strings_sketch.deserialize(data))
    return told(kind, ds.hll_sketch.deserialize(data))


def main():
    command = sys.argv[1]
    if command == "golden":
        golden()
    elif command == "write":
        for request in json.load(sys.stdin):
            for form in written(request["kind"], request["n"]):
                print(json.dumps({**request, **form}))
    elif command == "read":
        for sketch in json.load(sys.stdin):
            print(json.dumps(read(sketch["kind"], base64.b64decode(sketch["bytes"]))))
    else:
        sys.exit(f"no such command: {command}")


main()
