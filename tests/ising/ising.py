#!/usr/bin/env python3
"""Ising model on an L x L torus, Metropolis: ising.py input.json -> result.json, run.csv.

E = -J sum_<ij> s_i s_j - h sum_i s_i in units of J, temperatures in J/k_B; all per spin.
Without a field the magnetisation is |m|. Only the standard library; Python 3.6 or later.
"""

import csv
import json
import math
import random
import sys

BLOCKS = 40  # rows of run.csv, each a mean; their spread gives the errors


class Lattice:
    def __init__(self, size, temperature, field, seed):
        self.number, self.beta, self.field = size * size, 1 / temperature, field
        self.random = random.Random(seed).random  # the same in every version of Python
        self.spins = [1] * self.number
        sites = [(y * size, x) for y in range(size) for x in range(size)]
        self.right = [row + (x + 1) % size for row, x in sites]
        self.left = [row + (x - 1) % size for row, x in sites]
        self.down = [(row + size) % self.number + x for row, x in sites]
        self.up = [(row - size) % self.number + x for row, x in sites]
        cases = [(s, around) for s in (-1, 1) for around in (-4, -2, 0, 2, 4)]
        self.chances = {(s, n): self.chance(2 * s * (n + field)) for s, n in cases}

    def chance(self, rise):
        return 1.0 if rise <= 0 else math.exp(-self.beta * rise)

    def swept(self):
        spins, dice, chances = self.spins, self.random, self.chances
        for _ in range(self.number):
            i = int(dice() * self.number)
            around = spins[self.left[i]] + spins[self.right[i]] + spins[self.up[i]]
            if dice() < chances[spins[i], around + spins[self.down[i]]]:
                spins[i] = -spins[i]
        # all spins at once: one by one they hardly ever turn round when it is cold
        if dice() < self.chance(2 * self.field * sum(spins)):
            self.spins = [-spin for spin in spins]
        return self

    def measured(self):
        s, total = self.spins, sum(self.spins)
        bonds = sum(s[i] * (s[self.right[i]] + s[self.down[i]]) for i in range(self.number))
        magnetisation = total if self.field else abs(total)
        return (-bonds - self.field * total) / self.number, magnetisation / self.number


def mean(values):
    return sum(values) / len(values)


def with_error(blocks):
    variance = sum((one - mean(blocks)) ** 2 for one in blocks) / (len(blocks) - 1)
    return {"mean": mean(blocks), "error": math.sqrt(variance / len(blocks))}


def main(file):
    with open(file) as opened:
        given = json.load(opened)
    sweeps, before = given.pop("sweeps"), given.pop("thermalisation")
    lattice, length, rows = Lattice(**given), sweeps // BLOCKS, []
    for _ in range(before):
        lattice.swept()
    for block in range(1, BLOCKS + 1):
        pairs = [lattice.swept().measured() for _ in range(length)]
        rows.append((block * length, *map(mean, zip(*pairs))))
    names, columns = ("sweep", "energy", "magnetisation"), list(zip(*rows))
    with open("run.csv", "w", newline="") as opened:
        csv.writer(opened, lineterminator="\n").writerows([names, *rows])
    with open("result.json", "w") as opened:
        json.dump({name: with_error(columns[n]) for n, name in enumerate(names) if n}, opened)


if __name__ == "__main__":
    main(sys.argv[1])
