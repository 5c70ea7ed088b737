import { describe, expect, test } from "vitest";
import { SlicePlaces } from "../../src/windows/slice-places.ts";

const CONFIG = { by: "origin", name: "origin", limit: 2 };
const pane = (counts: Readonly<Record<string, number>>) =>
  Object.entries(counts).map(([slice, count]) => ({ slice, count }));

describe("SlicePlaces.closePane()", () => {
  test("gives places by first pane, then count, then name, and keeps them", () => {
    const places = new SlicePlaces([CONFIG], 1000);
    expect(places.closePane(pane({ all: 9, "origin=C": 1 }), 10).admitted).toEqual(["origin=C"]);
    expect(places.closePane(pane({ "origin=B": 5, "origin=A": 5, "origin=D": 4 }), 20).admitted).toEqual(["origin=A"]);
    expect(places.closePane(pane({ "origin=D": 500 }), 30).admitted).toEqual([]);
    expect(places.knownAt(30).sort()).toEqual(["origin=A", "origin=C", "origin=other"]);
    expect(places.placed("origin=D")).toBe("origin=other");
    expect(places.placed("origin=A")).toBe("origin=A");
  });

  test("takes a place back when the slice was empty for retireAfter, before it gives any", () => {
    const places = new SlicePlaces([CONFIG], 1000);
    places.closePane(pane({ "origin=A": 1, "origin=B": 1 }), 10);
    places.closePane(pane({ "origin=B": 1 }), 1009);
    expect(places.knownAt(1009).sort()).toEqual(["origin=A", "origin=B"]);
    expect(places.knownAt(1010)).toEqual(["origin=B"]);
    expect(places.closePane(pane({ "origin=C": 1 }), 1010)).toEqual({ admitted: ["origin=C"], retired: ["origin=A"] });
  });

  test("keeps a slice that comes back in the pane that would have retired it", () => {
    const places = new SlicePlaces([CONFIG], 1000);
    places.closePane(pane({ "origin=A": 1 }), 10);
    expect(places.closePane(pane({ "origin=A": 1 }), 5000)).toEqual({ admitted: [], retired: [] });
  });

  test("other takes no place, and fields have places of their own", () => {
    const places = new SlicePlaces([CONFIG, { by: "origin=x", name: "origin=x", limit: 1 }], 1000);
    const { admitted } = places.closePane(
      pane({
        "origin=other": 9,
        "origin=A": 1,
        "origin=B": 1,
        "origin=x=1": 2,
        "origin=x=2": 1,
        "origin=__proto__": 1,
      }),
      10,
    );
    expect(admitted).toEqual(["origin=x=1", "origin=A", "origin=B"]);
    expect(places.otherOf("origin=x=2")).toBe("origin=x=other");
    expect(places.knownAt(10)).toContain("origin=other");
  });

  test("a snapshot goes on, without fields that are no longer configured", () => {
    const places = new SlicePlaces([CONFIG], 1000);
    places.closePane(pane({ "origin=A": 1 }), 10);
    expect(new SlicePlaces([CONFIG], 1000, places.snapshot()).knownAt(10)).toEqual(["origin=A"]);
    expect(new SlicePlaces([], 1000, places.snapshot()).knownAt(10)).toEqual([]);
  });
});
