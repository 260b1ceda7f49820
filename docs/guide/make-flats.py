"""Writes src/flats.csv, the invented flats that the guide trains on: the rent is a sum of what each column is worth, and noise of 25.

    python docs/guide/make-flats.py        # needs nothing but Python
"""

import pathlib
import random

draw = random.Random(5)
worth = {"centre": 6, "harbour": 4, "old town": 5, "outskirts": 0}
lines = ["area,district,floor,built,balcony,rent"]
for row in range(400):
    area, district, floor = draw.randint(25, 120), draw.choice(list(worth)), draw.randint(0, 6)
    built, balcony = draw.randint(1900, 2022), draw.choice(["yes", "no"])
    rent = 120 + area * (8 + worth[district]) + 15 * floor + 1.2 * max(0, built - 1960) + draw.gauss(0, 25)
    rent += 40 if balcony == "yes" else 0
    shown = "" if row in (17, 203) else area  # two gaps, as real files have
    lines.append(f"{shown},{district},{floor},{built},{balcony},{rent:.0f}")
(pathlib.Path(__file__).parent / "src" / "flats.csv").write_text("\n".join(lines) + "\n")
